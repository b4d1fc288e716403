"""What was dropped: counted by reason, and logged once for a burst of it.

One rule governs this module: whoever sends nonsense can neither fill the log nor stop the work.
"""

import time
from collections import Counter

from structlog.typing import FilteringBoundLogger

EVERY_S = 10.0


class Drops:
    """Counts what was dropped; the first of a burst is logged at once, the rest as one number, at most every 10 s."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._said_at: dict[tuple[str, str], float] = {}
        self._unsaid: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()

    def count(self, reason: str, topic: str, found: str = "") -> None:
        """Count a message that came on a topic and was dropped; `found` must not quote what a message holds."""
        self.counts[reason] += 1
        key = (reason, topic)
        now = time.monotonic()
        if now - self._said_at.get(key, -EVERY_S) < EVERY_S:
            self._unsaid[key] += 1
            return
        if len(self._said_at) > 1000:  # many topics are a burst, too
            self._said_at.clear()
        self._said_at[key] = now
        self._log.warning("message dropped", reason=reason, topic=topic, found=found, more=self._unsaid.pop(key, 0))
