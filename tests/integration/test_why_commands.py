"""`dialer why` and `dialer why-not` as commands, on the built-in rulesets."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialer.cli.why import law_at
from dialer.config.campaign import load_campaign
from dialer.config.settings import load_settings
from dialer.domain.commands import BlockPerson, RecordAttempt, RecordVerdict, SaveLead
from dialer.domain.events import LawLoaded
from dialer.domain.lead import LeadState
from dialer.domain.records import VerdictRecord
from dialer.domain.standing import Consent
from dialer.domain.verdict import Verdict
from dialer.engine.hopper import order_key
from dialer.errors import UsageError
from tests.integration.callers import (
    FL,
    FL_NUMBER,
    FR,
    FR_NUMBER,
    JP,
    JP_NUMBER,
    KR,
    KR_NUMBER,
    SELLER,
    at,
    prepare,
    run,
)
from tests.unit.storage.builders import make_attempt
from tests.vaults import open_state

NUMBERS = (KR_NUMBER, JP_NUMBER, FL_NUMBER, FR_NUMBER)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four campaigns with their lists."""
    return prepare(tmp_path_factory.mktemp("why")).parent


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy" / "config.toml"


def say(config: Path, *words: str) -> str:
    """Run a command and give what it prints, which never is a whole number."""
    result = run(config, *words)
    assert result.exit_code == 0, result.output
    digits = re.sub(r"[^0-9]", "", result.output)
    assert [number for number in NUMBERS if number[1:] in digits] == []
    return result.output


def answer(config: Path, *words: str) -> dict[str, Any]:
    """Run a command with --json."""
    found: dict[str, Any] = json.loads(say(config, *words, "--json"))
    return found


def verdict_of(text: str) -> str:
    """The sentence with the verdict, the last line but one."""
    return text.splitlines()[-2]


def line_of(text: str, rule: str) -> list[str]:
    """The words of a rule's first line in the table."""
    return next(line.split() for line in text.splitlines() if f" {rule} " in line)


def call(config: Path, number: str, *instants: float, campaign: str = FL, first_id: int = 1) -> None:
    """Record attempts of the seller's that nobody answered."""
    with open_state(config.parent / "state") as store:
        store.apply(
            RecordAttempt(
                attempt=make_attempt(
                    call_id, instant, number=number, campaign=campaign, seller=SELLER, subject="telemarketing"
                )
            )
            for call_id, instant in enumerate(instants, start=first_id)
        )


def test_a_korean_is_not_called_at_half_past_nine_in_the_evening(config: Path) -> None:
    """By day a consent is enough; after 21:00 the law wants a separate one for the night, and it opens the night."""
    said = say(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T21:30")
    assert said.splitlines()[0] == "+82-10-****-1234 (mobile), lead 1 of spring-kr: telemarketing for Example Telecom"
    assert "KR; Asia/Seoul Fri 21:30" in said
    assert line_of(said, "KR.hours.telemarketing")[:5] == ["NO", "KR.hours.telemarketing", "law", "primary", "zones:"]
    assert line_of(said, "KR.consent.telemarketing")[0] == "ok"
    assert verdict_of(said).startswith("not allowed: KR.hours.telemarketing, law, primary, Network Act")
    assert verdict_of(said).endswith("next allowed Sat 28 Nov 08:00 Asia/Seoul (27 Nov 23:00 UTC)")
    assert said.splitlines()[-1].endswith("It is no legal advice.")
    consent = Consent(
        number=KR_NUMBER,
        seller=SELLER,
        purposes=("telemarketing",),
        obtained_at=at("2026-10-01T10:00", "Asia/Seoul"),
        method="web form",
        source="own customers",
        text_hash="0" * 64,
        is_night=True,
    )
    with (
        open_state(config.parent / "state") as store,
        store.importing_consents("n.csv", "op", consent.obtained_at) as new,
    ):
        new.add([consent])
    assert verdict_of(say(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T21:30")).startswith("allowed")


def test_a_debtor_in_japan_who_named_a_time_is_called_then(config: Path) -> None:
    """Outside the named time the law closes the day, even where the hours are open; another debtor may be called."""
    said = say(config, "why", JP_NUMBER, "--campaign", JP, "--at", "2026-11-27T14:00")
    assert line_of(said, "JP.hours.debt")[0] == "ok"
    assert verdict_of(said).startswith("not allowed: JP.named_time.debt, law, secondary, Money Lending Business Act")
    assert "named: 18:00-20:00" in verdict_of(said)
    assert verdict_of(said).endswith("next allowed Fri 27 Nov 18:00 Asia/Tokyo (27 Nov 09:00 UTC)")
    for which, instant in ((JP_NUMBER, "2026-11-27T18:00"), ("+819000005679", "2026-11-27T14:00")):
        assert verdict_of(say(config, "why", which, "--campaign", JP, "--at", instant)).startswith("allowed")


def test_a_floridian_is_not_called_a_fourth_time_within_a_day(config: Path) -> None:
    """Three calls about one subject in 24 hours are the most: the next may follow a day after the first."""
    first = at("2026-11-27T09:15", "America/New_York")
    call(config, FL_NUMBER, first, first + 3600.0, first + 7200.0)
    said = say(config, "why", FL_NUMBER, "--campaign", FL, "--at", "2026-11-27T14:00")
    assert "US-FL; America/New_York Fri 14:00" in said
    assert verdict_of(said).startswith("not allowed: US-FL.attempts.subject, law, secondary, Fla. Stat. 501.059(8)")
    assert "attempts per subject and 1 d: 3 of 3" in verdict_of(said)
    assert verdict_of(said).endswith("next allowed Sat 28 Nov 09:15 America/New_York (28 Nov 14:15 UTC)")
    earlier = say(config, "why", FL_NUMBER, "--campaign", FL, "--at", "2026-11-27T11:14")
    assert "attempts per subject and 1 d: 2 of 3" in earlier
    assert verdict_of(earlier).startswith("allowed; this may change ")


def test_a_french_number_rests_over_lunch(config: Path) -> None:
    """Between 13:00 and 14:00 no consumer in France is called; who lacks consent, too, is told so in one sentence."""
    said = say(config, "why", FR_NUMBER, "--campaign", FR, "--at", "2026-11-27T13:30")
    assert verdict_of(said).startswith(
        "not allowed: FR.hours.telemarketing, law, primary, Code de la consommation D.223-9"
    )
    assert verdict_of(said).endswith("next allowed Fri 27 Nov 14:00 Europe/Paris (27 Nov 13:00 UTC)")
    for instant, answer_ in (("12:59:59", "allowed"), ("13:00", "not allowed"), ("14:00", "allowed")):
        told = verdict_of(say(config, "why", FR_NUMBER, "--campaign", FR, "--at", f"2026-11-27T{instant}"))
        assert told.startswith(answer_)
    without = say(config, "why", "+33199001235", "--campaign", FR, "--at", "2026-11-27T13:30")
    assert "; refused, too, by FR.consent.telemarketing; no instant is in sight" in verdict_of(without)


def test_the_machine_reads_the_same(config: Path) -> None:
    """--json holds every finding with force, grade, inputs and source, and the instants with their offset."""
    found = answer(config, "why", "1", "--campaign", KR, "--at", "2026-11-27T12:30:00+00:00")
    number = found["numbers"][0]
    assert (found["lead_id"], number["number"], number["allowed"]) == (1, "+82-10-****-1234", False)
    assert (number["rule"], number["next_allowed_at"]) == ("KR.hours.telemarketing", "2026-11-28T08:00:00+09:00")
    by_rule = {each["rule"]: each for each in number["findings"]}
    assert by_rule["KR.hours.telemarketing"]["force"] == "law"
    assert by_rule["HOUSE.ring"] | {"inputs": None, "next_at": None} == {
        "rule": "HOUSE.ring",
        "allowed": True,
        "force": "house",
        "written_force": "house",
        "grade": "unverified",
        "inputs": None,
        "next_at": None,
        "source": "house policy, not law",
        "needs_agent": False,
    }
    assert found["law"] == law_at(load_settings(config), at("2026-11-27T12:30", "UTC")).digest


def test_a_law_that_nobody_verified_is_a_house_rule_and_marked(config: Path) -> None:
    """The table says what the rule claims to be, and applies it as the house's."""
    said = say(config, "why", FL_NUMBER, "--campaign", FL, "--at", "2026-11-27T14:00")
    assert line_of(said, "US.abandonment.message")[:6] == [
        "ok",
        "US.abandonment.message",
        "house",
        "(unverified",
        "law)",
        "unverified",
    ]


def test_a_number_on_no_list_is_judged_as_a_stranger(config: Path) -> None:
    """Its standing is looked up all the same: a "do not call" to the seller is found by the number."""
    said = say(config, "why", "+821000009999", "--campaign", KR, "--at", "2026-11-27T11:00")
    assert "no lead of this campaign: judged as a stranger's number" in said
    assert "KR.consent.telemarketing" in verdict_of(said)
    with open_state(config.parent / "state") as store:
        store.apply([BlockPerson(seller=SELLER, numbers=("+821000009999",), reason="said so", at=1.0)])
    said = say(config, "why", "010-0000-9999", "--campaign", KR, "--at", "2026-11-27T11:00")
    assert verdict_of(said).startswith("not allowed: do_not_call, house, the campaign file (seller: Example Telecom)")


def test_what_was_recorded_then_is_shown_beside(config: Path) -> None:
    """The verdicts nearest to the instant, and whether they were given by the law that is in force now."""
    instant = at("2026-11-27T11:00", "Asia/Seoul")
    law = law_at(load_settings(config), instant)
    record = VerdictRecord(
        campaign=KR,
        seller=SELLER,
        lead_id=1,
        number=KR_NUMBER,
        at=instant - 60.0,
        verdict=Verdict(allowed=True, rule="allowed", inputs=(), next_at=None),
        policy_digest="",
        law_digest=law.digest,
        registries=(),
    )
    refused = Verdict(allowed=False, rule="KR.hours.telemarketing", inputs=(), next_at=None)
    with open_state(config.parent / "state") as store:
        store.apply([RecordVerdict(record=record)])
        store.apply([RecordVerdict(record=replace(record, at=instant + 60.0, verdict=refused, law_digest="ab" * 32))])
    said = say(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T11:00")
    short = law.digest[:12]
    assert f"  last    Fri 27 Nov 10:59 Asia/Seoul: allowed, law {short} (the one in force now)" in said
    assert (
        f"  next    Fri 27 Nov 11:01 Asia/Seoul: refused by KR.hours.telemarketing, law {'ab' * 6} "
        f"(in force now is another, {short})"
    ) in said
    found = answer(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T11:00")
    assert [each["is_law_of_now"] for each in found["numbers"][0]["recorded"]] == [True, False]
    assert "\n  last" not in say(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-30T11:00")


def test_a_recorded_verdict_names_the_law_that_a_daemon_took_down(config: Path) -> None:
    """A daemon's verdicts name the entry of their law by its hash: the law behind it is found, also after a new one."""
    instant = at("2026-11-27T11:00", "Asia/Seoul")
    law = law_at(load_settings(config), instant)
    record = VerdictRecord(
        campaign=KR,
        seller=SELLER,
        lead_id=1,
        number=KR_NUMBER,
        at=instant - 60.0,
        verdict=Verdict(allowed=True, rule="allowed", inputs=(), next_at=None),
        policy_digest="",
        law_digest=law.digest,
        registries=(),
    )
    with open_state(config.parent / "state") as store:
        store.commit(store.next_seq(), instant - 90.0, LawLoaded(law=law), [])
        store.apply([RecordVerdict(record=record)])
        store.commit(store.next_seq(), instant + 90.0, LawLoaded(law=replace(law, digest="ab" * 32)), [])
    said = say(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T11:00")
    assert f"allowed, law {law.digest[:12]} (the one in force now)" in said


def test_attempts_of_later_do_not_count_yet(config: Path) -> None:
    """At a past instant a number has the attempts it had then."""
    first = at("2026-11-10T11:00", "Asia/Seoul")
    call(config, KR_NUMBER, first, first + 90_000.0, campaign=KR)
    with open_state(config.parent / "state") as store:
        lead = store.lead(1)
        assert lead is not None
        number = replace(lead.numbers[0], attempts=2, last_attempt_at=first + 90_000.0)
        lead = replace(lead, attempts=2, last_attempt_at=first + 90_000.0, numbers=(number,))
        store.apply([SaveLead(lead=lead, order_key=order_key(lead, ("shuffle",)))])
    for instant, attempts in (("2026-11-10T10:00", 0), ("2026-11-10T12:00", 1), ("2026-11-20T12:00", 2)):
        said = say(config, "why", KR_NUMBER, "--campaign", KR, "--at", instant)
        assert f"list    pending; {attempts} attempts, {attempts} on this number" in said


def test_the_counts_add_up_and_name_their_rules(config: Path) -> None:
    """The first line as supervisors read it, a row per rule, the leads behind a reason, and those that are finished."""
    with open_state(config.parent / "state") as store:
        policy = load_campaign(config.parent / "campaigns" / f"{KR}.toml")
        lead = store.lead(2)
        assert lead is not None
        done = replace(lead, state=LeadState.FINISHED, reason="done")
        store.apply([SaveLead(lead=done, order_key=order_key(lead, policy.list.order))])
    zone = ("--zone", "Asia/Seoul")
    said = say(config, "why-not", KR, "--at", "2026-11-27T21:30", *zone)
    assert said.splitlines()[0] == "spring-kr: 2 left = 2 outside hours (next Sat 28 Nov 08:00)"
    assert said.splitlines()[-1].startswith("All times are those of Asia/Seoul. ")
    assert "finished: 1 done" in said
    said = say(config, "why-not", KR, "--at", "2026-11-27T11:00", *zone, "--reason", "registry")
    assert said.splitlines()[0] == "spring-kr: 2 left = 1 dialable now, 1 registry"
    assert line_of(said, "KR.registry.telemarketing")[:4] == ["1", "registry", "KR.registry.telemarketing", "law"]
    assert "+82-10-****-1236" in said
    assert "+82-10-****-1234" not in said
    found = answer(config, "why-not", KR, "--at", "2026-11-27T11:00", *zone, "--reason", "dialable")
    assert (found["left"], sum(part["leads"] for part in found["parts"]), found["finished"]) == (2, 2, {"done": 1})
    assert [(each["lead_id"], each["numbers"], each["reason"]) for each in found["leads"]] == [
        (1, ["+82-10-****-1234"], "dialable")
    ]


def test_a_long_list_is_cut_and_says_so(config: Path) -> None:
    """--limit bounds the leads that are listed, by id."""
    said = say(config, "why-not", FR, "--at", "2026-11-27T13:30+01:00", "--reason", "hours", "--limit", "1")
    assert "1 of 2; --limit shows more" in said
    assert "+33-1-****-1234" in said
    assert "+33-1-****-1235" not in said


def test_wrong_usage_is_explained(config: Path) -> None:
    """A campaign, number, reason or instant that is none says what was expected; the exit code is 2."""
    for words, said in (
        (("why", KR_NUMBER, "--campaign", "autumn"), "autumn: no such campaign in"),
        (("why", "nobody", "--campaign", KR), "NUMBER: expected a telephone number, or the id of a lead of spring-kr"),
        (("why", KR_NUMBER, "--campaign", KR, "--at", "noon"), "--at noon: expected a date or an instant"),
        (("why", KR_NUMBER, "--campaign", KR, "--at", "0001-01-01"), "--at 0001-01-01: expected a date or an instant"),
        (("why-not", KR, "--at", "9999-12-31T23:59"), "--at 9999-12-31T23:59: expected a date or an instant"),
        (("why-not", "autumn"), "autumn: no such campaign in"),
        (("why-not", KR, "--reason", "weather"), "--reason weather: expected one of dialable, retry-later, hours"),
        (("why-not", KR, "--zone", "Nowhere/Land"), "--zone Nowhere/Land: expected a time zone"),
    ):
        result = run(config, *words)
        assert (result.exit_code, said in result.output) == (UsageError.exit_code, True), result.output
    result = run(config, "why", "010-0000-12345", "--campaign", KR)
    assert result.exit_code == UsageError.exit_code
    assert "12345" not in result.output


def test_narrow_terminals_show_every_word(config: Path) -> None:
    """In 80 columns nothing is cut: texts go on in the next line."""
    result = run(config, "why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T21:30", columns="80")
    assert result.exit_code == 0
    assert "KR.hours.telemarketing" in result.output
    assert "…" not in result.output
