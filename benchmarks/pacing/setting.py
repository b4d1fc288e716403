"""A setting: a world, a team, a day and a law, under which any controller can be run.

One rule governs this module: a setting is data. It says nothing about how to pace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    ClockStart,
    DispositionPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
    Window,
)
from dialer.simulator.scenario import Scenario, load_world

OPENS_S = 9 * 3600
NO_CAP = 0.5
"""A cap that binds nobody: where the pacing is to be measured, not the governor."""

_DISPOSITIONS = {
    "done": DispositionPolicy(name="done", is_final=True),
    "machine": DispositionPolicy(name="machine", is_machine=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One world with a team. `tables` replace keys of the packaged world `base`; `marks` are the local times of steps.

    The campaign is open from 09:00 for `hours` a day, `days` long; with `is_open` there is no end of the day, so that
    nothing but the pacing shows. A target of None is the cap.
    """

    name: str
    agents: int
    number: int = 0  # of the list of scenarios; 0: of none
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base: str = "realistic"
    hours: float = 8.0
    days: int = 1
    cap: float = 0.03
    target: float | None = None
    window: Window = Window.DAY
    threshold_s: float = 2.0
    starts_at: ClockStart = ClockStart.ANSWER
    detector: tuple[int, int] | None = None  # people among so many checked calls that it took for machines
    ring_timeout_s: float = 22.0
    marks: tuple[str, ...] = ()
    is_open: bool = False
    is_stationary: bool = True  # parameters can be known

    @property
    def agent_hours(self) -> float:
        """What one run costs."""
        return self.agents * self.hours * self.days


def world_of(setting: Setting) -> Scenario:
    """Read the base and put the setting's tables over it."""
    tables = load_world(setting.base).model_dump(exclude_none=True)
    for name, keys in setting.tables.items():
        tables[name] = {**tables[name], **keys}
    return Scenario.model_validate(tables)


def policy_of(setting: Setting) -> CampaignPolicy:
    """The campaign under which a setting is run."""
    close_s = 86400 if setting.is_open else OPENS_S + round(setting.hours * 3600)
    open_s = 0 if setting.is_open else OPENS_S
    return CampaignPolicy(
        name="bench",
        seller="Example Telecom",
        purpose="survey",
        jurisdiction="GB",
        list=ListPolicy(),
        pacing=PacingPolicy(mode=PacingMode.PREDICTIVE, ring_timeout_s=setting.ring_timeout_s),
        abandonment=AbandonmentPolicy(
            target_rate=setting.cap if setting.target is None else setting.target,
            cap_rate=setting.cap,
            window=setting.window,
            threshold_s=setting.threshold_s,
            starts_at=setting.starts_at,
            amd_people=None if setting.detector is None else setting.detector[0],
            amd_checked=None if setting.detector is None else setting.detector[1],
        ),
        hours=HoursPolicy(week=(((open_s, close_s),),) * 7),
        retry=RetryPolicy(),
        numbers=NumbersPolicy(),
        callbacks=CallbackPolicy(),
        agents=AgentsPolicy(groups=("bench",), wrap_up_max_s=7200.0),
        dispositions=_DISPOSITIONS,
    )
