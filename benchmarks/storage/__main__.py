"""Measure the store: imports, the journal, claims and restarts, each beside the same done by hand."""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.storage.parts import Result, measure_claims, measure_import, measure_journal, measure_restart

PARTS = ("import", "journal", "claim", "restart")


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.storage", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the list that is imported")
    parser.add_argument("--leads", type=int, default=1_000_000, help="in the database that claims and a start work on")
    parser.add_argument("--events", type=int, default=50_000, help="that are committed")
    parser.add_argument("--claims", type=int, default=500, help="of 100 leads each")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(words)


def measure(asked: argparse.Namespace, folder: Path) -> list[Result]:
    """Measure the parts that were asked for, on SQLite."""
    parts: dict[str, Callable[[], list[Result]]] = {
        "import": lambda: measure_import(folder, asked.rows),
        "journal": lambda: measure_journal(folder, asked.events),
        "claim": lambda: measure_claims(folder, asked.leads, asked.claims),
        "restart": lambda: measure_restart(folder, asked.leads),
    }
    results: list[Result] = []
    for name in PARTS:
        if asked.part is None or name in asked.part:
            print(f"storage: {name}", file=sys.stderr)
            results += parts[name]()
    return results


def table(results: Sequence[Result], database: str) -> Table:
    """Lay the figures out, each beside its bar and its yardstick."""
    made = Table(title=f"{database}, Python {platform.python_version()}, {os.cpu_count()} cores, full sync")
    for heading, justify in (("what", "left"), ("", "right"), ("bar", "right"), ("", "left"), ("by hand", "right")):
        made.add_column(heading, justify="right" if justify == "right" else "left")
    for each in results:
        bar = "" if each.bar is None else f"{'<=' if each.is_most else '>='} {each.bar:,g}"
        what = each.name + (f" ({each.note})" if each.note else "")
        by_hand = "" if each.yardstick is None else _figure(each.yardstick)
        made.add_row(what, f"{_figure(each.value)} {each.unit}", bar, each.verdict, by_hand)
    return made


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    asked = arguments(words)
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
        results = measure(asked, Path(folder))
    if asked.json:
        print(json.dumps([{**asdict(each), "verdict": each.verdict} for each in results], indent=2))
        return
    console = Console(soft_wrap=False)
    console.print(table(results, f"SQLite {sqlite3.sqlite_version}"))
    console.print(
        "by hand: the same rows with executemany into the same tables and indexes; blobs of the same size, batch and "
        "sync; one UPDATE by the index; one SELECT of what a start reads. What is left of the difference is parsing, "
        "sealing, evidence, standings and the rules."
    )


if __name__ == "__main__":
    main()
