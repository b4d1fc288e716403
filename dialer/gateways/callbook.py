"""What the gateway's side of the contract remembers of calls: who ordered them, what was said of them, what to refuse.

One rule governs this module: a result is kept for 15 minutes after the call's end, whoever heard of it meanwhile. The
broker may lose what it holds; then the engine asks, and is told again.
"""

from collections import deque
from dataclasses import dataclass, field

from dialer.gateways import contract

KEPT_S = 900.0
NUMBERS_MAX = 20_000

ENDS = (contract.Failed, contract.Released)


@dataclass(slots=True)
class Page:
    """One call: the engine that ordered it, what ties its messages together, and everything reported of it."""

    engine: str
    trace: str
    news: list[contract.CallNews] = field(default_factory=list)
    is_over: bool = False


@dataclass(slots=True)
class Orders:
    """The orders of one engine: the newest token seen, and which numbers of it were carried out."""

    token: int = -1
    _seen: set[int] = field(default_factory=set)
    _order: deque[int] = field(default_factory=deque)

    def is_new(self, token: int, number: int) -> bool:
        """Note an order; say whether it was not seen before."""
        if token > self.token:
            self.token = token
            self._seen.clear()
            self._order.clear()
        if number in self._seen:
            return False
        self._seen.add(number)
        self._order.append(number)
        if len(self._order) > NUMBERS_MAX:
            self._seen.discard(self._order.popleft())
        return True


class CallBook:
    """All calls of the last while."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._over: deque[tuple[float, int]] = deque()  # when to forget which call
        self._denied: dict[int, float] = {}  # orders that were said never to have come, and until when to refuse them
        self._orders: dict[str, Orders] = {}

    @property
    def calls_up(self) -> int:
        """How many calls are not over."""
        return len(self._pages) - len(self._over)

    def orders(self, engine: str) -> Orders:
        """Give what is known of an engine's orders."""
        return self._orders.setdefault(engine, Orders())

    def open(self, call_id: int, engine: str, trace: str) -> bool:
        """Note an order to dial; False when this call was dialed, or is not to be any more."""
        if call_id in self._pages or call_id in self._denied:
            return False
        self._pages[call_id] = Page(engine, trace)
        return True

    def deny(self, call_id: int, now: float) -> None:
        """Refuse to dial a call that was never ordered so far, should the order still come."""
        if call_id not in self._pages:
            self._denied[call_id] = now + KEPT_S

    def note(self, news: contract.CallNews, now: float) -> Page:
        """Note what is reported of a call."""
        page = self._pages.setdefault(news.call_id, Page("", ""))
        page.news.append(news)
        if isinstance(news, ENDS) and not page.is_over:
            page.is_over = True
            self._over.append((now + KEPT_S, news.call_id))
        return page

    def page(self, call_id: int) -> Page | None:
        """Give what is known of a call."""
        return self._pages.get(call_id)

    def forget(self, now: float) -> None:
        """Let go of what ended long ago."""
        while self._over and self._over[0][0] <= now:
            self._pages.pop(self._over.popleft()[1], None)
        if len(self._denied) > 1000 or not self._over:
            self._denied = {call_id: until_at for call_id, until_at in self._denied.items() if until_at > now}
