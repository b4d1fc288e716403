"""The news of one gateway, put in order: each piece once, and none acknowledged before it is durable.

One rule governs this module: the numbers of the contract decide. What came before is dropped, what comes too early
waits for what is missing; what is missing for too long is given up, and the gateway is asked what it was.
"""

from collections.abc import Callable, Iterator

from dialer.gateways.contract import News

GAP_S = 1.0
HELD_MAX = 2000

Ack = Callable[[], None]


class Sequence:
    """What was taken of one gateway's news."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.has_gap = False  # something is missing for good; whoever looks asks for it and takes the flag down
        self.duplicates = 0
        self._taken = 0
        self._held: dict[int, tuple[News, list[Ack]]] = {}
        self._held_since: float | None = None
        self._unkept: dict[tuple[int, int], list[Ack]] = {}  # taken, and not durable yet

    def begin(self, epoch: int) -> list[News]:
        """Follow another life of the gateway; give what was waiting of the one before."""
        left = [news for news, _ in self._release()]
        self.epoch, self._taken = epoch, 0
        return left

    def take(self, news: News, ack: Ack, now: float) -> Iterator[News]:
        """Take a piece of news; give what is in order now. News of an earlier epoch is acknowledged and dropped."""
        if self.epoch is None:
            self.epoch, self._taken = news.epoch, news.seq - 1
        if news.epoch > self.epoch:
            yield from self.begin(news.epoch)
        key = (news.epoch, news.seq)
        if key in self._unkept:  # came again before the first was durable: not to be acknowledged before that, either
            self.duplicates += 1
            self._unkept[key].append(ack)
            return
        if news.epoch < self.epoch or news.seq <= self._taken:
            self.duplicates += 1
            ack()
            return
        if news.seq in self._held:
            self.duplicates += 1
            self._held[news.seq][1].append(ack)
            return
        self._held[news.seq] = (news, [ack])
        yield from self._in_order()
        if not self._held:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = now
        if len(self._held) > HELD_MAX:
            yield from self._give_up()

    def look(self, now: float) -> list[News]:
        """Give up what is missing for too long; give what waited for it."""
        if self._held_since is None or now - self._held_since < GAP_S:
            return []
        return self._give_up()

    def keep(self, news: News) -> None:
        """Acknowledge a piece of news that is durable, as often as it came."""
        for ack in self._unkept.pop((news.epoch, news.seq), ()):
            ack()

    def _in_order(self) -> Iterator[News]:
        while self._taken + 1 in self._held:
            self._taken += 1
            yield self._moved(*self._held.pop(self._taken))

    def _give_up(self) -> list[News]:
        self.has_gap = True
        return [news for news, _ in self._release()]

    def _release(self) -> list[tuple[News, list[Ack]]]:
        held = [self._held[seq] for seq in sorted(self._held)]
        for news, acks in held:
            self._taken = news.seq
            self._moved(news, acks)
        self._held.clear()
        self._held_since = None
        return held

    def _moved(self, news: News, acks: list[Ack]) -> News:
        self._unkept[news.epoch, news.seq] = acks
        return news
