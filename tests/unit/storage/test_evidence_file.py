"""The evidence as a file: what an export holds, and that a check finds every change of it."""

import json
import random
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO

import pytest

from dialer.domain.commands import BlockPerson
from dialer.domain.events import CampaignLoaded, LawLoaded
from dialer.errors import EvidenceError
from dialer.storage.evidence import GENESIS, link
from dialer.storage.evidence_check import Checked, check
from dialer.storage.evidence_file import Wanted
from tests.laws import ALL_DAY, hours_rule, law, ruleset
from tests.unit.storage.builders import make_abandoned, make_number, make_policy
from tests.unit.storage.evidence_log import Log, attempted, verdict

LAW = law(ruleset("US", hours_rule(ALL_DAY, "US.hours")))


def checked(data: bytes, *heads: str) -> Checked:
    """Check the bytes of a file."""
    return check(BytesIO(data), "evidence.jsonl", heads)


def fault_of(data: bytes) -> str:
    """What a check says of a file that was changed."""
    with pytest.raises(EvidenceError) as caught:
        checked(data)
    return str(caught.value)


def small() -> Log:
    """A log with an entry or two of each sort that a file treats on its own."""
    log = Log()
    log.take(1.0, LawLoaded(law=LAW))
    log.take(2.0, None, verdict(1, 2.0, law_digest=LAW.digest))
    log.take(3.0, None, attempted(make_abandoned(1, 3.0)))
    log.take(4.0, None, BlockPerson(seller="Example Telecom", numbers=(make_number(1).e164,), reason="asked", at=4.0))
    return log


def many(count: int) -> Log:
    """A log of so many verdicts under one law."""
    log = small()
    log.take_batch((float(n), None, (verdict(n, float(n), law_digest=LAW.digest),)) for n in range(5, count))
    return log


SMALL = small().export()[0]


def test_an_export_is_whole() -> None:
    """A check says what is in it: the span, the entries by kind, the law of each verdict, the last hash."""
    log = small()
    data, written = log.export()
    found = checked(data)
    assert (found.head.first, found.count, found.hidden, found.lawless) == (1, 5, 0, 0)
    assert (found.from_at, found.to_at) == (1.0, 4.0)
    assert found.kinds == {"law": 1, "verdict": 1, "attempt": 1, "abandonment": 1, "refusal": 1}
    assert found.hash == written.hash == log.rows()[-1][4].hex()


def test_each_entry_is_in_the_file_as_it_was_hashed() -> None:
    """Anybody can recompute the chain from the lines, with nothing but SHA-256."""
    before = GENESIS
    for line in SMALL.splitlines():
        if line.startswith(b'{"line":"entry"'):
            entry = json.loads(line)
            body = line[line.index(b'"body":') + 7 : -1]
            before = link(before, entry["seq"], sha256(body).digest())
            assert before.hex() == entry["hash"]


def test_a_span_begins_with_the_hash_before_it_and_the_law_then_in_force() -> None:
    """So the file stands alone, although the law was loaded long before."""
    log = small()
    data, written = log.export(Wanted(since=3.0, until=4.0))
    found = checked(data)
    assert (written.first, found.count) == (3, 2)
    assert found.head.before == log.rows()[1][4].hex()
    assert json.loads(bytes(found.head.law))["digest"] == LAW.digest
    assert json.loads(data.splitlines()[1])["text"]["code"] == "US"


def test_two_spans_meet() -> None:
    """The last hash of one export is the hash before the first entry of the next."""
    log = small()
    first, _ = log.export(Wanted(until=3.0))
    second, _ = log.export(Wanted(since=3.0))
    assert checked(first).hash == checked(second).head.before


def test_an_empty_span_is_a_file_too() -> None:
    """Nothing happened, and the file proves what came before."""
    log = small()
    data, written = log.export(Wanted(since=100.0))
    assert written.count == 0
    assert checked(data).hash == log.rows()[-1][4].hex()
    assert checked(Log().export()[0]).count == 0


def test_other_campaigns_are_in_the_file_as_hashes() -> None:
    """Of one campaign's file nobody learns what another did, but the chain proves that nothing was left out."""
    log = small()
    log.take(5.0, None, verdict(2, 5.0, campaign="autumn", law_digest=LAW.digest))
    log.take(6.0, None, BlockPerson(seller="Other Seller", numbers=(make_number(3).e164,), reason="asked", at=6.0))
    log.take(7.0, CampaignLoaded(policy=make_policy("autumn")))
    data, written = log.export(Wanted(campaign="spring", seller="Example Telecom"))
    found = checked(data)
    assert (written.hidden, found.hidden, found.count) == (3, 3, 8)
    assert b"autumn" not in data
    assert b"Other Seller" not in data
    assert found.kinds["refusal"] == 1
    hidden = next(line for line in data.splitlines(keepends=True) if b'"hidden"' in line)
    assert "expected entry" in fault_of(data.replace(hidden, b""))


def test_a_body_left_out_of_a_file_of_all_campaigns_is_found() -> None:
    """Hiding an entry needs a campaign in the head, and the head cannot be changed."""
    lines = SMALL.splitlines(keepends=True)
    entry = json.loads(lines[-2])
    body = lines[-2][lines[-2].index(b'"body":') + 7 : -2]
    hidden = {"line": "hidden", "seq": entry["seq"], "hash": entry["hash"], "sha256": sha256(body).hexdigest()}
    lines[-2] = json.dumps(hidden, separators=(",", ":")).encode() + b"\n"
    assert "is left out" in fault_of(b"".join(lines))


def others(byte: int) -> Iterator[int]:
    """Other values of a byte: each bit flipped, and characters that JSON might forgive."""
    values = {byte ^ (1 << bit) for bit in range(8)} | set(b' \t\r\n0"\\{}') | {0x00, 0xFF}
    return iter(sorted(values - {byte}))


def line_of(data: bytes, place: int) -> int:
    """The number of the line in which a byte is."""
    return data.count(b"\n", 0, place) + 1


def test_each_change_of_a_byte_is_found_in_its_line() -> None:
    """Exhaustive: every byte of a small file, by all bits and by what a lenient reader takes for the same."""
    assert 2_000 < len(SMALL) < 6_000
    for place, byte in enumerate(SMALL):
        for value in others(byte):
            changed = SMALL[:place] + bytes([value]) + SMALL[place + 1 :]
            assert f"line {line_of(SMALL, place)}: " in fault_of(changed)


def test_each_byte_left_out_or_doubled_is_found() -> None:
    """Exhaustive: no byte can go, and none can come, at the end neither."""
    for place in range(len(SMALL)):
        for changed in (SMALL[:place] + SMALL[place + 1 :], SMALL[:place] + SMALL[place : place + 1] + SMALL[place:]):
            fault_of(changed)
    for more in (b" ", b"\n", b"\0", b"{}", SMALL):
        assert f"line {SMALL.count(bytes([10])) + 1}: " in fault_of(SMALL + more)


def test_each_cut_is_found() -> None:
    """After every byte, thus after every line."""
    for length in range(len(SMALL)):
        fault_of(SMALL[:length])
    lines = SMALL.splitlines(keepends=True)
    for count in range(1, len(lines)):
        fault_of(b"".join(lines[count:]))


def test_each_line_deleted_doubled_or_swapped_is_found() -> None:
    """The check names the first line that is not as it was."""
    lines = SMALL.splitlines(keepends=True)
    for index in range(len(lines)):
        fault_of(b"".join(lines[:index] + lines[index + 1 :]))
        doubled = fault_of(b"".join([*lines[: index + 1], *lines[index:]]))
        assert f"line {index + 2}: " in doubled
        for other in range(index + 1, len(lines)):
            swapped = list(lines)
            swapped[index], swapped[other] = swapped[other], swapped[index]
            assert f"line {index + 1}: " in fault_of(b"".join(swapped))


def test_changes_of_a_large_file_are_found() -> None:
    """Sampled over a hundred thousand entries: single bytes, and whole lines taken out, doubled or swapped."""
    data, written = many(100_000).export()
    assert checked(data).count == written.count == 100_000
    draws = random.Random(4)
    for _ in range(4):
        place = draws.randrange(len(data))
        value = draws.choice([value for value in range(256) if value != data[place]])
        changed = data[:place] + bytes([value]) + data[place + 1 :]
        assert f"line {line_of(data, place)}: " in fault_of(changed)
    lines = data.splitlines(keepends=True)
    index = draws.randrange(2, len(lines) - 2)
    assert f"line {index + 1}: expected entry" in fault_of(b"".join(lines[:index] + lines[index + 1 :]))
    assert f"line {index + 2}: expected entry" in fault_of(b"".join(lines[: index + 1] + lines[index:]))
    lines[index], lines[index + 1] = lines[index + 1], lines[index]
    assert f"line {index + 1}: expected entry" in fault_of(b"".join(lines))


def test_a_file_made_anew_is_found_by_a_hash_noted_elsewhere() -> None:
    """A forged log is whole in itself; what it cannot have is the hash that somebody wrote down before."""
    noted = small().rows()[2][4].hex()
    forged = Log()
    forged.take(1.0, LawLoaded(law=LAW))
    forged.take(2.0, None, verdict(1, 2.5, law_digest=LAW.digest))
    forged.take(3.0, None, attempted(make_abandoned(1, 3.0)))
    data, _ = forged.export()
    assert checked(data).count == 4
    assert checked(SMALL, noted).found == {noted: 3}
    with pytest.raises(EvidenceError, match="made anew"):
        checked(data, noted)


def test_a_log_changed_in_the_database_is_not_exported() -> None:
    """Neither a changed body nor a missing entry nor changed rules leave as evidence."""
    for statement, words in (
        ("UPDATE evidence SET body = replace(body, 'allowed', 'alloyed') WHERE seq = 2", "entry 2 was changed"),
        ("UPDATE evidence SET at = 9.0 WHERE seq = 2", "entry 2 was changed"),
        ("DELETE FROM evidence WHERE seq = 3", "entry 3 is missing"),
        ("UPDATE evidence_texts SET body = x'7b7d'", "were changed"),
    ):
        log = small()
        log.connection.execute(statement)
        with pytest.raises(EvidenceError, match=words):
            log.export()


def test_a_verdict_by_another_law_than_the_last_is_counted() -> None:
    """The chain is whole, but the reader is told how many verdicts name a law that the log does not hold."""
    log = Log()
    log.take(1.0, LawLoaded(law=LAW))
    log.take(2.0, None, verdict(1, 2.0, law_digest="1a" * 32))
    assert checked(log.export()[0]).lawless == 1


def test_the_law_before_a_span_cannot_be_exchanged() -> None:
    """Verdicts name the law's entry by its hash: another law in the head is found, all other hashes made to fit."""
    log, other = small(), Log()
    other.take(1.0, LawLoaded(law=law(ruleset("US", hours_rule(((),) * 7, "US.hours")))))
    rows = other.connection.execute("SELECT digest, body FROM evidence_texts").fetchall()
    log.connection.executemany("INSERT OR IGNORE INTO evidence_texts VALUES (?, ?)", rows)
    log.connection.execute("UPDATE evidence SET body = ? WHERE seq = 1", (other.rows()[0][3],))
    data, _ = log.export(Wanted(since=2.0))
    assert "went by a law that is not in the file" in fault_of(data)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"line":"end"}\n', b"[" * 10_000 + b"\n"]
)
def test_what_is_no_evidence_file_is_refused(data: bytes) -> None:
    """The first line says so, and nothing else happens."""
    assert fault_of(data).startswith("evidence.jsonl: line 1: ")
