"""The engine's side of the contract: all gateways behind one broker, as one `Gateway`.

One rule governs this module: it never guesses. An order is durable in the journal before it is published, and what
became of it is what its gateway says; news is acknowledged only when what it caused is durable. The engine is told of
lines as gateways come and go, and of nothing else that did not happen at a telephone.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from structlog.typing import FilteringBoundLogger

from dialer.domain.commands import (
    BridgeCall,
    Command,
    DeskCommand,
    GatewayCommand,
    HandOverCall,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    SeatAgent,
    UnseatAgent,
)
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentReadied,
    BridgeFailed,
    CallFailed,
    CallReleased,
    Event,
    LinesChanged,
)
from dialer.domain.living import Living
from dialer.domain.outcome import Outcome
from dialer.engine.status import EngineStatus
from dialer.gateways import contract
from dialer.gateways.broker import Address, Incoming, Link, Outgoing
from dialer.gateways.contract import VERSION, Malformed
from dialer.gateways.desks import TOPICS, Desks
from dialer.gateways.drops import Drops
from dialer.gateways.ordering import Orders
from dialer.gateways.remote import FATE_UNKNOWN, Question, Remote, merged
from dialer.gateways.translating import desk_of, event_of, wish_of
from dialer.pacing.bucket import Bucket
from dialer.ports import Clock, GatewayStanding, Sink

PLACE_S = 10.0
BRIDGE_S = 8.0
PLAY_S = 30.0
"""How old an order may be when it arrives. A verdict holds for 30 s, and the engine waits 10 s for a bridge."""
LOOK_S = 0.25
PING_S = 1.0
GIVE_UP_S = 600.0
"""A gateway that is lost for so long is not waited for: its calls are of unknown fate, its agents free again."""
LIVING_S = 10.0
"""How long a start waits for every gateway to say what is up; what an absent one had is of unknown fate."""

NO_LINE = "never sent: no gateway has a free line"
_ENDS = contract.Failed | contract.Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A gateway to use: its name on the broker, how many calls at once and how many a second."""

    name: str
    lines: int
    calls_per_second: float


class MqttGateway:
    """A `Gateway` over any number of gateways that speak the contract.

    `token` grows from run to run of this engine: gateways obey the highest that they have seen. `owns` says of a call's
    id whether it is one of this engine's. `on_trip` hears how many seconds a gateway took to answer.
    """

    def __init__(
        self,
        trunks: Iterable[Trunk],
        address: Address,
        clock: Clock,
        log: FilteringBoundLogger,
        *,
        engine: str,
        token: int,
        owns: Callable[[int], bool] = lambda call_id: True,
        on_trip: Callable[[str, float], None] = lambda gateway, trip_s: None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._engine = engine
        self._token = token
        self._owns = owns
        self._on_trip = on_trip
        self.remotes = {
            trunk.name: Remote(trunk.name, trunk.lines, Bucket(rate=trunk.calls_per_second)) for trunk in trunks
        }
        self._by_topic = {contract.gateway_topic(name, "events"): each for name, each in self.remotes.items()}
        self._by_state = {contract.gateway_topic(name, "state"): each for name, each in self.remotes.items()}
        self._of_call: dict[int, Remote] = {}
        self._of_agent: dict[str, Remote] = {}
        self._requests = count(1)
        self._sink: Sink | None = None
        self._lines = (
            sum(each.lines_max for each in self.remotes.values()),
            sum(each.bucket.rate for each in self.remotes.values()),
        )  # what the engine starts with
        self._has_begun = False
        self._living: asyncio.Future[None] | None = None
        self._asked: Mapping[int, float] = {}
        self._answers: dict[str, contract.Snapshot] = {}
        self._pinged_at = 0.0
        self.drops = Drops(log)
        self._link = Link(
            address,
            client_id=f"dialer-engine-{engine}",
            will=self._state("offline"),
            subscriptions=(*self._by_topic, *self._by_state, TOPICS),
            on_message=self.take,
            on_up=self._up,
            on_down=self._down,
            log=log,
        )
        self._orders = Orders(engine, token, clock, self._link.publish)
        self._desks = Desks(engine, clock, self.drops, self._link.publish)

    # ------------------------------------------------------------------------------------------ the port
    async def run(self, sink: Sink) -> None:
        """Work until cancelled; say farewell to the broker at the end."""
        self._sink = sink
        link = asyncio.ensure_future(self._link.run())
        look = asyncio.ensure_future(self._look_regularly())
        try:
            await asyncio.wait([link, look], return_when=asyncio.FIRST_COMPLETED)
            for each in (link, look):
                if each.done():
                    await each
        finally:
            look.cancel()
            self._sink = None
            self._link.publish(self._state("offline"))
            await self._link.flush(1.0)
            link.cancel()
            await asyncio.wait([link, look])

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Publish an order to the gateway that it concerns; one to dial, to the gateway with the most free lines."""
        match command:
            case PlaceCall():
                self._place(command)
            case BridgeCall(call_id=call, agent_id=agent):
                self._orders.give(self._of_call.get(call), contract.Bridge, BRIDGE_S, call_id=call, agent_id=agent)
            case PlayMessage(call_id=call_id, message=message):
                self._orders.give(self._of_call.get(call_id), contract.Play, PLAY_S, call_id=call_id, message=message)
            case HangUp(call_id=call_id, reason=reason):
                self._orders.give(self._of_call.get(call_id), contract.HangUp, call_id=call_id, reason=reason[:500])
            case HandOverCall(call_id=call_id):
                self._orders.give(self._of_call.get(call_id), contract.HandOverCall, BRIDGE_S, call_id=call_id)
            case SeatAgent() | UnseatAgent() if command.agent_id not in self._of_agent:
                self._orders.seat(command, self.remotes.values())
            case OfferPreview():
                self._orders.give(
                    self._of_agent.get(command.agent_id),
                    contract.Offer,
                    command.expires_at - self._clock.now(),
                    agent_id=command.agent_id,
                    campaign=command.campaign,
                    lead_id=command.lead_id,
                )

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Say what is up at all gateways, once each has answered; after a while without those that do not."""
        self._asked = asked
        self._living = asyncio.get_running_loop().create_future()
        for remote in self.remotes.values():
            remote.is_present, remote.question = False, None
        try:
            await asyncio.wait_for(self._living, LIVING_S)
        except TimeoutError:
            silent = [name for name in self.remotes if name not in self._answers]
            self._log.error("gateways silent at the start", gateways=silent, waited_s=LIVING_S)
        self._living = None
        answers = [(self.remotes[name], answer) for name, answer in self._answers.items()]
        calls = merged(answers, is_whole=len(answers) == len(self.remotes))
        has_desks = any(answer.desks is not None for _, answer in answers)
        desks = {each.agent_id: each for _, answer in answers for each in answer.desks or ()}
        self._answers.clear()
        self._has_begun = True
        self._tell_lines()
        return Living(
            calls=tuple(calls),
            agents=tuple(desks) if has_desks else None,
            desks=tuple(map(desk_of, desks.values())),
        )

    def standings(self) -> list[GatewayStanding]:
        """Say how each gateway stands."""
        away = "its answer is awaited" if self._link.is_up else "the broker cannot be reached"
        return [
            GatewayStanding(
                name=each.name,
                lost=None if each.is_present else away,
                since_at=each.present_at if each.is_present else each.lost_at,
                lines=each.lines_max,
                calls=len(each.calls),
            )
            for each in self.remotes.values()
        ]

    def observe(self, commands: Sequence[Command]) -> None:
        """Show on the broker what an entry of the journal changed about agents."""
        self._desks.observe(commands)

    def show(self, status: EngineStatus) -> None:
        """Show on the broker how the campaigns stand."""
        self._desks.show(status)

    # ------------------------------------------------------------------------------------------- orders
    def _place(self, command: PlaceCall) -> None:
        now = self._clock.now()
        free = [each for each in self.remotes.values() if each.lines_free > 0]
        if not free:
            never = CallFailed(call_id=command.call_id, outcome=Outcome.CANCELLED, cause=NO_LINE)
            asyncio.get_running_loop().call_soon(self._report, never)
            return
        remote = max(free, key=lambda each: (each.bucket.allowed(now) > 0, each.lines_free / each.lines))
        remote.place(command.call_id, now)
        self._of_call[command.call_id] = remote
        self._orders.begin(command.call_id, command.campaign, command.lead_id)
        self._orders.give(
            remote,
            contract.Place,
            PLACE_S,
            call_id=command.call_id,
            campaign=command.campaign,
            lead_id=command.lead_id,
            to=command.number,
            ring_timeout_s=command.ring_timeout_s,
            caller_id=command.caller_id,
            agent_id=command.agent_id,
            has_detector=command.has_detector,
            message=command.message,
            threshold_s=command.threshold_s,
        )

    # --------------------------------------------------------------------------------------------- news
    def take(self, message: Incoming) -> None:
        """Take a message from the broker; whatever is wrong with it, it is dropped, counted and acknowledged."""
        try:
            remote = self._by_topic.get(message.topic)
            if remote is not None:
                self._take_report(remote, contract.decode(contract.REPORTS, message.payload), message)
                return
            remote = self._by_state.get(message.topic)
            if remote is not None:
                self._take_state(remote, contract.decode(contract.GATEWAY_STATES, message.payload))
            elif self._sink is not None:
                self._desks.take(message, self._sink)
                return
        except Malformed as error:
            self.drops.count("malformed", message.topic, str(error))
        message.ack()

    def _take_report(self, remote: Remote, report: contract.Report, message: Incoming) -> None:
        now = self._clock.now()
        if isinstance(report, contract.Pong):
            if report.engine == self._engine:
                self._on_trip(remote.name, remote.pong(report, now))
                self._ask_if_due(remote, now)
            message.ack()
            return
        for news in remote.sequence.take(report, message.ack, now):
            self._apply(remote, news)

    def _take_state(self, remote: Remote, state: contract.GatewayState) -> None:
        if state.gateway != remote.name:
            raise Malformed(f"expected the state of {remote.name}")
        if state.status == "offline":
            remote.answered_at = None
            self._lose_silent()
            return
        remote.lines_there = state.lines
        is_another = remote.sequence.epoch not in (None, state.epoch)
        if is_another:
            for news in remote.sequence.begin(state.epoch):
                self._apply(remote, news)
        if is_another or (remote.is_present and state.epoch != remote.settled_epoch):
            remote.is_present, remote.question = False, None  # another life: what is up has to be asked anew
            self._orders.ping(remote, self._clock.now())  # what answers is asked
        self._tell_lines()

    def _apply(self, remote: Remote, news: contract.News) -> None:
        """Hand what a piece of news means to the engine; it is acknowledged when the last of that is durable."""
        events = self._events(remote, news)
        kept = partial(remote.sequence.keep, news)
        if not events:
            kept()
        for rank, event in enumerate(events, start=1):
            self._report(event, kept if rank == len(events) else None)

    def _events(self, remote: Remote, news: contract.News) -> list[Event]:
        if isinstance(news, contract.AgentNews):
            event = wish_of(news.agent_id, news.said, remote.ahead_s)
            if isinstance(event, AgentLoggedIn):
                self._of_agent[news.agent_id] = remote
            elif isinstance(event, AgentLoggedOut):
                self._of_agent.pop(news.agent_id, None)
            return [event]
        if isinstance(news, contract.Snapshot):
            return self._settle(remote, news)
        if isinstance(news, contract.Refused):
            return self._refused(remote, news)
        if not self._owns(news.call_id):
            return []  # another engine's, at a gateway that both use
        if self._of_call.get(news.call_id, remote) is not remote:
            self.drops.count("another gateway's call", contract.gateway_topic(remote.name, "events"))
            return []
        if news.call_id not in self._of_call and self._living is None:
            self.drops.count("unknown call", contract.gateway_topic(remote.name, "events"))
            return []
        is_over = isinstance(news, _ENDS)
        remote.heard(news.call_id, is_over=is_over)
        if is_over:
            self._forget(news.call_id)
        return [event_of(news, remote.ahead_s)]

    def _refused(self, remote: Remote, news: contract.Refused) -> list[Event]:
        """Say what it means that an order was not carried out."""
        call_id = news.call_id
        if news.token != self._token or call_id is None or self._of_call.get(call_id) is not remote:
            return []
        self._log.warning("order refused", gateway=remote.name, order=news.order, reason=news.reason, call_id=call_id)
        if news.order == "place":
            remote.heard(call_id, is_over=True)
            self._forget(call_id)
            cause = f"never sent: refused by the gateway ({news.reason})"
            return [CallFailed(call_id=call_id, outcome=Outcome.CANCELLED, cause=cause)]
        if news.order == "bridge" and news.agent_id is not None:
            return [BridgeFailed(call_id=call_id, agent_id=news.agent_id, cause=f"the order was {news.reason}")]
        return []

    def _forget(self, call_id: int) -> None:
        self._of_call.pop(call_id, None)
        self._orders.end(call_id)

    def _report(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        if self._sink is not None:
            self._sink(event, kept)

    # -------------------------------------------------------------------------------- presence and snapshots
    def _up(self) -> None:
        self._link.publish(self._state("online"))
        self._ping()

    def _down(self) -> None:
        for remote in self.remotes.values():
            remote.answered_at = remote.question = None
        self._lose_silent()

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock.now()
            for remote in self.remotes.values():
                for news in remote.sequence.look(now):
                    self._apply(remote, news)
                if remote.answered_at is not None:
                    self._ask_if_due(remote, now)
            self._lose_silent()
            self._give_up(now)
            if self._link.is_up and now - self._pinged_at >= PING_S:
                self._ping()

    def _ping(self) -> None:
        self._pinged_at = now = self._clock.now()
        for remote in self.remotes.values():
            self._orders.ping(remote, now)

    def _lose_silent(self) -> None:
        now = self._clock.now()
        for remote in self.remotes.values():
            if remote.is_present and remote.is_silent(now):
                remote.is_present, remote.question, remote.lost_at = False, None, now
                self._log.warning("gateway lost", gateway=remote.name, calls=len(remote.calls))
        self._tell_lines()

    def _give_up(self, now: float) -> None:
        """Settle the calls of gateways that are lost for too long; a conversation would hold its agent for hours."""
        for remote in self.remotes.values():
            if remote.lost_at is not None and now - remote.lost_at > GIVE_UP_S and remote.calls:
                self._log.error("gateway given up", gateway=remote.name, calls=len(remote.calls))
                for call_id in list(remote.calls):
                    remote.heard(call_id, is_over=True)
                    self._forget(call_id)
                    self._report(CallReleased(call_id=call_id, by="unknown", cause=FATE_UNKNOWN))

    def _ask_if_due(self, remote: Remote, now: float) -> None:
        """Ask a gateway what is up."""
        if not self._link.is_up or remote.is_silent(now) or not remote.wants_asking(now):
            return
        asked = dict(remote.calls) if self._living is None else dict(self._asked) | remote.calls
        request = f"{self._token}-{next(self._requests)}"
        remote.question = Question(request, asked, now)
        remote.asked_at = now
        remote.sequence.has_gap = False
        calls = tuple(
            contract.Asked(call_id=call_id, placed_at=placed_at + remote.ahead_s)
            for call_id, placed_at in asked.items()
        )
        self._orders.give(remote, contract.Tell, request=request, calls=calls)

    def _settle(self, remote: Remote, snapshot: contract.Snapshot) -> list[Event]:
        """Take an answer, once it is whole: at a start for `living`, later for whatever was missed meanwhile."""
        question = remote.question
        if question is None or question.request != snapshot.request:
            return []
        whole = question.answer(snapshot)
        if whole is None:
            return []
        remote.question = None
        events: list[Event] = []
        if self._living is not None:
            events += self._settle_start(remote, question, whole)
            self._of_agent |= {desk.agent_id: remote for desk in whole.desks or ()}
        else:
            news, strangers = remote.settled(question, whole)
            events += [*news, *self._moved(remote, whole)]
            for event in news:
                if isinstance(event, CallFailed | CallReleased):
                    self._forget(event.call_id)
            for call_id in strangers:
                if self._owns(call_id):
                    self._orders.give(
                        remote, contract.HangUp, call_id=call_id, reason="no attempt of ours is on this line"
                    )
        remote.settled_epoch = whole.epoch
        if not remote.is_present:
            remote.is_present, remote.lost_at, remote.present_at = True, None, self._clock.now()
            self._orders.seat_all(remote)
            self._log.info(
                "gateway present", gateway=remote.name, calls=len(whole.up), ahead_s=round(remote.ahead_s, 3)
            )
            self._tell_lines()
        return events

    def _moved(self, remote: Remote, whole: contract.Snapshot) -> list[Event]:
        """Log in who is at a desk there and was not known to be, and out who is not there any more.

        In a new life of the gateway nobody wraps up a call of the one before: who asked for work there is ready.
        """
        if whole.desks is None:
            return []
        events: list[Event] = []
        is_new_life = remote.settled_epoch != whole.epoch
        for desk in whole.desks:
            is_newcomer = desk.agent_id not in self._of_agent
            if is_newcomer:
                self._of_agent[desk.agent_id] = remote
                events.append(AgentLoggedIn(agent_id=desk.agent_id, groups=desk.groups))
            if desk.is_ready and (is_newcomer or is_new_life):
                events.append(AgentReadied(agent_id=desk.agent_id))
        there = {desk.agent_id for desk in whole.desks}
        for agent_id in [each for each, at in self._of_agent.items() if at is remote and each not in there]:
            del self._of_agent[agent_id]
            events.append(AgentLoggedOut(agent_id=agent_id))
        return events

    def _settle_start(self, remote: Remote, question: Question, whole: contract.Snapshot) -> list[Event]:
        """Keep an answer for `living`. What ended meanwhile is told as news: the start knows how to take it."""
        ours = [each for each in whole.up if self._owns(each.call_id)]
        for each in ours:
            self._of_call[each.call_id] = remote
            remote.calls[each.call_id] = question.asked.get(each.call_id, question.at)
        self._answers[remote.name] = whole
        if len(self._answers) == len(self.remotes) and self._living is not None and not self._living.done():
            self._living.set_result(None)
        return [event_of(news, remote.ahead_s) for each in whole.ended for news in each.news]

    def _lines_now(self) -> tuple[int, float]:
        there = [each for each in self.remotes.values() if each.lines > 0]
        return sum(each.lines for each in there), sum(each.bucket.rate for each in there)

    def _tell_lines(self) -> None:
        """Tell the engine how many lines there are, when that has changed."""
        lines = self._lines_now()
        if self._has_begun and lines != self._lines:
            self._lines = lines
            self._report(LinesChanged(lines=lines[0], calls_per_second=lines[1]))

    def _state(self, status: Any) -> Outgoing:
        state = contract.EngineState(v=VERSION, engine=self._engine, status=status, token=self._token)
        return Outgoing(topic=contract.engine_topic(self._engine), payload=contract.encode(state), retain=True)
