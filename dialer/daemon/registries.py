"""Registers of people who must not be called: bringing a file in, and saying in time when a copy grows too old.

One rule governs this module: a file that may not be whole changes nothing. The copy in use stays in use, and grows old,
until a file comes that is.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from dialer.daemon.clock import DaemonClock
from dialer.domain.law import Law, RegistryRule
from dialer.domain.standing import RegistryCopy
from dialer.errors import DatabaseLost, ListError, UsageError
from dialer.leads.reader import digest_of
from dialer.leads.registers import Plan, country_of, plan_of, read_register
from dialer.storage.registries import HASH_BYTES, KeptCopy, file_name, sorted_hashes
from dialer.storage.store import Store
from dialer.storage.vault import Vault

if TYPE_CHECKING:
    from dialer.storage.registries import Hashes

DAY_S = 86_400.0
AGAIN_S = 10.0
WARN_DAYS = 7
SHARE_MIN = 0.9
"""A file with a smaller share of the numbers of the copy in use is taken for one that was cut."""

_REGISTRY = re.compile(r"[A-Za-z]{2}(?:-[A-Za-z0-9]{1,32}){1,4}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReport:
    """What became of a file. `is_unchanged`: this very file was imported under this version before."""

    registry: str
    version: str
    digest: str
    received_at: float
    lines: int
    numbers: int
    before: int | None  # the numbers of the copy that was in use
    is_unchanged: bool
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What the operator says of a file.

    `version` None: made from day and digest. `count`: how many numbers it has to hold. `smaller_because`: why it may
    have far fewer than the one before.
    """

    registry: str
    received_at: float
    who: str
    version: str | None = None
    count: int | None = None
    column: str | None = None
    smaller_because: str = ""


def import_registry(path: Path, arrival: Arrival, store: Store, now: float) -> RegistryReport:
    """Take a file of a national register into use.

    Raises `ListError` for a file that is not whole or not of that country, and `UsageError` for what was said of it;
    nothing has changed then.
    """
    started_at = time.perf_counter()
    registry, country = arrival.registry, country_of(arrival.registry)
    if _REGISTRY.fullmatch(registry) is None or country is None:
        raise UsageError(f"--registry {registry}: expected a country's code and a name, such as kr-donotcall")
    if arrival.received_at > now:
        raise UsageError(f"--received-at {_day(arrival.received_at)}: expected an instant of the past")
    in_use = next((kept for kept in store.copies_in_use() if kept.copy.registry == registry), None)
    if in_use is not None and arrival.received_at < in_use.copy.received_at:
        raise ListError(
            f"{path}: received {_day(arrival.received_at)}, before the copy in use ({in_use.copy.version}, received "
            f"{_day(in_use.copy.received_at)}). Nothing was imported."
        )
    digest = digest_of(path)
    version = arrival.version or f"{_day(arrival.received_at)}-{digest[:8]}"
    if _VERSION.fullmatch(version) is None:
        raise UsageError(f"--version {version}: expected at most 64 letters, digits, dots or dashes")
    same = next((kept for kept in store.kept_copies(registry) if kept.copy.version == version), None)
    if same is not None:
        report = _again(path, same, digest, started_at)
        if same.path and not store.has_file(same):
            # Another machine brought it into use: this one has the row, and now the file.
            store.bring_registry(same, _hashes(path, plan_of(country), arrival, store.vault)[0])
        return report
    ordered, lines = _hashes(path, plan_of(country), arrival, store.vault)
    numbers = len(ordered)
    _refuse_smaller(path, numbers, in_use, arrival.smaller_because)
    copy = RegistryCopy(
        registry=registry, version=version, digest=digest, received_at=arrival.received_at, numbers=numbers
    )
    kept = KeptCopy(
        copy=copy,
        imported_at=now,
        lines=lines,
        path=file_name(registry, version),
        who=arrival.who,
        reason=arrival.smaller_because,
    )
    store.add_registry(kept, ordered)
    return RegistryReport(
        registry=registry,
        version=version,
        digest=digest,
        received_at=arrival.received_at,
        lines=lines,
        numbers=numbers,
        before=None if in_use is None else in_use.copy.numbers,
        is_unchanged=False,
        elapsed_s=time.perf_counter() - started_at,
    )


def _hashes(path: Path, plan: Plan, arrival: Arrival, vault: Vault) -> "tuple[Hashes, int]":
    """Read a file into hashes in order, each once; give the number of its lines, too."""
    hashes = bytearray()
    index, extend = vault.index, hashes.extend

    def take(e164: str) -> None:
        extend(index(e164)[:HASH_BYTES])

    lines = read_register(path, plan, arrival.column, take, is_whole=arrival.count is not None)
    if arrival.count is not None and lines != arrival.count:
        raise ListError(f"{path}: expected {arrival.count:,} numbers, found {lines:,}. Nothing was imported.")
    return sorted_hashes(hashes), lines


def _again(path: Path, same: KeptCopy, digest: str, started_at: float) -> RegistryReport:
    """Answer an import under a version that is there already."""
    if same.copy.digest != digest:
        raise ListError(
            f"{path}: version {same.copy.version} of {same.copy.registry} is there already, from another file; name "
            "another --version. Nothing was imported."
        )
    return RegistryReport(
        registry=same.copy.registry,
        version=same.copy.version,
        digest=digest,
        received_at=same.copy.received_at,
        lines=same.lines,
        numbers=same.copy.numbers,
        before=None,
        is_unchanged=True,
        elapsed_s=time.perf_counter() - started_at,
    )


def _refuse_smaller(path: Path, numbers: int, in_use: KeptCopy | None, because: str) -> None:
    """Refuse a file with far fewer numbers than the copy in use, unless somebody says why."""
    if in_use is None or because.strip() or numbers >= SHARE_MIN * in_use.copy.numbers:
        return
    raise ListError(
        f"{path}: {numbers:,} numbers, and the copy in use has {in_use.copy.numbers:,}: was it cut? Have it sent "
        "again, or say with --accept-smaller why it is right. Nothing was imported."
    )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


# ---------------------------------------------------------------------------------------------- age
def good_until(law: Law, copy: RegistryCopy) -> tuple[float, RegistryRule] | None:
    """Give the instant at which a copy grows too old for the strictest rule that asks for it; None: there is none."""
    ends = [
        (copy.received_at + rule.max_age_days * DAY_S, rule)
        for ruleset in law.rulesets
        for rule in ruleset.registries
        if rule.registry == copy.registry and rule.max_age_days is not None
    ]
    return min(ends, key=lambda end: (end[0], end[1].rule_id), default=None)


def tell_ages(law: Law, copies: Iterable[RegistryCopy], now: float, log: FilteringBoundLogger) -> None:
    """Log each copy that is too old, or will be within a week."""
    for copy in copies:
        end = good_until(law, copy)
        if end is None or end[0] - now > WARN_DAYS * DAY_S:
            continue
        until, rule = end
        told = log.warning if until <= now else log.info
        told(
            "registry stale" if until <= now else "registry expires",
            registry=copy.registry,
            version=copy.version,
            received=_day(copy.received_at),
            until=datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds"),
            days_left=round((until - now) / DAY_S, 1),
            rule=rule.rule_id,
            todo="import a newer copy" if until > now else "calls that need it are not made: import a newer copy",
        )


async def watch_ages(law: Callable[[], Law], store: Store, clock: DaemonClock, log: FilteringBoundLogger) -> None:
    """Tell the ages of all copies now and once a day, until cancelled; a database that is away is asked again."""
    while True:
        try:
            tell_ages(law(), store.registry_copies(), clock.now(), log)
        except DatabaseLost:
            await asyncio.sleep(AGAIN_S)
        else:
            await clock.sleep_until(clock.now() + DAY_S)
