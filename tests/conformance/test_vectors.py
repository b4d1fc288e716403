"""Facts and an instant, and what the law makes of them: this dialer against the vectors of this folder (see README.md).

The expected answers were written by hand from the sources that each file names, not taken from this program.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.compliance.gate import Gate, Known
from dialer.config.rulesets import load_law
from dialer.domain.law import HOUSE, Law, Span
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import (
    AbandonmentPolicy,
    CampaignPolicy,
    ClockStart,
    CompliancePolicy,
    HoursPolicy,
    PacingMode,
    PacingPolicy,
    Window,
)
from dialer.domain.standing import Consent, PastAttempt, RegistryCopy, Relationship, Standing
from dialer.domain.verdict import Finding
from tests.properties.floor import policy

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.glob("*.toml") if not path.name.startswith("abandonment-"))
AROUND = datetime.fromisoformat("2026-06-01T00:00:00+00:00").timestamp()
SELLER = "Example Seller"
VECTORS_MIN = 10
VECTORS_MIN_WITHOUT_HOURS = 5

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One vector, the file's defaults filled in."""

    facts: Facts

    def __str__(self) -> str:
        return str(self.facts["id"])

    @property
    def at(self) -> float:
        """The instant asked about."""
        instant: datetime = self.facts["at"]
        return instant.timestamp()


def vectors_of(path: Path) -> list[Vector]:
    """The vectors of one file; a vector's own tables add to the defaults key by key, anything else replaces them."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    defaults = table["defaults"]
    return [
        Vector(
            facts={
                **defaults,
                **own,
                **{key: {**defaults.get(key, {}), **own.get(key, {})} for key in ("campaign", "number", "person")},
            }
        )
        for own in table["vector"]
    ]


VECTORS = [vector for path in FILES for vector in vectors_of(path)]


@cache
def law() -> Law:
    """The rulesets that come with the dialer."""
    return load_law(around=AROUND)


# ----------------------------------------------------------------------------------------------------- the facts


def spans(texts: list[str]) -> tuple[Span, ...]:
    """Read "18:00-20:00"."""

    def seconds(clock: str) -> int:
        hours, _, minutes = clock.partition(":")
        return 3600 * int(hours) + 60 * int(minutes)

    return tuple((seconds(start), seconds(end)) for start, _, end in (text.partition("-") for text in texts))


def at_of(facts: Facts, key: str) -> float | None:
    """An instant among some facts."""
    return facts[key].timestamp() if key in facts else None


def e164(rank: int) -> str:
    """The person's number of this rank: nobody's, for only the place of a number matters here."""
    return f"+1202555010{rank}"


def campaign(vector: Vector) -> CampaignPolicy:
    """The campaign: open round the clock unless the vector says otherwise."""
    facts = vector.facts["campaign"]
    base = policy("vectors")
    declared = facts["abandonment"]
    says = {word for ruleset in law().rulesets for rule in ruleset.abandonments for word in rule.message_says}
    is_complete = declared["message"] == "complete"
    purpose = facts.get("purpose", "telemarketing")
    return replace(
        base,
        seller=SELLER,
        purpose=purpose,
        jurisdiction=vector.facts["number"]["region"],
        pacing=PacingPolicy(
            mode=PacingMode(facts.get("mode", "progressive")), ring_timeout_s=facts.get("ring_timeout_s", 22.0)
        ),
        abandonment=AbandonmentPolicy(
            target_rate=min(0.02, declared["cap"]),
            cap_rate=declared["cap"],
            window=Window(declared["window"]),
            threshold_s=declared["threshold_s"],
            starts_at=ClockStart(declared["starts_at"]),
            message="message.wav" if is_complete else None,
            message_says=tuple(sorted(says)) if is_complete else (),
        ),
        hours=HoursPolicy(week=(spans(facts.get("hours", ["00:00-24:00"])),) * 7),
        retry=replace(base.retry, attempts_max=1000),
        numbers=replace(base.numbers, attempts_each=1000),
        caller_id=facts["caller_id"] or None,
        compliance=CompliancePolicy(
            subject=facts.get("subject", purpose),
            audience=facts.get("audience", "consumer"),
            voice=facts.get("voice", "human"),
            exceptions=tuple(facts.get("exceptions", ())),
        ),
    )


def lead(vector: Vector) -> Lead:
    """The person, with the number called and another one of the same place; all that is known of them travels along."""
    facts, person = vector.facts["number"], vector.facts["person"]
    zones, codes = tuple(facts["zones"]), tuple(facts.get("jurisdictions", ()))
    numbers = [
        PhoneNumber(e164=e164(rank), kind=facts["kind"], region=facts["region"], zones=zones, jurisdictions=codes)
        for rank in (1, 2)
    ]
    return Lead(
        lead_id=1,
        campaign="vectors",
        numbers=tuple(numbers),
        shuffle=0,
        zone=person.get("zone"),
        jurisdiction=person.get("address"),
        source=person.get("source", ""),
        contact_hours=spans(person.get("contact_hours", [])),
        relationship=Relationship(
            bought_at=at_of(person, "bought"),
            inquired_at=at_of(person, "inquired"),
            has_contract=person.get("contract", False),
        ),
        standing=standing(vector),
    )


def standing(vector: Vector) -> Standing:
    """What is known of the person at the instant asked about."""
    return Standing(
        as_of_at=vector.at,
        consents=tuple(consents(vector)),
        past=tuple(sorted(past(vector), key=lambda attempt: attempt.at)),
        listed=tuple(
            (registry, e164(1))
            for copy in vector.facts.get("registries", [])
            if copy.get("listed", False)
            for registry in registries_of(copy["of"])
        ),
        blocked_at=at_of(vector.facts["person"], "blocked"),
    )


def consents(vector: Vector) -> Iterator[Consent]:
    """The consents on record: with the text shown and a source, for this seller and purpose, unless it is said."""
    purpose = vector.facts["campaign"].get("purpose", "telemarketing")
    for index, facts in enumerate(vector.facts.get("consents", []), start=1):
        yield Consent(
            number=e164(facts.get("number", 1)),
            seller=facts.get("seller", SELLER),
            purposes=tuple(facts.get("purposes", [purpose])),
            obtained_at=facts["obtained"].timestamp(),
            method="web form",
            source=facts.get("source", "sign-up form"),
            text_hash="0" * 64 if facts.get("text", True) else "",
            recipients=tuple(facts.get("recipients", ())),
            is_written=facts.get("written", False),
            is_night=facts.get("night", False),
            hours=spans(facts.get("hours", [])),
            expires_at=at_of(facts, "expires"),
            confirmed_at=at_of(facts, "confirmed"),
            revoked_at=at_of(facts, "revoked"),
            consent_id=index,
        )


def past(vector: Vector) -> Iterator[PastAttempt]:
    """The seller's earlier attempts: to the number called and about the campaign's subject, unless it is said."""
    campaign_facts = vector.facts["campaign"]
    subject = campaign_facts.get("subject", campaign_facts.get("purpose", "telemarketing"))
    for index, facts in enumerate(vector.facts.get("attempts", []), start=1):
        yield PastAttempt(
            call_id=index,
            number=e164(facts.get("number", 1)),
            subject=facts.get("subject", subject),
            at=facts["at"].timestamp(),
            is_abandoned=facts.get("abandoned", False),
            is_conversation=facts.get("conversation", False),
            is_refusal=facts.get("refusal", False),
        )


def registries_of(code: str) -> list[str]:
    """The registers that the rules of one jurisdiction ask for."""
    names = [rule.registry for each in law().rulesets if each.code == code for rule in each.registries]
    assert names, f"{code} has no register"
    return list(dict.fromkeys(names))


def known(vector: Vector) -> Known:
    """Every register of the law, received at the very instant asked about, unless the vector says otherwise."""
    received = {rule.registry: vector.at for each in law().rulesets for rule in each.registries}
    for copy in vector.facts.get("registries", []):
        for registry in registries_of(copy["of"]):
            if copy.get("missing", False):
                del received[registry]
            else:
                received[registry] = copy["received"].timestamp() if "received" in copy else vector.at
    copies = {
        registry: RegistryCopy(registry=registry, version="1", digest="", received_at=at, numbers=1)
        for registry, at in received.items()
    }
    return Known(registries=copies)


# ------------------------------------------------------------------------------------------------------ the tests


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_the_gate_gives_the_expected_verdict(vector: Vector) -> None:
    """Allowed or not, by exactly the rules named, with an agent or without, until when."""
    gate, person, facts = Gate(campaign(vector), law()), lead(vector), known(vector)
    number = person.numbers[0]
    verdict = gate.decide(person, number, vector.at, facts)
    refusing = [each for each in gate.findings(person, number, vector.at, facts) if not each.allowed]
    expected = list(vector.facts.get("refused_by", []))
    shown = [(each.rule, each.inputs) for each in refusing]
    assert (verdict.allowed, [name for name in expected if not any(is_of(each, name) for each in refusing)]) == (
        vector.facts["allowed"],
        [],
    ), shown
    if not vector.facts.get("others_may_refuse", False):
        assert [each.rule for each in refusing if not any(is_of(each, name) for name in expected)] == [], shown
    if "needs_agent" in vector.facts:
        assert verdict.needs_agent is vector.facts["needs_agent"]
    if "next_at" in vector.facts:
        next_at = (
            None if verdict.next_at is None else datetime.fromtimestamp(verdict.next_at, vector.facts["at"].tzinfo)
        )
        assert next_at == vector.facts["next_at"], verdict


def is_of(finding: Finding, name: str) -> bool:
    """Whether a finding is of the rule named, or of one of the kind named: US.hours names US.hours.telemarketing."""
    return finding.rule == name or finding.rule.startswith(f"{name}.")


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_vector_is_sound_in_itself(vector: Vector) -> None:
    """Its instants have the offsets of its zone, and it names rules exactly where it refuses."""
    zone = ZoneInfo(vector.facts["zone"])
    for key in ("at", "next_at"):
        if key in vector.facts:
            instant: datetime = vector.facts[key]
            assert instant.utcoffset() == instant.astimezone(zone).utcoffset(), key
    assert vector.facts["allowed"] is not bool(vector.facts.get("refused_by"))
    assert vector.facts["shows"].endswith(".")
    assert "next_at" not in vector.facts or vector.facts["next_at"] > vector.facts["at"]


def test_every_vector_has_a_name_of_its_own() -> None:
    """No two vectors share an id."""
    names = [str(vector) for vector in VECTORS]
    assert len(set(names)) == len(names)


def test_every_jurisdiction_has_enough_vectors() -> None:
    """At least ten for each that has hours of its own, five for any other."""
    counts: dict[str, int] = {}
    for vector in VECTORS:
        for code in dict.fromkeys([str(vector).rpartition("-")[0], *vector.facts["number"].get("jurisdictions", [])]):
            counts[code] = counts.get(code, 0) + 1
    few = {
        each.code: counts.get(each.code, 0)
        for each in law().rulesets
        if counts.get(each.code, 0) < (VECTORS_MIN if each.hours else VECTORS_MIN_WITHOUT_HOURS)
        and each.code != "EU"  # no call is under it alone
    }
    assert few == {}
    assert HOUSE in counts
