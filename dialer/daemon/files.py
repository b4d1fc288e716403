"""What a daemon dials by: its campaign files and the law, read while it stands by and again when it dials.

One rule governs this module: a take-over is like a reload. It takes all files as they are, or, when one has a fault,
what was in force: the campaigns as the daemon before it dialed them, the law as it was last read here without a fault.
"""

import time

from dialer.config.settings import Settings
from dialer.daemon import systemd
from dialer.daemon.campaigns import load_policies
from dialer.daemon.law import read_law
from dialer.daemon.logs import Logger
from dialer.domain.law import Law
from dialer.domain.policy import CampaignPolicy
from dialer.errors import ConfigError
from dialer.storage.reading import Records

WHAT_TO_DO = "correct the file and send SIGHUP"


class Files:
    """The files of a daemon, from its start to its take-over."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings
        self._log = log
        self._names: tuple[str, ...] = ()  # of the campaigns that were read last without a fault
        self._law: Law | None = None
        self.fault: str | None = None
        """What is wrong with them, as far as is known."""

    def read(self) -> None:
        """Read all; raise ConfigError with every fault."""
        self._names = tuple(policy.name for policy in load_policies(self._settings))
        self._law = read_law(self._settings, time.time(), self._log)

    def read_again(self) -> None:
        """Read all while standing by, and say what is wrong with them, if anything."""
        systemd.notify_reloading()
        try:
            self.read()
        except ConfigError as error:
            self.fault = str(error)
            self._log.error("files have faults", error=self.fault, todo=WHAT_TO_DO)
        else:
            self.fault = None
            self._log.info("files read", campaigns=list(self._names))
        systemd.notify("READY=1")

    def in_force(self, now: float) -> tuple[list[CampaignPolicy], Law]:
        """Give what is to be dialed by when nothing was in force before; raise ConfigError with every fault."""
        return load_policies(self._settings), read_law(self._settings, now, self._log)

    def taken_over(self, now: float, records: Records) -> tuple[list[CampaignPolicy], Law, bool]:
        """Give what is to be dialed by after another daemon, and whether the campaigns are as that one dialed them.

        Raises ConfigError when there is a fault and nothing was in force.
        """
        try:
            return (*self.in_force(now), False)
        except ConfigError as error:
            known = [policy for policy in map(records.policy, self._names) if policy is not None]
            if not known or self._law is None:
                raise
            names = [policy.name for policy in known]
            self._log.error(
                "taken over as before: files have faults", campaigns=names, error=str(error), todo=WHAT_TO_DO
            )
            return known, self._law, True
