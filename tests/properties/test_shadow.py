"""A shadow acts on nothing: with and without it the engine gives the same commands, but for the shadow's report."""

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule

from dialer.domain.commands import Command, RecordShadow
from dialer.domain.events import CallReleased, CampaignLoaded, Event
from dialer.domain.policy import PacingMode, ShadowPolicy
from dialer.engine.engine import Engine
from dialer.engine.status import EngineStatus
from tests.properties.test_engine_machine import AGENTS, LINES, EngineMachine

FATES = ["live", "no_answer", "busy", "live", "no_answer"]


class ShadowMachine(EngineMachine):
    """The adversary of the whole engine, whose journal is then given to an engine with shadows."""

    @precondition(lambda self: len(self.placed) < 40)
    @rule()
    def a_shift_goes_by(self) -> None:
        """Calls are made and ended for long enough that a shadow has something to live on."""
        for name in self.policies:
            self.operator_acts(name, "start")
        for minute in range(12):
            self.all_goes_well(FATES[minute % 3 :], 1)
            for call_id, attempt in list(self.attempts.items()):
                if attempt.released_at is None:
                    self.time_passes(10.0)
                    self.send(CallReleased(call_id=call_id, by="callee"))
            for agent_id in AGENTS:
                self.agent_wishes(agent_id, "ready")

    def teardown(self) -> None:
        """Every entry of the journal gives the same commands, and the same deadline follows."""
        shadow = SHADOWS[len(STARTED) % 2]
        plain, shadowed = (Engine(lines=LINES, calls_per_second=2.0) for _ in range(2))
        for now, event, commands in self.journal:
            assert step(plain, event, now) == commands
            given = step(shadowed, with_shadow(event, shadow), now)
            assert [each for each in given if not isinstance(each, RecordShadow)] == commands
            assert shadowed.next_deadline() == plain.next_deadline()
        assert without_shadow(shadowed.status(self.now)) == plain.status(self.now)
        STARTED.append(any(each.shadow and each.shadow.since_at for each in shadowed.status(self.now).campaigns))


SHADOWS = (ShadowPolicy(mode=PacingMode.PREDICTIVE), ShadowPolicy(mode=PacingMode.POWER, ratio=3.0))
STARTED: list[bool] = []
"""Whether a shadow had begun, for each journal."""


def step(engine: Engine, event: Event | None, now: float) -> list[Command]:
    """One entry of a journal, again."""
    return engine.handle_timer(now) if event is None else engine.handle(event, now)


def with_shadow(event: Event | None, shadow: ShadowPolicy) -> Any:
    """The same event; the policy of a campaign that is loaded gets a shadow."""
    if not isinstance(event, CampaignLoaded):
        return event
    pacing = replace(event.policy.pacing, shadow=shadow)
    return replace(event, policy=replace(event.policy, pacing=pacing))


def without_shadow(status: EngineStatus) -> EngineStatus:
    """The same status, as if no campaign had a shadow."""
    return replace(status, campaigns=tuple(replace(each, shadow=None) for each in status.campaigns))


def test_a_shadow_changes_nothing() -> None:
    """Whatever agents, switch and operators do, commands, deadlines and status are those of an engine without one.

    At least one of ten runs gets so far that a shadow has started (half of them do), or the test would say nothing.
    """
    STARTED.clear()
    case = ShadowMachine.TestCase
    case.settings = settings(
        max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case().runTest()
    assert any(STARTED)
