"""The chain of evidence: what becomes an entry, what is in it, and how entries hold together."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest

import dialer
from dialer.domain.commands import BlockPerson, RecordChange
from dialer.domain.events import CallRinging, CampaignLoaded, LawLoaded, RegistryLoaded
from dialer.domain.law import Override
from dialer.domain.policy import AbandonmentPolicy, ClockStart
from dialer.domain.records import CampaignChange
from dialer.storage.evidence import GENESIS, Memory, link
from dialer.storage.evidence_bodies import DeedBody
from tests.laws import copy_of, law, ruleset
from tests.unit.storage.builders import make_abandoned, make_attempt, make_connect, make_number, make_policy
from tests.unit.storage.evidence_log import VAULT, Log, attempted, verdict


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def said(log: Log) -> list[dict[str, object]]:
    """The bodies of all entries."""
    return [json.loads(body) for _, _, _, body, _ in log.rows()]


def test_each_entry_is_linked_to_all_before_it(log: Log) -> None:
    """A hash is that of the hash before, the number and the body's hash; the first follows 32 zero bytes."""
    log.take_batch([(1.0, None, (verdict(1, 1.0), verdict(2, 1.0, "US.hours")))])
    log.take(2.0, CallRinging(call_id=1), attempted(make_attempt(1, 2.0)))
    before = GENESIS
    for number, (seq, at, kind, body, hash_) in enumerate(log.rows(), start=1):
        before = link(before, seq, sha256(body).digest())
        assert (seq, hash_) == (number, before)
        assert body.startswith(json.dumps({"at": at, "kind": kind}, separators=(",", ":"))[:-1].encode())
    assert [kind for _, _, kind, _, _ in log.rows()] == ["verdict", "verdict", "attempt"]


def test_a_verdict_is_kept_with_its_grounds(log: Log) -> None:
    """Rule, inputs, digests and registers are in the entry; the number is a keyed hash."""
    log.take(7.0, None, verdict(3, 7.0, "US-FL.hours"))
    [body] = said(log)
    assert body == {
        "at": 7.0,
        "kind": "verdict",
        "campaign": "spring",
        "seller": "Example Telecom",
        "lead_id": 3,
        "subject": VAULT.index(make_number(3).e164).hex(),
        "allowed": False,
        "rule": "US-FL.hours",
        "inputs": [["zone", "America/New_York"]],
        "next_at": None,
        "needs_agent": False,
        "policy_digest": "ab" * 32,
        "law_digest": "1a" * 32,
        "registries": [["us-dnc", "2026-11"]],
    }


def test_a_verdict_names_the_laws_entry(log: Log) -> None:
    """By the SHA-256 of its body, in the transaction that loaded it and in later ones; also by another store."""
    rules = law(ruleset("KR"))
    judged = verdict(3, 7.0, law_digest=rules.digest)
    log.take(7.0, LawLoaded(law=rules), judged)
    log.take(8.0, None, judged)
    log.memory = Memory()
    log.take(9.0, None, judged, verdict(3, 9.0, law_digest="1a" * 32))
    body = log.rows()[0][3]
    assert [(kept.get("law"), kept.get("law_digest")) for kept in said(log)[1:]] == [
        (sha256(body).hexdigest(), None),
        (sha256(body).hexdigest(), None),
        (sha256(body).hexdigest(), None),
        (None, "1a" * 32),
    ]


def test_an_attempt_is_kept_as_the_detail_of_a_call(log: Log) -> None:
    """Who, when, for how long, with what end, for which seller, about what, and which number was shown."""
    log.take(0.0, CampaignLoaded(policy=make_policy(caller_id="+12025550100")))
    connect = make_connect(5, 100.0, wait_s=1.5, talk_s=60.0, seller="Example Telecom", subject="broadband", rule="r")
    log.take(161.5, None, attempted(connect))
    body = said(log)[1]
    assert body["at"] == 161.5
    assert body["subject"] == VAULT.index(connect.number).hex()
    assert body["about"] == "broadband"
    assert body["caller_id"] == "+12025550100"
    assert body["duration_s"] == 61.5
    assert (body["seller"], body["outcome"], body["rule"], body["agent_id"]) == (
        "Example Telecom",
        "connected",
        "r",
        "a1",
    )
    assert "abandoned_at" not in body


def test_an_abandonment_is_an_entry_of_its_own_once(log: Log) -> None:
    """The first record that says so makes it, with the instants and the campaign's measure; later ones do not."""
    measure = AbandonmentPolicy(threshold_s=1.5, starts_at=ClockStart.ANSWER)
    log.take(0.0, CampaignLoaded(policy=make_policy(abandonment=measure)))
    abandoned = make_abandoned(9, 50.0, message_at=52.1)
    log.take(52.0, None, attempted(replace(abandoned, released_at=None)), attempted(abandoned))
    assert [body["kind"] for body in said(log)] == ["campaign", "attempt", "abandonment", "attempt"]
    body = said(log)[2]
    assert (body["answered_at"], body["greeting_end_at"], body["abandoned_at"]) == (50.0, 50.0, 52.0)
    assert (body["message_at"], body["threshold_s"], body["starts_at"]) == (52.1, 1.5, "answer")


def test_an_abandonment_known_to_storage_is_not_repeated(log: Log) -> None:
    """After a restart the attempts that are kept say which abandonments have their entry."""
    log.connection.execute("DROP TABLE attempts")
    log.connection.execute("CREATE TABLE attempts (call_id, is_abandoned)")
    log.connection.execute("INSERT INTO attempts VALUES (9, 1), (10, 0)")
    log.take(52.0, None, attempted(make_abandoned(9, 50.0)), attempted(make_abandoned(10, 50.0)))
    assert [(body["kind"], body["call_id"]) for body in said(log)] == [
        ("attempt", 9),
        ("attempt", 10),
        ("abandonment", 10),
    ]


def test_a_refusal_names_all_numbers_by_their_hashes(log: Log) -> None:
    """Who asked for no more calls, whose, why, and who took the word."""
    numbers = (make_number(1).e164, make_number(2).e164)
    log.take(
        5.0, None, BlockPerson(seller="Example Telecom", numbers=numbers, reason="disposition dnc", at=4.5, who="a1")
    )
    [body] = said(log)
    assert body["subjects"] == [VAULT.index(number).hex() for number in numbers]
    assert (body["at"], body["reason"], body["who"]) == (4.5, "disposition dnc", "a1")


def test_a_law_is_kept_with_its_texts(log: Log) -> None:
    """Each ruleset's version and digest, overrides with their reasons, and the rules themselves, once."""
    override = Override(rule_id="HOUSE.redial", reason="counsel's letter", approved_by="counsel", origin="house.toml")
    rules = replace(law(ruleset("KR", version="3", digest="aa" * 32)), overrides=(override,), digest="bb" * 32)
    log.take(1.0, LawLoaded(law=rules))
    log.take(2.0, LawLoaded(law=rules))
    body, _ = said(log)
    assert (body["digest"], body["dialer"]) == ("bb" * 32, dialer.__version__)
    [kept] = body["rulesets"]  # type: ignore[misc]
    assert (kept["code"], kept["version"], kept["digest"]) == ("KR", "3", "aa" * 32)
    assert body["overrides"][0]["reason"] == "counsel's letter"  # type: ignore[index]
    texts = dict(log.connection.execute("SELECT hex(digest), body FROM evidence_texts"))
    assert len(texts) == 2
    assert json.loads(texts[kept["text"].upper()])["code"] == "KR"


def test_campaigns_registers_and_changes_are_kept(log: Log) -> None:
    """What was in force from when on."""
    copy = copy_of("us-dnc", received_at=1.5)
    change = CampaignChange(
        campaign="spring",
        at=4.0,
        action="pause",
        before="running",
        after="paused",
        reason="lunch",
        who="ops",
        digest="ab" * 32,
    )
    log.take(1.0, CampaignLoaded(policy=make_policy()))
    log.take(2.0, RegistryLoaded(copy=copy))
    log.take(4.0, None, RecordChange(change=change))
    bodies = said(log)
    assert [body["kind"] for body in bodies] == ["campaign", "registry", "change"]
    assert bodies[0]["digest"] == "ab" * 32
    assert (bodies[1]["registry"], bodies[1]["received_at"]) == ("us-dnc", 1.5)
    assert bodies[2]["reason"] == "lunch"


def test_no_entry_holds_a_number(log: Log) -> None:
    """Nothing that is kept of a person's calls can be read as a telephone number."""
    number = make_number(4).e164
    log.take(1.0, None, verdict(4, 1.0), attempted(make_abandoned(4, 50.0)))
    log.take(1.0, None, BlockPerson(seller="Example Telecom", numbers=(number,), reason="asked"))
    log.take(1.0, None, attempted(make_attempt(4, 60.0, disposed_at=70.0, disposition="callback", is_success=True)))
    kept = b"".join(body for _, _, _, body, _ in log.rows())
    assert number.encode() not in kept
    assert number[1:].encode() not in kept


def test_orders_outside_the_journal_say_their_own_instant(log: Log) -> None:
    """An attempt that a restart settles is dated by its last instant."""
    log.take(None, None, attempted(make_attempt(4, 60.0, released_at=75.0)))
    assert said(log)[0]["at"] == 75.0


def test_deeds_are_said_in_few_words() -> None:
    """A body has no field for what is not said."""
    deed = DeedBody(at=1.0, kind="view", who="ops", what="lead", reason="complaint")
    assert deed.subjects == ()
