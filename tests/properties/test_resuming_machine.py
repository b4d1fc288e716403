"""The engine killed at any instant of the adversary's day, and started again on what its store kept.

The gateway says anything of the calls that were up, true or not. The invariants of `test_engine_machine` hold before
and after, and what was kept of an attempt stays.
"""

from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from dialer.daemon.earlier import EarlierRun
from dialer.domain.commands import RecordAttempt
from dialer.domain.events import CampaignLoaded, LawLoaded, LeadsImported
from dialer.domain.living import Living, LivingCall, LivingState
from dialer.domain.records import Attempt
from dialer.engine.engine import Engine
from dialer.engine.recovery import spent
from tests.laws import open_law
from tests.properties.test_engine_machine import AGENTS, LINES, EngineMachine

INSTANTS = ("placed_at", "ringing_at", "answered_at", "classified_at", "bridged_at", "released_at")


class ResumingMachine(EngineMachine):
    """The same, with kills."""

    first_call_id = 1

    @rule(data=st.data(), outage_s=st.sampled_from([0.0, 1.0, 60.0, 7200.0]))
    def daemon_is_killed(self, data: Any, outage_s: float) -> None:
        """All that was not kept is gone; a new engine takes over."""
        kept = {each.call_id: each for each in self.store.attempts(None, 0.0, 1e12)}
        assert kept == self.attempts
        self.now += outage_s
        self.store.release_claims()
        earlier = EarlierRun(self.store, self.now)  # type: ignore[arg-type]
        found = earlier.found(self.living(data, earlier))
        self.first_call_id = self.store.next_call_id()
        self.engine = Engine(lines=LINES, calls_per_second=2.0, next_call_id=self.first_call_id)
        self.journal.clear()
        self.offers.clear()
        self.send(LawLoaded(law=open_law()))
        for campaign in self.policies.values():
            budget = spent(self.store.attempts(campaign.name, 0.0, inf), campaign, None)
            self.send(CampaignLoaded(policy=campaign, spent=budget))
            self.send(LeadsImported(campaign=campaign.name))
        if found is not None:
            self.send(found)
        self.check_kept(kept)
        for campaign in self.policies.values():
            counted = spent(self.store.attempts(campaign.name, 0.0, inf), campaign, None)
            budget_now = self.engine._state.campaigns[campaign.name].budget.snapshot()
            assert (budget_now.live, budget_now.abandoned) == (counted.live, counted.abandoned)

    def living(self, data: Any, earlier: EarlierRun) -> Living:
        """Let the gateway say what it likes of each call."""
        calls = []
        for call_id, placed_at in earlier.asked.items():
            state = data.draw(st.sampled_from([None, *LivingState]))
            if state is None:
                continue
            answered_at = data.draw(st.sampled_from([None, placed_at, (placed_at + self.now) / 2.0, self.now]))
            calls.append(
                LivingCall(
                    call_id=call_id,
                    state=state,
                    answered_at=answered_at,
                    classified_at=answered_at,
                    is_machine=data.draw(st.sampled_from([None, True, False])),
                    agent_id=data.draw(st.sampled_from([*AGENTS, "stranger"])) if state == "bridged" else None,
                    bridged_at=data.draw(st.sampled_from([None, self.now])),
                )
            )
        return Living(calls=tuple(calls), agents=data.draw(st.sampled_from([None, (), tuple(AGENTS[:2])])))

    def check_kept(self, kept: dict[int, Attempt]) -> None:
        """What was known of an attempt is known of it still."""
        for call_id, before in kept.items():
            for name in INSTANTS:
                assert getattr(before, name) in (None, getattr(self.attempts[call_id], name))
        recorded = [each for _, _, commands in self.journal for each in commands if isinstance(each, RecordAttempt)]
        assert all(each.attempt.call_id in self.attempts for each in recorded)

    def teardown(self) -> None:
        """Replaying the journal since the last start gives the same commands and the same status."""
        again = Engine(lines=LINES, calls_per_second=2.0, next_call_id=self.first_call_id)
        for now, event, commands in self.journal:
            repeated = again.handle_timer(now) if event is None else again.handle(event, now)
            assert repeated == commands
        assert again.status(self.now) == self.engine.status(self.now)


TestResumingMachine = ResumingMachine.TestCase
TestResumingMachine.settings = settings(max_examples=40, stateful_step_count=60)
