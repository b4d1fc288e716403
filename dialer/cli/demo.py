"""`dialer demo`: the main job to its end on a fast clock, with simulated people and agents. Nobody is called."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialer.config.settings import Settings
    from dialer.daemon.service import Service
    from dialer.domain.records import Attempt
    from dialer.engine.status import EngineStatus
    from dialer.storage.store import Store

# A Tuesday: the afternoon in Seoul and Tokyo, and London opens two hours before the end. New York stays asleep.
START_AT = "2026-03-10T13:00:00+09:00"
ZONE = "Asia/Seoul"
PROGRESS_EVERY_S = 5.0
WALL_MAX_S = 130.0  # every step is synced to the disk: a slow one makes a shorter day, not a longer demo

INDEX = b"the demo's people are made up..."
"""The key of the look-up hashes, 32 bytes: the same each time, since the order of a list hangs on it."""

CONFIG = """# Made by `dialer demo`. Every key is explained in config.example.toml.
state_dir = "state"
campaigns_dir = "campaigns"
drain_timeout_s = 30

[log]
format = "json"

[loopback]
seed = 1
agents = {agents}
speed = {speed}
start_at = {start_at}
"""


def demo(
    campaigns: Annotated[
        Path, typer.Option("--campaigns", help="The folder of campaign files, with their lists.")
    ] = Path("campaigns"),
    speed: Annotated[float, typer.Option("--speed", min=1.0, max=1000.0, help="Times real time.")] = 300.0,
    hours: Annotated[float, typer.Option("--hours", min=0.1, max=48.0, help="Length of the simulated day.")] = 8.0,
    agents: Annotated[int, typer.Option("--agents", min=1, max=500, help="Simulated agents.")] = 12,
) -> None:
    """Run the shipped campaigns for a simulated day, in about two minutes. Nobody is called.

    Imports the lists, dials on a loopback network with simulated people and agents, drains, checks that nothing was
    lost, and prints the reports. Exit code 0 only when everything adds up.
    """
    import asyncio

    from dialer.config.settings import load_settings

    config = _prepare(campaigns, agents, speed)
    settings = load_settings(config)
    print(f"demo: a working day of {hours:g} hours at {speed:g} times real time, {agents} agents, in {config.parent}")
    status = asyncio.run(_day(settings, hours * 3600.0))
    faults = _check(settings, status)
    _report(config)
    print(f"\nEverything is in {config.parent}: the database and the log in state/, rejected rows beside the lists.")
    print("Next:")
    print(f"  dialer report attempts --config {config}")
    print(f"  dialer leads show --help        dialer run --config {config}")
    print(f"  dialer why-not renewal-kr --at 2026-03-10T16:00:00+09:00 --config {config}")
    print("  dialer simulate campaigns/renewal-kr.toml --agents 10 --hours 8 --runs 5 --seed 1")
    for fault in faults:
        print(f"demo: does not add up: {fault}")
    if faults:
        raise typer.Exit(1)
    print("demo: everything adds up")


def _prepare(campaigns: Path, agents: int, speed: float) -> Path:
    """Make a fresh folder with copies of the campaigns and a configuration; give the configuration's path."""
    import shutil
    import tempfile

    from dialer.errors import UsageError
    from dialer.storage.keyring import Keys, new_key, write_keys

    if not any(campaigns.glob("*.toml")):
        raise UsageError(
            f"--campaigns {campaigns}: expected a folder with campaign files (*.toml), found none; "
            "run the demo in the project's folder, or name the folder"
        )
    folder = Path(tempfile.mkdtemp(prefix="dialer-demo-"))
    shutil.copytree(
        campaigns, folder / "campaigns", ignore=shutil.ignore_patterns("*.rejects.csv", "*.py", "__pycache__")
    )
    config = folder / "config.toml"
    config.write_text(CONFIG.format(agents=agents, speed=float(speed), start_at=START_AT), encoding="utf-8")
    (folder / "state").mkdir(mode=0o700)
    write_keys(folder / "state" / "keys.json", Keys(index=INDEX, keys=(new_key(),)))
    return config


async def _day(settings: "Settings", day_s: float) -> "EngineStatus":
    """Run the daemon for a simulated day, telling how it goes; give the last status."""
    import asyncio
    import os

    from dialer.cli.daemon import loopback_factory
    from dialer.daemon.service import Service

    log_file = os.open(settings.state_dir / "daemon.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(log_file, "w", encoding="utf-8") as log:
        service = Service(settings, loopback_factory(settings), log_to=log, on_import=_tell_import)
        running = asyncio.ensure_future(service.run())
        watching = [asyncio.ensure_future(_end(service, day_s)), asyncio.ensure_future(_progress(service))]
        try:
            await running
        finally:
            for task in watching:
                task.cancel()
    return service.driver.status()


async def _end(service: "Service", day_s: float) -> None:
    """Stop the daemon when the simulated day is over, or when the demo has taken long enough."""
    import asyncio

    await service.ready.wait()
    end_at = service.started_at + day_s
    service.clock.hold("demo", end_at)  # so that every demo of a seed ends at the same instant
    try:
        async with asyncio.timeout(WALL_MAX_S):
            await service.clock.sleep_until(end_at)
    except TimeoutError:
        left_s = end_at - service.clock.now()
        print(f"demo: this machine is too slow for the whole day: it ends {left_s / 3600:.1f} hours early")
    print("demo: the day is over: no new calls, live ones finish", flush=True)
    service.stop("the demo's day is over")
    while not service.driver.status().is_draining:
        await asyncio.sleep(0)
    service.clock.hold("demo", None)


def _tell_import(report: Any) -> None:
    name = Path(report.path).name
    coded = f", {report.encoding.name}" if report.encoding else ""
    print(
        f"demo: {name}{coded}: {report.rows} rows: {report.loaded} loaded, {report.merged} merged, "
        f"{report.rejected} rejected ({report.elapsed_s:.1f} s)"
    )


async def _progress(service: "Service") -> None:
    """Print a line every few seconds."""
    import asyncio
    from datetime import datetime
    from zoneinfo import ZoneInfo

    await service.ready.wait()
    print(
        f"\n{'Seoul':>9} {'London':>6} {'calls':>7} {'live':>6} {'connects':>9} {'abandoned':>14} {'talking':>9}",
        flush=True,
    )
    while not service.is_stopping:
        await asyncio.sleep(PROGRESS_EVERY_S)
        now, status = service.clock.now(), service.driver.status()
        seoul, london = (datetime.fromtimestamp(now, ZoneInfo(zone)) for zone in ("Asia/Seoul", "Europe/London"))
        total = {
            key: sum(each.counts[key] for each in status.campaigns)
            for key in ("dials", "live", "connects", "abandoned")
        }
        rate = f" ({total['abandoned'] / total['live']:.1%})" if total["live"] else ""
        talking = sum(agent.state == "talking" for agent in status.agents)
        print(
            f"{seoul:%a %H:%M} {london:%H:%M} {total['dials']:>7} {total['live']:>6} {total['connects']:>9} "
            f"{str(total['abandoned']) + rate:>14} {talking:>4} of {len(status.agents)}",
            flush=True,
        )


def _check(settings: "Settings", status: "EngineStatus") -> list[str]:
    """Compare the engine's counts with what storage keeps; give what does not add up."""
    from dialer.daemon.stores import open_store

    faults: list[str] = []
    if status.lines_used:
        faults.append(f"{status.lines_used} calls without an end")
    with open_store(settings) as store:
        for campaign in status.campaigns:
            attempts = list(store.attempts(campaign.name, 0.0, status.now + 1.0))
            faults += [f"{campaign.name}: {fault}" for fault in _faults(campaign.counts, attempts)]
        faults += _double_calls(store)
        placed = store.next_call_id() - 1
        kept = len(list(store.attempts(None, 0.0, status.now + 1.0)))
        if placed != kept:
            faults.append(f"{placed} calls placed, but {kept} attempts kept")
        if not placed:
            faults.append("no call was placed")
    return faults


def _faults(counts: dict[str, int], attempts: "list[Attempt]") -> "Iterator[str]":
    """Compare one campaign's counts with its attempts."""
    kept = {
        "dials": len(attempts),
        "finished": sum(attempt.released_at is not None and attempt.outcome is not None for attempt in attempts),
        "live": sum(attempt.is_live for attempt in attempts),
        "connects": sum(attempt.bridged_at is not None and attempt.is_live for attempt in attempts),
        "abandoned": sum(attempt.is_abandoned for attempt in attempts),
    }
    for key, value in kept.items():
        if counts[key] != value:
            yield f"{counts[key]} {key} counted, but {value} kept"
    if counts["dials"] != counts["finished"]:
        yield f"{counts['dials']} calls placed, but {counts['finished']} finished"


def _double_calls(store: "Store") -> "Iterator[str]":
    """Give the leads of which two calls were in flight at once."""
    ends: dict[int, float] = {}
    for attempt in store.attempts(None, 0.0, float("inf")):
        if attempt.placed_at < ends.get(attempt.lead_id, 0.0):
            yield f"lead {attempt.lead_id} was called twice at once"
        ends[attempt.lead_id] = attempt.released_at or float("inf")


def _report(config: Path) -> None:
    """Print the reports of the day, as `dialer report` does."""
    from dialer.cli.report import report_abandonment, report_agents, report_campaign

    for title, report in (
        ("Campaigns", report_campaign),
        ("Agents", report_agents),
        ("Abandonment", report_abandonment),
    ):
        print(f"\n{title}", flush=True)
        report(zone=ZONE, config=config)
