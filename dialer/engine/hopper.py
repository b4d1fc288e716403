"""Leads ready to be dialed, claimed from the store and kept in the campaign's published order.

The order is a list of items from a campaign file, applied left to right; the lead's id breaks ties:

    callback              promised calls first, the earliest promise first; without this item they lead all the same
    priority desc|asc     the list's priority column
    segment: a, b, c      the named segments in this order, all others after them
    attempts asc|desc     fewer (or more) attempts first
    due asc               the longest due first
    shuffle               a fixed pseudo-random rank, so that a sorted list is not dialed in clumps

It is folded into one string per lead, so that a store needs one index whatever the order is.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from dialer.domain.lead import Lead

_INT_OFFSET = 1 << 31
_ATTEMPTS_MAX = 9999


@lru_cache(maxsize=64)
def _parts(order: tuple[str, ...]) -> tuple[Callable[[Lead], str], ...]:
    """Compile an order; raise ValueError with the item that is not known."""
    parts: list[Callable[[Lead], str]] = []
    for item in order if "callback" in order else ("callback", *order):
        words = item.replace(":", " : ").split()
        match words:
            case ["callback"]:
                parts.append(lambda lead: f"0{lead.callback.at:015.3f}" if lead.callback else "1")
            case ["priority", "desc"]:
                parts.append(lambda lead: f"{_INT_OFFSET - lead.priority:010d}")
            case ["priority", "asc"]:
                parts.append(lambda lead: f"{_INT_OFFSET + lead.priority:010d}")
            case ["attempts", "asc"]:
                parts.append(lambda lead: f"{lead.attempts:04d}")
            case ["attempts", "desc"]:
                parts.append(lambda lead: f"{_ATTEMPTS_MAX - lead.attempts:04d}")
            case ["due", "asc"]:
                parts.append(lambda lead: f"{lead.due_at:015.3f}")
            case ["shuffle"]:
                parts.append(lambda lead: f"{lead.shuffle:010d}")
            case ["segment", ":", *_]:
                names = [name.strip() for name in item.split(":", 1)[1].split(",")]
                if not all(names) or len(set(names)) != len(names):
                    raise ValueError(f"{item!r}: expected distinct segment names, as in 'segment: repeat, new'")
                ranks = {name: f"{rank:03d}" for rank, name in enumerate(names)}
                parts.append(lambda lead, ranks=ranks: ranks.get(lead.segment, "999"))  # type: ignore[misc]
            case _:
                raise ValueError(
                    f"{item!r}: expected one of callback, priority desc|asc, segment: a, b, attempts asc|desc, "
                    "due asc, shuffle"
                )
    return tuple(parts)


def check_order(order: Sequence[str]) -> None:
    """Raise ValueError, naming the item, unless `order` is a valid selection order."""
    _parts(tuple(order))


def order_key(lead: Lead, order: Sequence[str]) -> str:
    """Give the string by which leads sort in the published order; smaller is dialed earlier."""
    key = "|".join([part(lead) for part in _parts(tuple(order))])
    return f"{key}|{lead.lead_id:012d}"


class Hopper:
    """The leads that a campaign has claimed and not dialed yet, smallest order key first."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = tuple(order)
        self._heap: list[tuple[str, Lead]] = []
        self._ids: set[int] = set()

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, lead_id: int) -> bool:
        return lead_id in self._ids

    def leads(self) -> Iterator[Lead]:
        """Give the leads, in no order."""
        return (lead for _, lead in self._heap)

    def push(self, lead: Lead) -> None:
        """Add a lead; one that is here already is refused, for a lead has one attempt at a time."""
        if lead.lead_id in self._ids:
            raise ValueError(f"lead {lead.lead_id} is in the hopper already")
        self._ids.add(lead.lead_id)
        heapq.heappush(self._heap, (order_key(lead, self._order), lead))

    def first(self) -> Lead:
        """Show the first lead; IndexError when empty."""
        return self._heap[0][1]

    def pop(self) -> Lead:
        """Take the first lead; IndexError when empty."""
        lead = heapq.heappop(self._heap)[1]
        self._ids.discard(lead.lead_id)
        return lead

    def take_all(self) -> list[Lead]:
        """Empty the hopper; the leads come in order."""
        leads = [lead for _, lead in sorted(self._heap, key=lambda entry: entry[0])]
        self._heap.clear()
        self._ids.clear()
        return leads

    def reorder(self, order: Sequence[str]) -> None:
        """Apply a changed order to the leads that are here."""
        leads = self.take_all()
        self._order = tuple(order)
        for lead in leads:
            self.push(lead)
