"""The seams of the house: what the daemon and the simulator ask of the adapters around the engine.

Adapters translate and report; they never decide. Their news reaches the engine as events through a `Sink`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dialer.domain.commands import Command, DeskCommand, GatewayCommand
from dialer.domain.events import Event, LeadsClaimed
from dialer.domain.living import Living
from dialer.domain.records import AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.engine.status import EngineStatus


class Sink(Protocol):
    """Takes an event for the engine. Never re-enters it: the driver queues the event."""

    def __call__(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        """Take an event; `kept` is called once it and what it caused are durable."""


class Clock(Protocol):
    """The one source of `now`, in POSIX seconds UTC; never runs back."""

    def now(self) -> float:
        """Give the present instant, never earlier than the one given before."""

    async def sleep_until(self, at: float) -> None:
        """Return at `at` or as soon after it as the machine can."""


class Network(Protocol):
    """A telephone network with people, and maybe agents, that exists only in a computer.

    Sans-I/O like the engine: it takes orders, tells when it next has news, and hands the news over when asked.
    """

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None:
        """Take an order given at `now`; what follows from it is handed over by `advance`, never from here."""

    def next_at(self) -> float | None:
        """Give the instant of the next event, or None when nothing will happen without a further order."""

    def advance(self, now: float) -> list[Event]:
        """Hand over every event due at or before `now`, in order; the next is later than `now` or there is none."""

    def living(self, asked: Mapping[int, float]) -> Living:
        """Give what is up now, and who is there; see `Gateway.living`."""


class Gateway(Protocol):
    """Owns lines. Carries out commands and reports what the far end does."""

    async def run(self, sink: Sink) -> None:
        """Work until cancelled."""

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Take an order; never blocks and never answers within the call."""

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Say what is up now, as soon as it is known; `run` is under way.

        `asked` are calls of an earlier run without an end, by id, with the instant of the order to dial: of these it
        names those whose order it is sure never to have got. News that `run` reports after the answer follows it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStanding:
    """How a gateway stands: why it can be given no orders (None: it can), and since when (None: it was never there).

    `lines` calls may be up over it, `calls` are, as far as is known.
    """

    name: str
    lost: str | None
    since_at: float | None
    lines: int
    calls: int


class Audience(Protocol):
    """Who shows the floor to others, besides what it does with orders."""

    def observe(self, commands: Sequence[Command]) -> None:
        """Take what an entry of the journal ordered, once it is durable."""

    def show(self, status: EngineStatus) -> None:
        """Take how the floor stands, every few seconds."""


class Journal(Protocol):
    """Every event with the commands it caused, in the order in which the engine handled them."""

    def append(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Add one entry; `event` None means that a deadline passed."""


class LeadStore(Protocol):
    """Leads and records, behind the engine."""

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim up to `count` due leads in selection order."""

    def apply(self, commands: Iterable[Command]) -> None:
        """Keep what the commands say: those for storage, as `dialer.domain.commands` names them; others are ignored."""


class Records(Protocol):
    """What reports read. Instants are POSIX seconds, the span is half-open."""

    def attempts(self, campaign: str | None, from_at: float, to_at: float) -> Iterable[Attempt]:
        """Give the attempts placed from `from_at` until before `to_at`, of one campaign or of all (None)."""

    def agent_spans(self, campaign: str | None, from_at: float, to_at: float) -> Iterable[AgentSpan]:
        """Give the agents' spans that share an instant with the one asked for, whole."""

    def decisions(self, campaign: str, from_at: float, to_at: float) -> Iterable[PacingDecision]:
        """Give the campaign's pacing decisions taken in the span."""

    def changes(self, campaign: str | None, from_at: float, to_at: float) -> Iterable[CampaignChange]:
        """Give the changes of a campaign's state in the span, of one campaign or of all (None)."""
