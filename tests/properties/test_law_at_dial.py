"""A state machine over the engine under a law that asks for everything, while people, registers and rules change.

What is checked of each call is recounted from what happened, not read from the engine or the gate.
"""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from dialer.domain.commands import PlaceCall
from dialer.domain.events import (
    CampaignLoaded,
    LawLoaded,
    LeadsImported,
    PersonRefused,
    RegistryLoaded,
    StandingsChanged,
)
from dialer.domain.law import HOUSE, CountedPer, Law, RedialRule, Ruleset
from dialer.domain.policy import PacingMode
from dialer.domain.standing import Consent, RegistryCopy
from tests.laws import attempt_rule, consent_rule, hours_rule, registry_rule, week
from tests.properties.floor import lead, policy
from tests.properties.test_engine_machine import CAMPAIGNS, LEADS, EngineMachine

SELLER = "Example Seller"
REGISTRY = "gb-dnc"
MOST = 2
OPEN_H = (9, 17)
FIRM = {"force": "law", "grade": "primary", "source": "a test"}


def law(*, closes_h: int = OPEN_H[1], most: int = MOST) -> Law:
    """Everything that may be asked: hours, a register, consent, a cap per person, an agent after an abandonment."""
    british = Ruleset(
        code="GB",
        name="strict",
        version="1",
        dated="",
        digest="",
        regions=("GB",),
        hours=(hours_rule(week((OPEN_H[0], closes_h))),),
        registries=(registry_rule(REGISTRY, max_age_days=2),),
        consents=(consent_rule(),),
        attempts=(attempt_rule(most, 7200.0, CountedPer.PERSON),),
        redials=(
            RedialRule(rule_id="GB.redial", wait_s=3600.0, is_waived_by_agent=True, is_agent_needed=True, **FIRM),
        ),
    )
    house = Ruleset(code=HOUSE, name="house", version="1", dated="", digest="")
    return Law(rulesets=(british, house), digest=f"{closes_h} {most}")


class LawMachine(EngineMachine):
    """The switch, agents and operators of the engine's machine, and beside them people, registers and lawyers."""

    @initialize(
        modes=st.permutations([PacingMode.PREDICTIVE, PacingMode.POWER, PacingMode.PREVIEW]), rest=st.booleans()
    )
    def load(self, modes: list[PacingMode], rest: bool) -> None:
        """Load three campaigns, of which most people gave their consent."""
        self.listed: set[str] = set()
        self.consented: set[str] = set()
        self.copy = RegistryCopy(registry=REGISTRY, version="1", digest="", received_at=self.now - 86_400.0, numbers=0)
        self.law = law()
        self.placed_at: list[tuple[float, str]] = []
        self.store.add_registry(self.copy, ())
        self.send(LawLoaded(law=self.law))
        self.send(RegistryLoaded(copy=self.copy))
        for name, mode in zip(CAMPAIGNS, modes, strict=True):
            loaded = policy(name, mode=mode, message="sorry")
            self.policies[name] = loaded
            self.store.register(loaded)
            with self.store.importing(loaded, "list", "digest", self.now) as session:
                for number in range(LEADS):
                    each = replace(lead(number, name, numbers=1 + number % 2), lead_id=0)
                    session.add(each)
                    if number % 4:
                        self.consent(*(one.e164 for one in each.numbers))
            self.send(CampaignLoaded(policy=loaded))
            self.send(LeadsImported(campaign=name))

    def consent(self, *numbers: str) -> None:
        """People give their consent."""
        self.consented.update(numbers)
        self.store.add_consents(
            Consent(
                number=number,
                seller=SELLER,
                purposes=("survey",),
                obtained_at=self.now - 86_400.0,
                method="web form",
                source="own customers",
                text_hash="1",
            )
            for number in numbers
        )

    def check_placed(self, command: PlaceCall) -> None:
        """The call was lawful by what had happened until then."""
        super().check_placed(command)
        hour = self.now % 86_400.0 / 3600.0  # London keeps UTC in January
        assert OPEN_H[0] <= hour < self.law.rulesets[0].hours[0].week[0][0][1] / 3600.0
        assert command.number in self.consented
        assert command.number not in self.listed
        assert self.now - self.copy.received_at <= 2 * 86_400.0
        known = self.store.lead(command.lead_id)
        assert known is not None
        own = {number.e164 for number in known.numbers}
        earlier = [at for at, number in self.placed_at if number in own and at > self.now - 7200.0]
        assert len(earlier) < self.law.rulesets[0].attempts[0].most
        self.placed_at.append((self.now, command.number))

    @rule(number=st.integers(0, LEADS - 1))
    def person_refuses(self, number: int) -> None:
        """A person says no by letter, web or telephone, at any moment."""
        numbers = tuple(each.e164 for each in lead(number, numbers=1 + number % 2).numbers)
        self.send(PersonRefused(seller=SELLER, numbers=numbers, reason="letter", who="officer"))
        assert set(numbers) <= self.blocked

    @rule(number=st.integers(0, LEADS - 1), is_fresh=st.booleans())
    def registry_arrives(self, number: int, is_fresh: bool) -> None:
        """A new copy of the register lists one more person; it may be an old file."""
        self.listed.update(each.e164 for each in lead(number, numbers=1 + number % 2).numbers)
        received_at = self.now if is_fresh else max(self.copy.received_at, self.now - 2 * 86_400.0 + 600.0)
        version = str(int(self.copy.version) + 1)
        self.copy = replace(self.copy, version=version, received_at=received_at, numbers=len(self.listed))
        self.store.add_registry(self.copy, self.listed)
        self.send(RegistryLoaded(copy=self.copy))

    @rule(number=st.integers(0, LEADS - 1))
    def consent_arrives(self, number: int) -> None:
        """A person who gave none gives consent, on paper."""
        self.consent(*(each.e164 for each in lead(number, numbers=1 + number % 2).numbers))
        self.send(StandingsChanged(reason="consents imported"))

    @rule(closes_h=st.integers(12, 17), most=st.integers(1, MOST))
    def law_changes(self, closes_h: int, most: int) -> None:
        """Another ruleset comes into force while calls are on."""
        self.law = law(closes_h=closes_h, most=most)
        self.send(LawLoaded(law=self.law))

    @invariant()
    def verdicts_name_the_law(self) -> None:
        """Every verdict says under which law and with which copy of the register it was given."""
        last = list(self.verdicts.values())[-1:]
        assert all(record.law_digest and record.registries for record in last)


TestLawMachine = LawMachine.TestCase
TestLawMachine.settings = settings(max_examples=60, stateful_step_count=50)
