"""What an earlier run left behind, and what the gateway says of it: put together for the engine, which settles it.

One rule governs this module: it reads and asks, and decides nothing but how old is too old. The engine's word on each
call, agent and lead goes through the journal like everything else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf

from structlog.typing import FilteringBoundLogger

from dialer.daemon.driver import Driver
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CallAnswered,
    CallFailed,
    CallReleased,
    CampaignControlled,
    EarlierRunFound,
    Event,
    FoundCall,
    FoundConnect,
)
from dialer.domain.living import Living, LivingCall, LivingState
from dialer.domain.policy import CampaignPolicy
from dialer.errors import StorageError
from dialer.ports import Gateway
from dialer.storage.store import Store

WORDS_S = 12 * 3600.0
"""For how long a connect of an earlier run takes its agent's word after its end, and a further one after its order."""
DISPOSED_MAX = 10_000
"""How many connects that have their word are loaded, the last ones: as many as the engine keeps within a run."""
DESK_S = 3600.0
"""After a longer stop than this nobody is taken to be where they were, unless the gateway sees them."""

_AGAIN = {
    "start": "start",
    "resume": "start",
    "pause": "pause",
    "drain": "stop",
    "stop": "stop",
    "emergency-stop": "stop",
    "callbacks-only": "callbacks-only",
}
"""What does again what an operator did, from the state that a campaign has at a start."""
_HOUSE = ("dialer", "reload")
_BEFORE = "as before the restart: "


class EarlierRun:
    """Calls, connects and agents that storage knows of at a start, before anything new happens."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self._now = now
        self._attempts = list(store.open_attempts())
        connects = (*store.undisposed(now - WORDS_S), *store.disposed(now - WORDS_S, DISPOSED_MAX))
        self._connects = sorted(connects, key=lambda attempt: attempt.call_id)
        self._agents = tuple(store.agents())
        self._words = store.words()
        last = next(iter(store.entries(max(1, store.next_seq() - 1))), None)
        self._stopped_at = now if last is None else last.at
        called = [each.lead_id for each in (*self._attempts, *self._connects)]
        self._leads = store.leads_by_id(called)
        for lead_id in called:
            if lead_id not in self._leads:
                raise self._damaged(f"lead {lead_id}")

    @property
    def asked(self) -> Mapping[int, float]:
        """The calls without an end, and when they were ordered."""
        return {attempt.call_id: attempt.placed_at for attempt in self._attempts}

    def knows(self, agent_id: str) -> bool:
        """Whether an agent was logged in when the earlier run ended."""
        return any(agent.agent_id == agent_id for agent in self._agents)

    def policies_beside(self, loaded: Collection[str]) -> list[CampaignPolicy]:
        """Give the last policies of campaigns that are not loaded any more and have calls or connects to settle."""
        names = dict.fromkeys(each.campaign for each in (*self._attempts, *self._connects))
        return [self._policy_of(name) for name in names if name not in loaded]

    def orders(self, policy: CampaignPolicy) -> list[CampaignControlled]:
        """Give what an operator did last to a campaign, to be done again: a restart is no reason to dial or to stop."""
        changes = self._store.changes(policy.name, 0.0, inf)
        last = None
        for change in changes:
            is_refused = change.reason.startswith("refused: ")
            if change.who not in _HOUSE and change.action in _AGAIN and not is_refused:
                last = change
        action = None if last is None else _AGAIN[last.action]
        if last is None or action is None or (action == "start") == policy.is_started:
            return []
        if action == "pause" and not policy.is_started:
            return []
        reason = _BEFORE + last.reason.removeprefix(_BEFORE)
        return [CampaignControlled(campaign=policy.name, action=action, reason=reason, who=last.who)]

    def found(self, living: Living, news: Iterable[Event] = ()) -> EarlierRunFound | None:
        """Give what the engine is to settle; None when there is nothing.

        `news` is what the gateway reported before its answer: of a call that it names as over, the rest follows, and
        one that was answered meanwhile is not hung up as if it were not.
        """
        calls = {call.call_id: call for call in living.calls}
        for event in news:
            match event:
                case CallAnswered(call_id=call_id, at=at):
                    calls.setdefault(call_id, LivingCall(call_id=call_id, state=LivingState.ANSWERED, answered_at=at))
                case CallFailed(call_id=call_id) | CallReleased(call_id=call_id):
                    calls.setdefault(call_id, LivingCall(call_id=call_id, state=LivingState.DIALED))
        asked = self.asked
        present = living.agents
        if present is None and self._now - self._stopped_at > DESK_S:
            present = ()
        found = EarlierRunFound(
            stopped_at=self._stopped_at,
            calls=tuple(
                FoundCall(
                    attempt=attempt,
                    lead=self._leads[attempt.lead_id],
                    living=calls.get(attempt.call_id),
                    word=self._words.get(attempt.call_id),
                )
                for attempt in self._attempts
            ),
            connects=tuple(FoundConnect(attempt=each, lead=self._leads[each.lead_id]) for each in self._connects),
            agents=self._agents,
            present=present,
            strangers=tuple(call.call_id for call in living.calls if call.call_id not in asked),
        )
        is_empty = not (found.calls or found.connects or found.agents or found.strangers)
        return None if is_empty else found

    def _policy_of(self, campaign: str) -> CampaignPolicy:
        policy = self._store.policy(campaign)
        if policy is None:
            raise self._damaged(f"campaign {campaign}")
        return policy

    def _damaged(self, what: str) -> StorageError:
        return StorageError(
            f"database {self._store.database.name}: {what} was called and is not there; "
            "restore the database from a copy"
        )


class Threshold:
    """Keeps the gateway's news outside until the engine knows what was up before."""

    def __init__(self, earlier: EarlierRun, driver: Driver, log: FilteringBoundLogger) -> None:
        self._earlier = earlier
        self._driver = driver
        self._log = log
        self._held: list[tuple[Event, Callable[[], None] | None]] | None = []

    def hear(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        """Take news from the gateway."""
        if self._held is None:
            self._driver.post(event, kept)
        else:
            self._held.append((event, kept))

    async def take_over(self, gateway: Gateway) -> None:
        """Ask the gateway what lives of an earlier run, and hand that to the engine before any news."""
        living = await gateway.living(self._earlier.asked)
        held, self._held = self._held or [], None
        found = self._earlier.found(living, [event for event, _ in held])
        if found is not None:
            self._driver.post(found)
            self._tell(found)
        for desk in living.desks:
            if not self._earlier.knows(desk.agent_id):
                self._driver.post(AgentLoggedIn(agent_id=desk.agent_id, groups=desk.groups))
                if desk.is_ready:
                    self._driver.post(AgentReadied(agent_id=desk.agent_id))
        for event, kept in held:
            self._driver.post(event, kept)

    def _tell(self, found: EarlierRunFound) -> None:
        states = [None if each.living is None else each.living.state for each in found.calls]
        never, unknown = states.count(LivingState.NEVER), states.count(None)
        self._log.warning(
            "earlier run taken over",
            calls_up=len(states) - never - unknown,
            never_sent=never,
            fate_unknown=unknown,
            connects_without_word=sum(each.attempt.disposition is None for each in found.connects),
            agents=sum(found.present is None or each.agent_id in found.present for each in found.agents),
            strangers=len(found.strangers),
        )
