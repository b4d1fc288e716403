"""Measure what the questions of the law cost: `python -m benchmarks.compliance`, or `make bench-compliance`."""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.compliance import parts, setting
from benchmarks.compliance.parts import Row

NUMBERS = 10_000_000
LEADS = 1_000_000
TIMES = 200_000
PARTS = ("verdict", "register", "why-not")


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Run the parts asked for, print the table, and give its rows."""
    asked = _parser().parse_args(arguments)
    numbers, leads = (max(1, round(whole * asked.scale)) for whole in (NUMBERS, LEADS))
    times = max(1000, round(TIMES * asked.scale))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-compliance-") as folder:
        config = setting.make_folder(Path(folder) / "made")
        if "verdict" in asked.part:
            rows += parts.verdicts(config, times)
        if "register" in asked.part or "why-not" in asked.part:
            measured = parts.register(config, numbers) + parts.lookups(config, times)
            rows += measured if "register" in asked.part else []
        if "why-not" in asked.part:
            began = time.perf_counter()
            with setting.open_store(config) as store:
                setting.fill(store, setting.policy_of(config), leads)
            print(f"made a list of {leads:,} leads in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            rows += parts.why_not(config, leads)
    _print(rows, asked.scale)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.compliance", description=__doc__)
    parser.add_argument("--scale", type=_scale, default=1.0, help="a share of the full sizes, such as 0.01")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="only these parts")
    return parser


def _scale(text: str) -> float:
    scale = float(text)
    if not 0.0 < scale <= 1.0:
        raise argparse.ArgumentTypeError("expected a share above 0, at most 1")
    return scale


def _print(rows: Sequence[Row], scale: float) -> None:
    said = "" if scale == 1.0 else f"; at {scale:g} of the full sizes, bars are those of the full ones"
    table = Table(title=f"the questions of the law, Python {platform.python_version()}{said}")
    headings: tuple[tuple[str, Callable[[Row], str]], ...] = (
        ("what", lambda row: row.what),
        ("measured", lambda row: f"{row.value:,.1f} {row.unit}"),
        ("bar", lambda row: "-" if row.bar is None else f"{row.bar:,.0f} {row.unit}"),
        ("", lambda row: "" if row.bar is None else "reached" if row.is_reached else "MISSED"),
        ("yardstick, same run", lambda row: row.yardstick),
    )
    for heading, _ in headings:
        table.add_column(heading, justify="right" if heading in ("measured", "bar") else "left")
    for row in rows:
        table.add_row(*(text(row) for _, text in headings))
    Console(soft_wrap=True).print(table)


if __name__ == "__main__":
    main()
