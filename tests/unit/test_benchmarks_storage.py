"""What the benchmark of the store measures and prints, at a thousandth of its size."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.storage import filling
from benchmarks.storage.__main__ import arguments, main, table
from benchmarks.storage.grounds import SqliteGround
from benchmarks.storage.results import Result, quantile
from benchmarks.storage.setting import BRITISH, NAME, open_store, policy_of, written
from dialer.engine.hopper import order_key
from dialer.leads.numbers import read_numbers


def test_every_part_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """An import, a journal, claims and a start give figures above zero, each with its bar and its yardstick."""
    main(["--rows", "1000", "--leads", "1000", "--events", "200", "--claims", "3", "--seconds", "0.5", "--json"])
    databases = json.loads(capsys.readouterr().out)
    assert [title.split()[0] for title in databases] == ["SQLite", "PostgreSQL"]
    for found in databases.values():
        assert len(found) == 9
        assert all(each["value"] > 0 for each in found)
        assert sum(each["verdict"] in ("holds", "short") for each in found) == 7
        assert sum(each["yardstick"] is not None for each in found) == 4


def test_a_database_that_is_filled_by_hand_is_as_the_store_would_have_made_it(tmp_path: Path) -> None:
    """Also where leads repeat others: each has the key of its rank and id, and all can be claimed in that order."""
    config = SqliteGround().new(tmp_path / "filled", BRITISH, filling.NOW)
    leads = filling.ATTEMPTS + filling.SEALED + 7
    with open_store(config) as store:
        store.register(policy_of(config))
        filling.fill(store, leads)
        for lead_id in (1, filling.ATTEMPTS + 1, leads - 6, leads):
            made = filling.lead_of(lead_id, was_called=lead_id <= filling.ATTEMPTS)
            found = store.lead(lead_id)
            assert found is not None
            assert replace(found, numbers=()) == replace(made, numbers=())
            key = next(store._rows("SELECT order_key FROM leads WHERE lead_id = ?", lead_id))[0]
            assert key == order_key(made, policy_of(config).list.order)
        claimed = store.claim(NAME, 1_000, filling.NOW).leads
        assert [each.shuffle for each in claimed] == sorted(each.shuffle for each in claimed)
        counts = store.counts(NAME)
        assert (counts.loaded, counts.open, counts.tried) == (leads, leads, filling.ATTEMPTS)


def test_a_bar_is_held_or_not() -> None:
    """Some bars are the least, some the most that a figure may be; what has none is only told."""
    fast = Result(name="import", value=30_000.0, unit="rows/s", bar=25_000, yardstick=66_000.0)
    slow = Result(name="commit p99", value=60.0, unit="ms", bar=50, is_most=True)
    told = Result(name="commit p50", value=0.5, unit="ms", note="50 events each")
    assert [each.verdict for each in (fast, slow, told)] == ["holds", "short", ""]
    out = StringIO()
    Console(file=out, width=150).print(table([fast, slow, told], "SQLite"))
    text = " ".join(out.getvalue().split())
    assert "import │ 30,000 rows/s │ >= 25,000 │ holds │ 66,000" in text
    assert "60.00 ms │ <= 50 │ short" in text
    assert "commit p50 (50 events each) │ 0.50 ms" in text


def test_a_quantile_is_one_of_the_values() -> None:
    """The 99th percentile of a hundred values is the largest but none."""
    assert quantile([float(value) for value in range(100)], 0.99) == 99.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_the_list_calls_nobody() -> None:
    """Its numbers are of prefixes that are not assigned, or kept for fiction; one in a hundred comes twice."""
    found = [read_numbers(written(rank), "KR")[0][0] for rank in range(3_000)]
    assert all(number.e164.startswith(("+82100", "+81900")) or "55501" in number.e164 for number in found)
    assert len({number.e164 for number in found}) == 3_000 - 30
    assert {number.region for number in found} == {"KR", "JP", "US"}


def test_parts_can_be_chosen() -> None:
    """And sizes; the defaults are those of `make bench-storage`."""
    asked = arguments(["--part", "claim", "--part", "restart", "--leads", "10000000"])
    assert (asked.part, asked.leads, asked.rows) == (["claim", "restart"], 10_000_000, 200_000)
