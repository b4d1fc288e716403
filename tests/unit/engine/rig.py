"""An engine with a store in memory and a clock that the test turns by hand; what several unit tests share."""

from dataclasses import replace
from typing import TypeVar

from dialer.domain.commands import BridgeCall, ClaimLeads, Command, OfferPreview, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallReleased,
    CampaignControlled,
    CampaignLoaded,
    Event,
    LawLoaded,
    LeadsImported,
)
from dialer.domain.law import Law
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import Attempt
from dialer.engine.engine import Engine
from dialer.engine.status import AgentStatus, CampaignStatus
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.properties.floor import MONDAY_9_UTC, lead, policy

AT = MONDAY_9_UTC + 1800.0  # half past nine on a Monday, London and UTC alike
NEVER = 1e9  # a wait that a test's policy never ends by itself

T = TypeVar("T", bound=Command)

__all__ = ["AT", "NEVER", "Rig", "lead", "of", "only", "policy"]


class Rig:
    """Drives one engine as a driver does: answers of the store at once, deadlines in their order.

    The law allows everything unless the test brings its own.
    """

    def __init__(
        self, *, lines: int = 10, calls_per_second: float = 100.0, now: float = AT, law: Law | None = None
    ) -> None:
        self.now = now
        self.engine = Engine(lines=lines, calls_per_second=calls_per_second)
        self.store = MemoryStore()
        self.out: list[Command] = []
        self.send(LawLoaded(law=open_law() if law is None else law))

    def load(self, campaign: CampaignPolicy, leads: int = 5, **changes: object) -> None:
        """Load a campaign with so many leads of one number each; `changes` replace fields of every lead."""
        made = [replace(lead(number, campaign.name), **changes) for number in range(leads)]  # type: ignore[arg-type]
        self.load_leads(campaign, made)

    def load_leads(self, campaign: CampaignPolicy, leads: list[Lead]) -> None:
        """Load a campaign with these leads, whose ids the store gives: 1, 2, ... in their order."""
        self.store.register(campaign)
        self.add_leads(campaign, leads)
        self.send(CampaignLoaded(policy=campaign))

    def add_leads(self, campaign: CampaignPolicy, leads: list[Lead]) -> None:
        """Put more leads into the store, without a word to the engine."""
        with self.store.importing(campaign, "list", "digest", self.now) as session:
            for each in leads:
                session.add(replace(each, lead_id=0))

    def log_in(self, *agent_ids: str, groups: tuple[str, ...] = ("team",)) -> None:
        """Agents come and are ready."""
        for agent_id in agent_ids:
            self.send(AgentLoggedIn(agent_id=agent_id, groups=groups), AgentReadied(agent_id=agent_id))

    def send(self, *events: Event) -> list[Command]:
        """Hand events to the engine, each followed by the store's answers; give the commands of all."""
        mark = len(self.out)
        waiting = list(events)
        while waiting:
            waiting = self._route(self.engine.handle(waiting.pop(0), self.now)) + waiting
        return self.out[mark:]

    def control(self, action: str, campaign: str = "survey") -> list[Command]:
        """An operator acts."""
        return self.send(CampaignControlled(campaign=campaign, action=action, reason="because", who="operator"))

    def imported(self, campaign: str = "survey") -> list[Command]:
        """Tell the engine that there are new leads."""
        return self.send(LeadsImported(campaign=campaign))

    def wait(self, seconds: float) -> list[Command]:
        """Let the clock go on; give the commands of the deadlines met."""
        mark, until = len(self.out), self.now + seconds
        for _ in range(5000):
            at = self.engine.next_deadline()
            if at is None or at > until:
                self.now = until
                return self.out[mark:]
            self.now = max(self.now, at)
            answers = self._route(self.engine.handle_timer(self.now))
            after = self.engine.next_deadline()
            assert after is None or after > self.now
            for answer in answers:
                self.send(answer)
        raise AssertionError("the deadlines do not let time pass")

    def answer(self, call_id: int) -> list[Command]:
        """A person picks up, and the detector says so at once."""
        return self.send(CallAnswered(call_id=call_id), CallClassified(call_id=call_id, is_machine=False))

    def connect(self, call_id: int) -> str:
        """A person picks up and is joined to an agent, whose name is given."""
        bridge = only(self.answer(call_id), BridgeCall)
        self.send(CallBridged(call_id=call_id, agent_id=bridge.agent_id))
        return bridge.agent_id

    def release(self, call_id: int) -> list[Command]:
        """The person hangs up."""
        return self.send(CallReleased(call_id=call_id, by="callee"))

    def _route(self, commands: list[Command]) -> list[Event]:
        self.out += commands
        answers: list[Event] = []
        for command in commands:
            self.store.apply([command])
            if isinstance(command, ClaimLeads):
                answers.append(self.store.claim(command.campaign, command.count, self.now))
        return answers

    # ------------------------------------------------------------------------------------------ what came of it

    def placed(self, campaign: str | None = None) -> list[PlaceCall]:
        """Every call placed so far."""
        return [c for c in self.out if isinstance(c, PlaceCall) and campaign in (None, c.campaign)]

    def offers(self) -> list[OfferPreview]:
        """Every offer made so far."""
        return [c for c in self.out if isinstance(c, OfferPreview)]

    def attempt(self, call_id: int) -> Attempt:
        """The attempt as it was kept last."""
        return next(each for each in self.store.attempts(None, 0.0, 1e12) if each.call_id == call_id)

    def lead(self, lead_id: int = 1) -> Lead:
        """A lead as it was kept last."""
        found = self.store.lead(lead_id)
        assert found is not None
        return found

    def agent(self, agent_id: str) -> AgentStatus:
        """An agent now."""
        return next(each for each in self.engine.status(self.now).agents if each.agent_id == agent_id)

    def campaign(self, name: str = "survey") -> CampaignStatus:
        """A campaign now."""
        return next(each for each in self.engine.status(self.now).campaigns if each.name == name)


def of(commands: list[Command], kind: type[T]) -> list[T]:
    """The commands of one kind."""
    return [each for each in commands if isinstance(each, kind)]


def only(commands: list[Command], kind: type[T]) -> T:
    """The one command of a kind."""
    found = of(commands, kind)
    assert len(found) == 1, found
    return found[0]
