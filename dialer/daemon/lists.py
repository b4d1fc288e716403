"""The lead lists of the campaigns that the daemon runs: read at the start, and again when one changed.

One rule governs this module: a list that was read under the same campaign file is not read twice.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from dialer.daemon.clock import DaemonClock
from dialer.daemon.imports import ImportReport, Progress, import_list
from dialer.domain.policy import CampaignPolicy
from dialer.leads.reader import digest_of
from dialer.storage.store import Store


class Lists:
    """Imports lists and remembers which. `on_import` is told of each; `progress` may stop one by raising."""

    def __init__(
        self,
        store: Store,
        clock: DaemonClock,
        log: FilteringBoundLogger,
        *,
        on_import: Callable[[ImportReport], None] | None,
        progress: Progress,
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._on_import = on_import
        self._progress = progress
        self._read: dict[tuple[str, str], tuple[str, str]] = {}  # (campaign, list) -> digests of both files

    def take(self, policy: CampaignPolicy, progress: Progress) -> None:
        """Bring a campaign's lists into the store, except those that it has read under the same campaign file."""
        for file in policy.list.files:
            digests = (policy.digest, digest_of(Path(file)))
            if self._store.has_imported(policy, digests[1]):
                self._read[policy.name, file] = digests
                self._log.info("list", campaign=policy.name, path=file, unchanged=True)
                continue
            self._imported(file, digests, import_list(file, policy, self._store, self._clock.now(), progress=progress))

    async def take_anew(self, policy: CampaignPolicy, *, is_dry_run: bool) -> bool:
        """Import those lists of a campaign that changed, while calls go on; say whether there was any.

        A thread reads the list, and the store's import session has a connection of its own.
        """
        is_new = False
        for file in policy.list.files:
            digests = (policy.digest, await asyncio.to_thread(digest_of, Path(file)))
            if self._read.get((policy.name, file)) == digests:
                continue
            is_new = True
            report = await asyncio.to_thread(
                import_list,
                file,
                policy,
                self._store,
                self._clock.now(),
                is_dry_run=is_dry_run,
                progress=self._progress,
            )
            if not is_dry_run:
                self._imported(file, digests, report)
        return is_new

    def _imported(self, file: str, digests: tuple[str, str], report: ImportReport) -> None:
        """Remember and tell that a list was imported."""
        self._read[report.campaign, file] = digests
        if self._on_import is not None:
            self._on_import(report)
        self._log.info(
            "list",
            campaign=report.campaign,
            path=report.path,
            rows=report.rows,
            loaded=report.loaded,
            merged=report.merged,
            rejected=report.rejected,
            rejects=report.rejects_path,
            elapsed_s=round(report.elapsed_s, 3),
        )
