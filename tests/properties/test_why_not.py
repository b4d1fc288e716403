"""Counting by groups says of each lead what the gate says of it alone, whatever its list, consents and past."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.daemon.reasons import Listed, Survey
from dialer.domain.commands import BlockPerson, RecordAttempt
from dialer.domain.law import HOUSE, ConsentException, CooldownAfter, CountedPer, Law
from dialer.domain.lead import Callback, Lead, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, CompliancePolicy, HoursPolicy, NumberOrder, NumbersPolicy, RetryPolicy
from dialer.domain.standing import Consent, RegistryCopy, Relationship
from dialer.storage.database import Database
from dialer.storage.registries import KeptCopy, sorted_hashes
from dialer.storage.store import Store
from tests.laws import (
    attempt_rule,
    consent_rule,
    cooldown_rule,
    hours_rule,
    law,
    named_time_rule,
    redial_rule,
    registry_rule,
    ruleset,
    spans,
    voice_rule,
    week,
)
from tests.unit.storage.builders import make_attempt, make_policy
from tests.vaults import make_vault

LEADS = 400
NEIGHBOURS = 40
UNUSUAL = 0.05
DAY_S = 86_400.0
SELLER, OTHER = "Example Telecom", "Example Partner"
PLACES = {
    "KR": ("Asia/Seoul",),
    "JP": ("Asia/Tokyo",),
    "IN": ("Asia/Kolkata",),
    "US-FL": ("America/New_York",),
    "US-TX": ("America/Chicago", "America/Denver"),
    "XX": ("Europe/Paris",),  # no ruleset
}


def everything() -> Law:
    """Rules of every kind, with windows of many lengths."""
    customer = ConsentException(name="existing_customer", months=6)
    return law(
        ruleset(
            "KR",
            hours_rule(week((8, 21)), "KR.hours", widened_by="night"),
            consent_rule("KR.consent", needs=("source",), reconfirm_years=2, exceptions=(customer,)),
            registry_rule("kr-dnc", "KR.registry", exempt_by=(ConsentException(name="consent"),)),
            attempt_rule(2, None, CountedPer.PERSON, "KR.attempts"),
        ),
        ruleset(
            "JP",
            hours_rule(week((8, 21)), "JP.hours", widened_by="hours"),
            cooldown_rule(None, CooldownAfter.REFUSAL, "JP.cooldown"),
            named_time_rule("JP.named"),
        ),
        ruleset(
            "IN",
            hours_rule(week((10, 19)), "IN.hours"),
            redial_rule(3.0 * DAY_S, "IN.redial", is_waived_by_agent=False),
            attempt_rule(3, 7.0 * DAY_S, CountedPer.NUMBER, "IN.attempts"),
        ),
        ruleset(
            "US",
            hours_rule(week((8, 21)), "US.hours"),
            registry_rule("us-dnc", "US.registry", exempt_by=(ConsentException(name="inquiry", months=3),)),
            cooldown_rule(2.0 * DAY_S, CooldownAfter.CONVERSATION, "US.cooldown"),
        ),
        ruleset("US-FL", attempt_rule(3, DAY_S, CountedPer.SUBJECT, "US-FL.attempts"), parents=("US",)),
        ruleset(HOUSE, voice_rule("human", rule_id="HOUSE.voice"), attempt_rule(3, None, rule_id="HOUSE.attempts")),
    )


def campaign(dice: random.Random) -> CampaignPolicy:
    """A campaign of random strictness."""
    return make_policy(
        "spring",
        SELLER,
        hours=HoursPolicy(week=(((0, 86_400),),) * 7),
        retry=RetryPolicy(attempts_max=6, is_hour_varied=dice.random() < 0.8),
        numbers=NumbersPolicy(attempts_each=dice.choice((3, 6)), order=dice.choice(list(NumberOrder))),
        compliance=CompliancePolicy(
            subject=dice.choice(("renewal", "renewal", "")), exceptions=("existing_customer", "inquiry")
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """A place, a time on its clocks, and facts by which its leads differ, the usual value first."""

    place: str
    hour: int
    facts: Mapping[str, Sequence[Any]]


NOTHING = {"consents": (0,), "invalid": (False,), "attempts": (0,)}
THEMES: Mapping[str, Theme] = {
    "consent": Theme(
        place="KR",
        hour=12,
        facts={
            "consents": (1, 2, 0),
            "obtained": (400, 728, 729, 730, 731, 732, 733, 900),
            "purposes": (("survey",), ("service",), ("survey", "service")),
            "consent source": ("form", ""),
            "revoked": (False, True),
            "consent seller": (SELLER, OTHER),
            "recipients": ((SELLER,), ()),
            "confirmed": (False, True),
            "expires": (None, -60.0, 60.0),
        },
    ),
    "revoked": Theme(
        place="KR",
        hour=12,
        facts={
            **NOTHING,
            "consents": (2, 1),
            "obtained": (400, 399, 397),
            "revoked": (False, True),
            "consent seller": (SELLER, OTHER),  # importing a revocation ends the seller's own, not those of others
            "recipients": ((SELLER,),),
        },
    ),
    "night": Theme(place="KR", hour=21, facts={"consents": (1, 2), "night": (False, True), "obtained": (10, 900)}),
    "other hours": Theme(place="JP", hour=21, facts={"consents": (1, 0), "consent hours": ((), spans((20, 24)))}),
    "named time": Theme(place="JP", hour=12, facts={**NOTHING, "hours": ((), spans((18, 20)), spans((11, 13)))}),
    "business": Theme(
        place="KR",
        hour=12,
        facts={**NOTHING, "business": ("bought",), "bought": (10, 181, 182, 183, 184, 185, 186, 400)},
    ),
    "inquiry": Theme(
        place="US-TX", hour=13, facts={**NOTHING, "business": ("inquired",), "inquired": (10, 89, 90, 91, 92, 93, 94)}
    ),
    "attempts": Theme(
        place="US-FL",
        hour=12,
        facts={
            **NOTHING,
            "attempt": (0.4, 0.99, 1.01, 1.0),
            "more calls": (2, 3),
            "subject": ("renewal", "debt", ""),
            "business": ("inquired",),
            "inquired": (10,),
        },
    ),
    "per number": Theme(
        place="IN", hour=12, facts={"numbers": (1, 2), "attempt": (0.4, 6.9, 7.1, 7.0), "more calls": (3,)}
    ),
    "per day": Theme(
        place="KR", hour=12, facts={"consents": (1,), "obtained": (10,), "attempt": (0.4, 0.99, 0.01, 0.52)}
    ),
    "refusal": Theme(
        place="JP", hour=12, facts={"outcome": ("nothing", "refused", "talked"), "attempt": (1.9, 40.0, 200.0)}
    ),
    "conversation": Theme(place="US-TX", hour=13, facts={"outcome": ("nothing", "talked"), "attempt": (1.9, 2.1, 2.0)}),
    "abandonment": Theme(
        place="IN",
        hour=12,
        facts={"outcome": ("abandoned", "talked", "nothing", "unknown"), "attempt": (2.9, 3.1, 0.4)},
    ),
    "same hour": Theme(place="IN", hour=12, facts={"attempts": (1, 0), "last": (1.0, 1.9, 2.04, 2.0, 0.01)}),
    "any": Theme(place="KR", hour=12, facts={}),
}


class World:
    """A random list, and what is known of its people, at a random instant.

    Of each fact a world knows few values, and one of them is the usual one: so most leads are alike but for one fact.
    """

    def __init__(self, theme: str, seed: int) -> None:
        self.dice = random.Random(seed)
        chosen = THEMES[theme]
        zone = ZoneInfo(PLACES[chosen.place][0])
        self.at = datetime(2026, 11, 27, chosen.hour, 30, tzinfo=zone).timestamp()
        self.policy = campaign(self.dice)
        self.numbers: list[str] = []
        self._known: dict[str, list[Any]] = {name: list(values) for name, values in chosen.facts.items()}
        self._named = tuple(chosen.facts)
        if chosen.facts:
            self._known["place"] = [chosen.place, *self.dice.sample(list(PLACES), k=1)]

    def pick(self, fact: str, *values: Any, of: int = 2) -> Any:
        """One of the values that this world knows of a fact, nearly always the first."""
        if fact not in self._known:
            self._known[fact] = [values[0], *self.dice.sample(values[1:], k=min(of, len(values)) - 1)]
        usual, *others = self._known[fact]
        # What a theme names is what its leads differ by; the rest only disturbs.
        share = 0.6 if fact in self._named else UNUSUAL
        return self.dice.choice(others) if others and self.dice.random() < share else usual

    def ago(self, fact: str) -> float:
        """An instant of the past, near a limit as often as not."""
        days = self.pick(fact, 0.01, 0.4, 0.99, 1.01, 1.9, 2.1, 2.9, 3.1, 6.9, 7.1, 40.0, of=3)
        if (
            fact == "attempt" and self.dice.random() < 0.5
        ):  # a second more or less: the earliest of a group is to be found
            return self.at - days * DAY_S - float(self.dice.randrange(30))
        return self.at - days * DAY_S + self.pick(f"{fact} more", 0.0, 60.0, -60.0, 3600.0)

    def long_ago(self, fact: str) -> float:
        """An instant of years ago, near the limits of months and years."""
        days = self.pick(fact, 10, 89, 91, 92, 93, 181, 182, 184, 185, 400, 728, 729, 730, 731, 732, 733, 900, of=3)
        return self.at - days * DAY_S

    def number(self) -> PhoneNumber:
        """A number of nobody's, in one of the places."""
        place = self.pick("place", *PLACES)
        e164 = f"+1202555{len(self.numbers):04d}"
        self.numbers.append(e164)
        return PhoneNumber(
            e164=e164,
            kind=self.pick("kind", "mobile", "fixed", of=1),
            region=place[:2],
            zones=PLACES[place],
            jurisdictions=(place,),
            attempts=self.pick("attempts", 0, 1, 2, 3),
            is_invalid=self.pick("invalid", False, False, False, True),
        )

    def relationship(self) -> Relationship:
        """What the list says of earlier business."""
        match self.pick("business", "none", "bought", "inquired"):
            case "bought":
                return Relationship(bought_at=self.long_ago("bought"))
            case "inquired":
                return Relationship(inquired_at=self.long_ago("inquired"))
            case _:
                return Relationship()

    def lead(self) -> Lead:
        """A lead in any state."""
        numbers = tuple(self.number() for _ in range(self.pick("numbers", 1, 2, 3)))
        attempts = sum(number.attempts for number in numbers)
        return Lead(
            lead_id=0,
            campaign="spring",
            numbers=numbers,
            shuffle=len(self.numbers),
            zone=self.pick("zone", None, None, "Asia/Tokyo"),
            jurisdiction=self.pick("jurisdiction", None, None, None, "JP", "US-FL"),
            source=self.pick("source", "", "form"),
            contact_hours=self.pick("hours", (), (), (), spans((18, 20)), of=1),
            relationship=self.relationship(),
            state=self.dice.choice((LeadState.PENDING, LeadState.PENDING, LeadState.PENDING, LeadState.FINISHED)),
            reason="sale",
            due_at=self.dice.choice((0.0, 0.0, self.at - 60.0, self.at + 600.0, self.at + 90_000.0)),
            attempts=attempts,
            last_attempt_at=self.ago("last") if attempts else None,
            callback=self.pick("callback", None, None, None, Callback(at=self.at)),
        )

    def consents(self) -> Iterator[Consent]:
        """Consents of many numbers, of every kind of worth."""
        for number in self.numbers:
            for _ in range(self.pick("consents", 0, 1, 1, 1, 2, of=3)):
                obtained_at = self.long_ago("obtained")
                yield Consent(
                    number=number,
                    seller=self.pick("consent seller", SELLER, SELLER, OTHER),
                    purposes=self.pick("purposes", ("survey",), ("survey", "service"), ("service",)),
                    obtained_at=obtained_at,
                    method="paper",
                    source=self.pick("consent source", "form", "form", ""),
                    text_hash="0" * 64,
                    recipients=self.pick("recipients", (), (SELLER,)),
                    is_written=self.pick("written", True, False, of=1),
                    is_night=self.pick("night", True, False),
                    hours=self.pick("consent hours", (), (), spans((20, 24))),
                    expires_at=None
                    if (ends := self.pick("expires", None, None, -60.0, 60.0)) is None
                    else self.at + ends,
                    confirmed_at=obtained_at + 5 * DAY_S if self.pick("confirmed", False, False, True) else None,
                    revoked_at=obtained_at + 2 * DAY_S if self.pick("revoked", False, False, True) else None,
                )

    def neighbour(self) -> Lead:
        """A lead of another campaign that shares some numbers with this one's and has one more."""
        shared = self.dice.sample(self.numbers, k=self.dice.choice((1, 1, 2)))
        added = f"+1202556{self.dice.randrange(10_000):04d}"
        numbers = [PhoneNumber(e164=e164, kind="mobile", region="KR", zones=("Asia/Seoul",)) for e164 in shared]
        numbers.append(replace(numbers[0], e164=added))
        return Lead(lead_id=0, campaign="autumn", numbers=tuple(self.dice.sample(numbers, k=len(numbers))), shuffle=0)

    def attempts(self, neighbours: Sequence[Lead]) -> Iterator[RecordAttempt]:
        """Earlier attempts of this seller's and of another's, also on leads of another campaign."""
        sampled = self.dice.sample(self.numbers, k=len(self.numbers) // 2)
        sampled += [number for number in sampled for _ in range(self.pick("more calls", 0, 1, 2, 3, of=3))]
        called = [(number, "spring", 0) for number in sampled]
        for lead in neighbours:
            called += [(number.e164, "autumn", lead.lead_id) for number in lead.numbers if self.dice.random() < 0.5]
        for call_id, (number, of_campaign, lead_id) in enumerate(called, start=1):
            at, kind = self.ago("attempt"), self.pick("outcome", *OUTCOMES, of=3)
            attempt = make_attempt(
                call_id,
                at,
                number=number,
                campaign=of_campaign,
                lead_id=lead_id,
                seller=self.pick("calling", SELLER, SELLER, SELLER, OTHER),
                subject=self.pick("subject", "", "renewal", "debt"),
                released_at=None if kind == "open" else at + 20.0,
                is_refusal=kind == "refused",
                bridged_at=at + 5.0 if kind in ("refused", "talked") else None,
                is_abandoned=kind == "abandoned",
                abandoned_at=at + 5.0 if kind == "abandoned" else None,
                outcome=Outcome.UNKNOWN if kind == "unknown" else Outcome.NO_ANSWER,
            )
            yield RecordAttempt(attempt=attempt)


OUTCOMES = ("nothing", "nothing", "refused", "talked", "abandoned", "unknown", "open")


@pytest.fixture
def store(any_database: Database) -> Iterator[Store]:
    """An empty database."""
    with closing(Store(any_database, make_vault())) as made:
        yield made


def fill(store: Store, world: World) -> None:
    """Put a world into a database."""
    with store.importing(world.policy, "list.csv", "", world.at) as session:
        for _ in range(LEADS):
            session.add(world.lead())
    autumn = replace(world.policy, name="autumn")
    with store.importing(autumn, "list.csv", "", world.at) as session:
        for _ in range(NEIGHBOURS):
            session.add(world.neighbour())
    with store.importing_consents("consents.csv", "op", world.at) as consents:
        consents.add(world.consents())
    store.apply(world.attempts(list(store.leads("autumn"))))
    dice = world.dice
    store._writer.execute("DELETE FROM blocked")  # revocations block numbers: what else they do has to be seen
    blocked = tuple(dice.sample(world.numbers, k=len(world.numbers) // 20))
    store.apply([BlockPerson(seller=SELLER, numbers=blocked, reason="said so", at=world.at - 60.0)])
    for registry in ("kr-dnc", "us-dnc"):
        listed = dice.sample(world.numbers, k=len(world.numbers) // 3)
        ordered = sorted_hashes(b"".join(store.vault.index(number)[:8] for number in listed))
        received_at = world.at - dice.choice((1.0, 1.0, 1.0, 40.0)) * DAY_S
        copy = RegistryCopy(registry=registry, version="1", digest="", received_at=received_at, numbers=len(ordered))
        kept = KeptCopy(copy=copy, imported_at=world.at - 60.0, lines=len(ordered), path=f"{registry}-1.bin", who="op")
        store.add_registry(kept, ordered)


@pytest.mark.parametrize(
    ("any_database", "seed"), [("sqlite", 0), ("sqlite", 1), ("postgres", 0)], indirect=["any_database"]
)
@pytest.mark.parametrize("theme", THEMES)
def test_groups_answer_as_the_gate_does_for_each_lead(store: Store, theme: str, seed: int) -> None:
    """The parts add up, each lead of a part has its reason and rule by itself, and the next instant is the earliest."""
    world = World(theme, seed)
    fill(store, world)
    survey = Survey(store, world.policy, everything(), world.at)
    parts = survey.parts()
    left = [lead for lead in store.leads("spring") if lead.state is not LeadState.FINISHED]
    assert sum(part.leads for part in parts) == survey.left == len(left)
    assert survey.census.finished == {"sale": LEADS - len(left)}
    assert len(survey.census.groups) < len(left) * 0.9
    seen: list[int] = []
    for part in parts:
        listed: list[Listed] = [
            each for each in survey.leads(part.rule or str(part.reason), LEADS) if each.answer.reason is part.reason
        ]
        assert {(each.answer.reason, each.answer.rule) for each in listed} == {(part.reason, part.rule)}
        assert len(listed) == part.leads
        nexts = [each.answer.next_at for each in listed if each.answer.next_at is not None]
        assert part.next_at == min(nexts, default=None)
        seen += [each.lead.lead_id for each in listed]
    assert sorted(seen) == [lead.lead_id for lead in left]


def test_there_are_fewer_questions_than_leads(store: Store) -> None:
    """Leads that nothing tells apart are asked about once."""
    world = World("any", 1)
    with store.importing(world.policy, "list.csv", "", world.at) as session:
        for rank in range(LEADS):
            number = PhoneNumber(e164=f"+1202555{rank:04d}", kind="mobile", region="KR", zones=("Asia/Seoul",))
            session.add(Lead(lead_id=0, campaign="spring", numbers=(number,), shuffle=rank))
    census = Survey(store, world.policy, everything(), world.at).census
    assert [group.leads for group in census.groups] == [LEADS]
    assert len(census.groups[0].asked) == 1


def test_an_empty_list_has_no_parts(store: Store) -> None:
    """A campaign without leads has nothing left, and nothing stands against that."""
    store.register(make_policy("spring"))
    survey = Survey(store, make_policy("spring"), everything(), 1.0)
    assert (survey.left, survey.parts(), dict(survey.census.finished)) == (0, [], {})
