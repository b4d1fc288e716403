"""An import in a process of its own: how long it takes, how much processor time and memory it and its helpers use."""

import json
import os
import resource
import time
from pathlib import Path

from benchmarks.storage.results import peak_kib
from benchmarks.storage.setting import open_store, policy_of
from dialer.daemon import pauses
from dialer.daemon.imports import import_list


def main(config: str, path: str) -> None:
    """Import a list, and print the figures."""
    policy = policy_of(Path(config))
    pauses.avoid()
    with open_store(Path(config)) as store:
        before, began = os.times(), time.perf_counter()
        report = import_list(path, policy, store, time.time())
        took, after = time.perf_counter() - began, os.times()
    if report.loaded + report.merged != report.rows:
        raise RuntimeError(f"expected every row to be loaded or merged, found {report.reasons}")
    figures = {
        "took_s": took,
        "cpu_s": sum(after[:4]) - sum(before[:4]),
        "peak_kib": peak_kib(),
        "helper_kib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    print(json.dumps(figures))
