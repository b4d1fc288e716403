"""Agents and campaigns on the broker: what agents say, and how the engine sees them, for desks, softphones and CRMs.

One rule governs this module: the topic says who speaks. The broker lets nobody write to another's, so what stands in a
message is never asked for the agent's name.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from dialer.domain.commands import Command, OfferPreview, RecordAgent, RecordAttempt
from dialer.domain.records import AgentRecord
from dialer.engine.status import EngineStatus
from dialer.gateways import contract
from dialer.gateways.broker import Incoming, Outgoing
from dialer.gateways.contract import VERSION, Malformed
from dialer.gateways.drops import Drops
from dialer.gateways.translating import wish_of
from dialer.pacing.bucket import Bucket
from dialer.ports import Clock, Sink

SAME_S = 3600.0
SAID_MAX = 100_000
CALLS_MAX = 20_000
AGENTS_MAX = 20_000
SAYS_MAX = 10.0
"""Messages a second of one agent, and as many at once: a page that runs wild must not fill the journal."""
TOPICS = contract.agent_topic("+", "commands")

Ack = Callable[[], None]


class Desks:
    """Reads what agents say, and publishes how agents and campaigns stand."""

    def __init__(self, engine: str, clock: Clock, drops: Drops, publish: Callable[[Outgoing], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._drops = drops
        self._publish = publish
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()  # (agent, id) -> when it came
        self._unkept: dict[tuple[str, str], list[Ack]] = {}
        self._paces: dict[str, Bucket] = {}
        self._calls: OrderedDict[int, contract.AgentCall] = OrderedDict()
        self._offers: dict[str, contract.OfferedLead] = {}
        self._shown: dict[str, contract.CampaignState] = {}

    # ----------------------------------------------------------------------------------------- from agents
    def take(self, message: Incoming, sink: Sink) -> None:
        """Take what an agent says; it is acknowledged when it is durable, and applied once."""
        agent_id = contract.agent_of(message.topic)
        command = contract.decode(contract.AGENT_COMMANDS, message.payload)
        if not contract.is_name(agent_id):
            raise Malformed("expected the name of an agent in the topic")
        if command.engine not in (None, self._engine):
            message.ack()
            return
        key, now = (agent_id, command.id), self._clock.now()
        if self._is_too_fast(agent_id, now):
            self._drops.count("too many", message.topic)
            message.ack()
            return
        while self._said and (next(iter(self._said.values())) < now - SAME_S or len(self._said) >= SAID_MAX):
            self._said.popitem(last=False)
        if key in self._unkept:
            self._unkept[key].append(message.ack)
            return
        if key in self._said:
            self._drops.count("said before", message.topic)
            message.ack()
            return
        self._said[key] = now
        self._unkept[key] = [message.ack]
        sink(wish_of(agent_id, command.said, 0.0), partial(self._keep, key))

    def _is_too_fast(self, agent_id: str, now: float) -> bool:
        if len(self._paces) > AGENTS_MAX:
            self._paces.clear()
        pace = self._paces.setdefault(agent_id, Bucket(rate=SAYS_MAX))
        if pace.allowed(now) < 1:
            return True
        pace.take()
        return False

    def _keep(self, key: tuple[str, str]) -> None:
        for ack in self._unkept.pop(key, ()):
            ack()

    # ------------------------------------------------------------------------------------------- to agents
    def observe(self, commands: Sequence[Command]) -> None:
        """Show what an entry of the journal changed about agents."""
        for command in commands:
            match command:
                case RecordAttempt(attempt=attempt):
                    self._calls[attempt.call_id] = contract.AgentCall(
                        call_id=attempt.call_id, campaign=attempt.campaign, lead_id=attempt.lead_id
                    )
                    if len(self._calls) > CALLS_MAX:
                        self._calls.popitem(last=False)
                case OfferPreview():
                    self._offers[command.agent_id] = contract.OfferedLead(
                        campaign=command.campaign, lead_id=command.lead_id, expires_at=command.expires_at
                    )
                case _:
                    pass
        for command in commands:  # how an agent stands comes before the offer in an entry, and is shown with it
            if isinstance(command, RecordAgent):
                self._show_agent(command.agent)

    def _show_agent(self, agent: AgentRecord) -> None:
        if not contract.is_name(agent.agent_id):
            return
        offer = self._offers.get(agent.agent_id)
        if offer is not None and (agent.state != "reserved" or agent.call_id is not None):
            del self._offers[agent.agent_id]
            offer = None
        state = contract.AgentState(
            v=VERSION,
            agent=agent.agent_id,
            engine=self._engine,
            state=agent.state,
            since_at=agent.since_at,
            reason=agent.reason[:500],
            campaign=agent.campaign,
            call=None if agent.call_id is None else self._calls.get(agent.call_id),
            offer=offer,
            owed=agent.owed,
        )
        topic = contract.agent_topic(agent.agent_id, "state")
        self._publish(Outgoing(topic=topic, payload=contract.encode(state), retain=True))

    def show(self, status: EngineStatus) -> None:
        """Show the campaigns that changed."""
        for each in status.campaigns:
            state = contract.CampaignState(
                v=VERSION,
                campaign=each.name,
                engine=self._engine,
                at=status.now,
                state=each.state,
                mode=each.mode,
                is_callbacks_only=each.is_callbacks_only,
                open_leads=each.open_leads,
                agents=each.agents,
                calls=each.calls,
                counts=each.counts,
                abandonment_rate=each.abandonment.rate,
                reason=each.reason,
            )
            before = self._shown.get(each.name)
            if before is None or contract.differs(before, state):
                self._shown[each.name] = state
                topic = contract.campaign_topic(each.name)
                self._publish(Outgoing(topic=topic, payload=contract.encode(state), retain=True))
