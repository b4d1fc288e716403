"""The engine's deadlines: at most one per key, handed over in the order of their instants.

Deadlines at one instant come in the order in which they were set, so that a replay meets them in the same order.
"""

import heapq

Key = tuple[str, str | int]
"""What the deadline is for: a kind and the id of the campaign, agent or call."""


class Timers:
    """Set, cancel and take deadlines. Instants are POSIX seconds UTC."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._current: dict[Key, tuple[float, int]] = {}
        self._count = 0

    def set(self, key: Key, at: float) -> None:
        """Set the deadline of `key`, replacing the one it had."""
        current = self._current.get(key)
        if current is not None and current[0] == at:
            return
        self._count += 1
        self._current[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))

    def set_earlier(self, key: Key, at: float) -> None:
        """Set the deadline of `key` unless it has one before `at`."""
        current = self._current.get(key)
        if current is None or at < current[0]:
            self.set(key, at)

    def cancel(self, key: Key) -> None:
        """Forget the deadline of `key`, if it has one."""
        self._current.pop(key, None)

    def next_at(self) -> float | None:
        """Give the earliest deadline, or None."""
        heap = self._heap
        while heap:
            at, count, key = heap[0]
            if self._current.get(key) == (at, count):
                return at
            heapq.heappop(heap)
        return None

    def take_due(self, now: float) -> Key | None:
        """Take the earliest deadline at or before `now`, or None."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._current[key]
        return key
