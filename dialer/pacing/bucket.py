"""Calls per second as a token bucket.

One rule governs this module: over any span no more calls start than the rate allows, plus one second's worth.
"""

from dataclasses import dataclass
from math import inf, nextafter

_TOKEN_SLACK = 1e-6  # per token a second: the clock resolves some 2e-7 s, so a whole token may seem to miss as much


@dataclass(slots=True, kw_only=True)
class Bucket:
    """Calls per second as a token bucket that holds one second's worth, and at least one call."""

    rate: float
    tokens: float = 0.0
    filled_at: float | None = None

    def allowed(self, now: float) -> int:
        """Give how many calls may start now."""
        size = max(1.0, self.rate)
        if self.filled_at is None:
            self.tokens = size
        else:
            self.tokens = min(size, self.tokens + max(now - self.filled_at, 0.0) * self.rate)
        self.filled_at = now
        return int(self.tokens + _TOKEN_SLACK * size)

    def take(self) -> None:
        """Use the right to one call."""
        self.tokens -= 1.0

    def next_at(self, now: float) -> float:
        """Give the instant, later than `now`, at which the next call may start when none may now."""
        return max(nextafter(now, inf), now + (1.0 - self.tokens) / self.rate)
