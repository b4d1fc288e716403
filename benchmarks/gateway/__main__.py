"""Measure how fast orders and news travel: engine and broker under load, and an Asterisk with voices."""

import argparse
from collections.abc import Sequence

from benchmarks.gateway import asterisk, engine

PARTS = ("engine", "asterisk")


def main(words: Sequence[str] | None = None) -> None:
    """Measure the parts asked for, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.gateway", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of load on the engine; 600 for the long run")
    parser.add_argument("--rate", type=float, default=engine.RATE, help="new calls per second of that load")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    asked = parser.parse_args(words)
    if asked.part is None or "engine" in asked.part:
        engine.main(asked.seconds, asked.rate)
    if asked.part is None or "asterisk" in asked.part:
        asterisk.main()


if __name__ == "__main__":
    main()
