"""Measure the store: imports, the journal, claims and restarts, each beside the same done by hand."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.storage.claiming import measure_claims
from benchmarks.storage.grounds import Ground, grounds
from benchmarks.storage.parts import measure_import, measure_journal, measure_restart
from benchmarks.storage.results import Result

PARTS = ("import", "journal", "restart", "claim")  # claims leave many leads in hand, for a start to give back
DATABASES = ("sqlite", "postgres")


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.storage", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the list that is imported")
    parser.add_argument("--leads", type=int, default=1_000_000, help="in the database that claims and a start work on")
    parser.add_argument("--events", type=int, default=50_000, help="that are committed")
    parser.add_argument("--claims", type=int, default=300, help="of 100 leads each")
    parser.add_argument("--seconds", type=float, default=15.0, help="that a daemon goes on after its first call")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only on this one; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(words)


def measure(asked: argparse.Namespace, ground: Ground, folder: Path) -> list[Result]:
    """Measure the parts that were asked for, on one database."""
    parts: dict[str, Callable[[], list[Result]]] = {
        "import": lambda: measure_import(ground, folder, asked.rows),
        "journal": lambda: measure_journal(ground, folder, asked.events),
        "claim": lambda: measure_claims(ground, folder, asked.leads, asked.claims),
        "restart": lambda: measure_restart(ground, folder, asked.leads, asked.seconds),
    }
    results: list[Result] = []
    for name in PARTS:
        if asked.part is None or name in asked.part:
            began = time.monotonic()
            results += parts[name]()
            print(f"storage: {ground.title}: {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
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
    found: dict[str, list[Result]] = {}
    with grounds(asked.database or DATABASES) as chosen:
        for ground in chosen:
            with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
                found[ground.title] = measure(asked, ground, Path(folder))
    if asked.json:
        print(
            json.dumps(
                {
                    title: [{**asdict(each), "verdict": each.verdict} for each in results]
                    for title, results in found.items()
                },
                indent=2,
            )
        )
        return
    console = Console(soft_wrap=False)
    for title, results in found.items():
        console.print(table(results, title))
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(
        "by hand: the same rows with executemany or COPY into the same tables and indexes; blobs of the same size, "
        "batch and sync; one UPDATE by the index, while nothing else is done; one SELECT of what a start reads. What "
        "is left of the difference is parsing, sealing, evidence, standings and the rules. "
        f"Load of the machine at the end: {load}."
    )


if __name__ == "__main__":
    main()
