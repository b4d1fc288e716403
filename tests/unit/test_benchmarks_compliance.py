"""The benchmark of the law runs, at a thousandth of its sizes; what it measures there judges nothing."""

import pytest

from benchmarks.compliance.__main__ import main
from benchmarks.compliance.parts import Row
from benchmarks.compliance.setting import next_friday, numbers_of


def test_the_benchmark_runs_at_a_thousandth(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the four bars has its row, its figure, and a yardstick or the row above it for one."""
    rows = main(["--scale", "0.001"])
    bars = {row.what: (row.bar, row.unit) for row in rows if row.bar is not None}
    assert bars == {
        "one verdict, warm cache, p99": (100.0, "us"),
        "import of a register of 10,000 numbers": (120.0, "s"),
        "import of a register of 10,000 numbers, peak memory": (1024.0, "MiB"),
        "look-up in the register, p99": (50.0, "us"),
        "why-not over 1,000 leads": (5.0, "s"),
    }
    assert all(row.value > 0.0 for row in rows)
    assert "at 0.001 of the full sizes" in capsys.readouterr().out


def test_a_figure_up_to_its_bar_reaches_it() -> None:
    """Without a bar a figure is only told."""
    row = Row(what="x", value=5.0, unit="s", bar=5.0, yardstick="")
    assert row.is_reached
    assert not Row(what="x", value=5.1, unit="s", bar=5.0, yardstick="").is_reached
    assert Row(what="x", value=5.1, unit="s", bar=None, yardstick="").is_reached


def test_the_list_holds_a_number_once() -> None:
    """Numbers that come twice would be merged, and the list shorter than said."""
    made = [number.e164 for number in numbers_of(20_000)]
    assert len(set(made)) == 20_000


def test_the_instant_is_a_friday_at_half_past_eleven_in_seoul() -> None:
    """It is after the present, by a week and a day at most, so that a register imported now is in use and not stale."""
    for at in (0.0, 1_000_000_000.0, 1_792_000_000.0):
        found = next_friday(at)
        assert 0.0 < found - at <= 8 * 86_400.0
        assert (found // 86_400.0 + 3) % 7 == 4  # the first of January 1970 was a Thursday
        assert found % 86_400.0 == 2.5 * 3600.0
