"""Events, and the rate that a law counts from them: this dialer against the vectors of this folder (see README.md)."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.compliance.abandonment import LegalWindow, legal_counts
from dialer.config.rulesets import load_law
from dialer.domain.law import AbandonmentRule
from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart, Window
from dialer.domain.records import Attempt
from tests.laws import abandonment_rule

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("abandonment-*.toml"))
AROUND = datetime.fromisoformat("2026-06-01T00:00:00+00:00").timestamp()

Facts = Mapping[str, Any]


def vectors_of(path: Path) -> list[Facts]:
    """The vectors of one file, each with the file's zone and rule unless it has its own."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [{"zone": table["zone"], **own, "rule": {**table["rule"], **own.get("rule", {})}} for own in table["vector"]]


VECTORS = [vector for path in FILES for vector in vectors_of(path)]
RULES = [tomllib.loads(path.read_text(encoding="utf-8"))["rule"] for path in FILES]


def rule_of(facts: Facts) -> AbandonmentRule:
    """The rule as the file has it."""
    return abandonment_rule(
        facts.get("cap"),
        windows=(Window(facts["window"]),),
        threshold_s=facts["threshold_s"],
        starts_at=ClockStart(facts["starts_at"]),
    )


def attempts(vector: Facts) -> Iterator[Attempt]:
    """The calls, each a second after the one before of its kind."""
    for kind, facts in enumerate(vector["calls"]):
        for rank in range(facts.get("times", 1)):
            yield replace(attempt(facts, facts["placed"].timestamp() + rank), call_id=10_000 * kind + rank)


def attempt(facts: Facts, placed_at: float) -> Attempt:
    """One call, as the engine would have kept it."""
    at = {
        key: None if key not in facts else placed_at + facts[key]
        for key in ("answered", "greeting_start", "greeting_end", "bridged", "message", "released")
    }
    return Attempt(
        call_id=0,
        campaign="vectors",
        lead_id=1,
        number="+12025550100",
        mode="predictive",
        placed_at=placed_at,
        answered_at=at["answered"],
        greeting_start_at=at["greeting_start"],
        greeting_end_at=at["greeting_end"],
        bridged_at=at["bridged"],
        message_at=at["message"],
        released_at=at["released"],
        is_live=facts.get("is") == "person",
        outcome=outcome_of(facts),
        released_by="callee" if "message" not in facts else "engine",
    )


def outcome_of(facts: Facts) -> Outcome:
    """What the engine would have said of a call under a campaign's own clock."""
    match facts.get("is"):
        case "machine":
            return Outcome.MACHINE
        case "unclassified":
            return Outcome.ABANDONED_BY_CALLEE
        case "person":
            if "bridged" in facts:
                return Outcome.CONNECTED
            return Outcome.ABANDONED if "message" in facts else Outcome.ABANDONED_BY_CALLEE
    if facts.get("unknown", False):
        return Outcome.UNKNOWN
    return Outcome.CANCELLED if facts.get("cut_short", False) else Outcome.NO_ANSWER


def counted(vector: Facts) -> list[LegalWindow]:
    """What this dialer counts."""
    check = vector.get("check")
    checks = None if check is None else {"vectors": (check["people"], check["checked"])}
    return legal_counts(attempts(vector), rule_of(vector["rule"]), tz=ZoneInfo(vector["zone"]), checks=checks)


def shown(window: LegalWindow, rule: Facts) -> dict[str, object]:
    """A window in the words of the vectors."""
    counts, rate = window.counted, window.counted.rate
    figures: dict[str, object] = {
        "from": window.from_at,
        "to": window.to_at,
        "live": counts.live,
        "abandoned": counts.abandoned,
        "machines": counts.machines,
        "rolling_24h": [window.rolling_24h.live, window.rolling_24h.abandoned],
    }
    for name in ("late", "silent", "by_callee", "unclassified", "unknown", "cut_short"):
        figures[name] = getattr(window, name)
    if counts.people is not None:
        figures |= {
            "people": counts.people.mean,
            "people_low": counts.people.low,
            "people_high": counts.people.high,
        }
    if rate is not None:
        figures |= {"rate": rate.mean, "rate_low": rate.low, "rate_high": rate.high}
        if "cap" in rule:
            figures["is_over_cap"] = rate.mean > rule["cap"]
    return figures


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_a_law_counts_what_is_expected(vector: Facts) -> None:
    """Each window with its counts and rate, and no window more."""
    found = counted(vector)
    assert len(found) == len(vector["expect"])
    for window, expected in zip(found, vector["expect"], strict=True):
        figures = shown(window, vector["rule"])
        for key, value in expected.items():
            wanted = value.timestamp() if isinstance(value, datetime) else value
            is_estimate = key.startswith(("people", "rate"))
            assert figures[key] == (pytest.approx(wanted, abs=1e-4) if is_estimate else wanted), key
        if "rate" not in expected and expected["live"] == 0:
            assert "rate" not in figures


@pytest.mark.parametrize("rule", [rule for rule in RULES if "of" in rule], ids=lambda rule: str(rule["of"]))
def test_the_ruleset_counts_as_the_text_does(rule: Facts) -> None:
    """The dialer's ruleset of the jurisdiction has the vectors' cap, window, threshold and clock."""
    rules = [
        each
        for ruleset in load_law(around=AROUND).rulesets
        if ruleset.code == rule["of"]
        for each in ruleset.abandonments
    ]
    found = [(each.cap_rate, each.windows[0].value, each.threshold_s, each.starts_at.value) for each in rules]
    assert (rule.get("cap"), rule["window"], rule["threshold_s"], rule["starts_at"]) in found


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_a_vector_is_sound_in_itself(vector: Facts) -> None:
    """Its instants have the offsets of its zone."""
    zone = ZoneInfo(vector["zone"])
    instants = [call["placed"] for call in vector["calls"]]
    instants += [window[key] for window in vector["expect"] for key in ("from", "to") if key in window]
    assert [each for each in instants if each.utcoffset() != each.astimezone(zone).utcoffset()] == []
    assert vector["shows"].endswith(".")


def test_every_vector_has_a_name_of_its_own() -> None:
    """No two vectors share an id."""
    names = [vector["id"] for vector in VECTORS]
    assert len(set(names)) == len(names)
