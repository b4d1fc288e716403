"""A world: what the simulated network, people and agents are like, as one TOML file; docs/simulation.md has every key.

One rule governs this module: a world says nothing about pacing. What the engine may know it has to learn from events.
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dialer.config.toml_file import TomlModel, expected, load_model
from dialer.config.values import matching
from dialer.errors import ConfigError
from dialer.simulator.families import DistributionTable, NotNegative, Positive, constant, uniform

Share = Annotated[float, Field(ge=0, le=1)]
LocalTime = Annotated[str, matching(re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]"), 'a time of the day such as "09:30"')]

Steps = dict[LocalTime, NotNegative]
ShareSteps = dict[LocalTime, Share]

LocalHour = Annotated[str, matching(re.compile(r"[0-9]|1[0-9]|2[0-3]"), 'an hour of the day from "0" to "23"')]

DEFAULT_WORLD = "default"


class NetworkTable(TomlModel):
    """Lines and the way to the far end."""

    lines: Annotated[int, Field(ge=1)] = 1000
    calls_per_second: Annotated[float, Field(gt=0)] = 50.0
    setup_s: DistributionTable = uniform(1.5, 4.0)  # from the order to the first ring
    setup_steps: Steps = Field(default_factory=dict)  # factor of setup_s from that local time on
    lines_steps: dict[LocalTime, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    p_congestion: Share = 0.0  # the carrier refuses the call
    congestion_steps: ShareSteps = Field(default_factory=dict)  # p_congestion from that local time on
    congestion_after_s: DistributionTable = uniform(0.5, 2.0)
    p_dropped: Share = 0.0  # the network cuts a conversation short
    message_s: DistributionTable = constant(6.0)  # how long the abandonment message plays

    @model_validator(mode="after")
    def _has_the_lines(self) -> "NetworkTable":
        if max(self.lines_steps.values(), default=0) > self.lines:
            raise expected(f"at most network.lines ({self.lines}), which the engine knows", key=("lines_steps",))
        return self


class NumbersTable(TomlModel):
    """What a number is, for good."""

    p_invalid: Share = 0.0  # does not exist
    invalid_after_s: DistributionTable = uniform(2.0, 4.0)
    p_wrong: Share = 0.0  # somebody else answers


class ClumpsTable(TomlModel):
    """Runs of neighbours on the list whose answer rates are alike."""

    # Of p_live, one run after the other, over and over.
    factors: list[NotNegative] = Field(min_length=2, description="factors of p_live, such as [0.5, 1.5]")
    shortest: int = Field(ge=1, description="how many numbers a run has at least")
    longest: int = Field(ge=1, description="how many numbers a run has at most")

    @model_validator(mode="after")
    def _is_ordered(self) -> "ClumpsTable":
        if self.longest < self.shortest:
            raise expected("a number of at least shortest", key=("longest",))
        return self


class AnswersTable(TomlModel):
    """What becomes of a call to a number that exists. What the shares leave over is not answered."""

    p_live: Share = 0.3
    ring_s: DistributionTable = constant(9.0)  # from the first ring to the person's answer
    p_machine: Share = 0.0
    machine_after_s: DistributionTable = constant(15.0)  # from the first ring
    p_busy: Share = 0.0
    busy_after_s: DistributionTable = uniform(2.0, 4.0)  # from the order
    p_rejected: Share = 0.0
    rejected_after_s: DistributionTable = uniform(3.0, 8.0)  # from the first ring
    by_hour: dict[LocalHour, NotNegative] = Field(default_factory=dict)  # factor of p_live in that local hour
    steps: Steps = Field(default_factory=dict)  # factor of p_live from that local time of day on, until the next
    ring_steps: Steps = Field(default_factory=dict)  # factor of ring_s likewise
    clumps: ClumpsTable | None = None  # left out: neighbours have nothing in common

    @model_validator(mode="after")
    def _shares_fit(self) -> "AnswersTable":
        others = self.p_machine + self.p_busy + self.p_rejected
        clumps = self.clumps.factors if self.clumps is not None else [1.0]
        factor = max([1.0, *self.by_hour.values()]) * max([1.0, *self.steps.values()]) * max(clumps)
        if self.p_live * factor + others > 1 + 1e-9:
            raise expected(
                "p_live times its largest factor, p_machine, p_busy and p_rejected that sum to at most 1 "
                f"(here {self.p_live:g} x {factor:g} + {others:g})"
            )
        return self


class PersonTable(TomlModel):
    """What a person does who has answered."""

    greeting_after_s: DistributionTable = constant(0.0)  # from the answer to the first word
    greeting_s: DistributionTable = constant(0.0)  # how long the greeting is
    patience_s: DistributionTable | None = None  # from the greeting's end to hanging up; left out: waits for ever


class DetectionTable(TomlModel):
    """The answering machine detector."""

    human_after_s: DistributionTable = constant(0.0)  # from the greeting's end to the detector's word
    machine_after_s: DistributionTable = constant(0.0)  # from the machine's answer to the detector's word
    p_human_as_machine: Share = 0.0
    p_machine_as_human: Share = 0.0


class DriftTable(TomlModel):
    """A factor of talk times that wanders along the list."""

    sd: Positive = Field(description="the standard deviation of the factor's logarithm")
    numbers: Positive = Field(description="numbers on the list until the correlation has fallen to 1/e")


class TalkTable(TomlModel):
    """Conversations and what follows."""

    talk_s: DistributionTable = constant(150.0)
    talk_steps: Steps = Field(default_factory=dict)  # factor of talk_s from that local time on
    drifts: list[DriftTable] = Field(default_factory=list)  # factors of talk_s along the list, multiplied
    p_refused: Share = 0.0  # of the persons reached: a short talk instead of talk_s
    refused_steps: ShareSteps = Field(default_factory=dict)  # p_refused from that local time on
    refused_s: DistributionTable = constant(20.0)
    wrong_number_s: DistributionTable = constant(20.0)  # talk when somebody else answers
    machine_s: DistributionTable = constant(8.0)  # until an agent knows that it is a machine
    wrap_up_s: DistributionTable = constant(30.0)
    wrap_up_steps: Steps = Field(default_factory=dict)  # factor of wrap_up_s from that local time on
    p_agent_hangs_up: Share = 0.5


class MeaningsTable(TomlModel):
    """Weights of dispositions by what the campaign says that they mean; those it lacks are left out."""

    success: NotNegative = 0.11
    schedule: NotNegative = 0.08
    do_not_call: NotNegative = 0.03
    final: NotNegative = 0.58
    retried: NotNegative = 0.20


class DispositionsTable(TomlModel):
    """What the agent chooses after talking to the person: by the campaign's own names, else by meaning."""

    shares: dict[str, NotNegative] = Field(default_factory=dict)
    meanings: MeaningsTable = MeaningsTable()
    callback_after_s: DistributionTable = uniform(3600.0, 14400.0)
    p_personal: Share = 0.3  # of callbacks: promised by this very agent

    @model_validator(mode="after")
    def _has_weight(self) -> "DispositionsTable":
        if self.shares and sum(self.shares.values()) <= 0:
            raise expected("at least one share above 0", key=("shares",))
        return self


class LeaveTable(TomlModel):
    """A part of the team leaves every day at a local time."""

    at: LocalTime = Field(description='when they leave, such as "17:30"')
    share: Share = 1.0  # of the team, rounded to whole agents
    within_s: NotNegative = 0.0  # the leaving is spread evenly over so long
    announced_s: NotNegative = 0.0  # who is on a call so long before tells at once that it is the last; 0: nobody tells
    back_after_s: DistributionTable | None = None  # left out: logged out until the end of the run


class AgentsTable(TomlModel):
    """How agents work."""

    login_after_s: DistributionTable = constant(0.0)
    login_every_s: NotNegative = 0.0  # the k-th agent comes k - 1 times as much later
    leaves: list[LeaveTable] = Field(default_factory=list)
    speed: DistributionTable = constant(1.0)  # factor of an agent's talk and wrap-up times
    bridge_s: DistributionTable = constant(0.0)  # from the order to hearing the person
    p_bridge_missed: Share = 0.0
    bridge_missed_after_s: DistributionTable = constant(5.0)
    back_after_s: DistributionTable = constant(30.0)  # from a missed call or offer to being ready again
    p_not_ready: Share = 0.0  # at the end of a wrap-up: goes away unannounced
    not_ready_s: DistributionTable = uniform(20.0, 600.0)
    break_every_s: DistributionTable | None = None  # left out: no breaks
    break_s: DistributionTable = constant(900.0)
    preview_s: DistributionTable = constant(10.0)
    p_preview_accepted: Share = 1.0


class PeopleTable(TomlModel):
    """The synthetic list."""

    numbers: Annotated[int, Field(ge=1, le=9)] = 1  # of each lead


class Scenario(TomlModel):
    """A whole world."""

    title: str = ""
    source: str = ""  # where the figures come from, and what was assumed
    network: NetworkTable = NetworkTable()
    numbers: NumbersTable = NumbersTable()
    answers: AnswersTable = AnswersTable()
    person: PersonTable = PersonTable()
    detection: DetectionTable = DetectionTable()
    talk: TalkTable = TalkTable()
    dispositions: DispositionsTable = DispositionsTable()
    agents: AgentsTable = AgentsTable()
    people: PeopleTable = PeopleTable()


def packaged_worlds() -> tuple[str, ...]:
    """The names of the worlds that come with the program."""
    folder = files("dialer.simulator.worlds")
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_world(world: str) -> Scenario:
    """Read a packaged world by its name, or a world file by its path; raise ConfigError with every fault."""
    if world in packaged_worlds():
        return load_model(Path(str(files("dialer.simulator.worlds") / f"{world}.toml")), Scenario)
    path = Path(world)
    if not path.exists():
        raise ConfigError(
            f"{world}: expected a world file or one of the packaged worlds {', '.join(packaged_worlds())}; "
            "found neither"
        )
    return load_model(path, Scenario)
