"""Same seed, same journal, byte for byte: between runs, processes, and versions until somebody decides otherwise.

Progressive pacing for the digest that is kept: its journal has no figure that depends on how a processor rounds a
Fourier transform. After an intended change of the engine or the default world, keep the digest that the test shows.
"""

import hashlib
import os
import subprocess
import sys

import pytest

from dialer.domain.policy import AbandonmentPolicy, PacingMode, PacingPolicy
from dialer.simulator.driver import Driver
from dialer.simulator.scenario import load_world
from tests.architecture.tree import ROOT
from tests.unit.simulator.floor import campaign

DIGEST = "855fc9aea3fc2d64a254a5c3e73b54cba6ea21f763e02d0a0b569dcf92eff4df"


def journal(mode: str) -> bytes:
    """The journal of half an hour of four agents in the default world."""
    lines: list[bytes] = []
    policy = campaign(
        pacing=PacingPolicy(mode=PacingMode(mode)),
        abandonment=AbandonmentPolicy(message="sorry.wav"),
    )
    Driver(policy, load_world("default"), agents=4, hours=0.5, seed=11, journal=lines.append).run()
    return b"\n".join(lines)


def test_the_journal_is_the_one_that_was_kept() -> None:
    """The journal of one small seed has the digest on record."""
    assert hashlib.sha256(journal("progressive")).hexdigest() == DIGEST


@pytest.mark.parametrize("mode", [str(mode) for mode in PacingMode])
def test_runs_and_processes_agree(mode: str) -> None:
    """In every pacing mode another process, whose hashes are seeded otherwise, writes the same bytes."""
    script = f"import sys; from tests.golden.test_journal import journal; sys.stdout.buffer.write(journal({mode!r}))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True)
    ours = journal(mode)
    assert len(ours) > 10_000
    assert other.stdout == ours
