"""The order of a gateway's news: each piece once, and none acknowledged before it is durable."""

from dialer.gateways.contract import VERSION, Ringing
from dialer.gateways.sequence import GAP_S, HELD_MAX, Sequence


class Acks:
    """Counts how often each piece was acknowledged."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}

    def __call__(self, seq: int) -> None:
        self.of[seq] = self.of.get(seq, 0) + 1


def news(seq: int, epoch: int = 1) -> Ringing:
    """A piece of news."""
    return Ringing(v=VERSION, epoch=epoch, seq=seq, at=1.0, call_id=seq)


def take(sequence: Sequence, acks: Acks, *seqs: int, epoch: int = 1, now: float = 0.0) -> list[int]:
    """Let news come; give what was in order."""
    return [
        each.seq
        for seq in seqs
        for each in sequence.take(news(seq, epoch), lambda seq=seq: acks(seq), now)  # type: ignore[misc]
    ]


def test_news_comes_out_in_order_and_once() -> None:
    """What overtakes waits for the rest, and what comes again is dropped."""
    sequence, acks = Sequence(), Acks()
    assert take(sequence, acks, 1, 3, 4, 2, 2, 4, 5) == [1, 2, 3, 4, 5]
    assert sequence.duplicates == 2


def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    """Not the piece, not the same again, and not what waits; a piece that is durable already is at once."""
    sequence, acks = Sequence(), Acks()
    take(sequence, acks, 1, 1, 3, 3)
    assert acks.of == {}
    sequence.keep(news(1))
    assert acks.of == {1: 2}
    take(sequence, acks, 1, 2)
    assert acks.of == {1: 3}
    for seq in (2, 3):
        sequence.keep(news(seq))
    assert acks.of == {1: 3, 2: 1, 3: 2}


def test_what_is_missing_for_too_long_is_given_up() -> None:
    """What waited for it goes on, and a flag asks for what was lost."""
    sequence, acks = Sequence(), Acks()
    take(sequence, acks, 1, 3, now=10.0)
    assert sequence.look(10.0 + GAP_S / 2) == []
    assert [each.seq for each in sequence.look(10.0 + GAP_S)] == [3]
    assert sequence.has_gap
    assert take(sequence, acks, 2, 4) == [4]


def test_a_flood_beyond_a_gap_is_not_held_for_ever() -> None:
    """More than can be held ends the waiting at once."""
    sequence, acks = Sequence(), Acks()
    came = take(sequence, acks, 1, *range(3, HELD_MAX + 5))
    assert len(came) == HELD_MAX + 3
    assert sequence.has_gap


def test_another_life_of_the_gateway_begins_anew() -> None:
    """What waited of the life before comes out first; what still comes of it is dropped."""
    sequence, acks = Sequence(), Acks()
    take(sequence, acks, 5, 7)
    assert take(sequence, acks, 1, 2, epoch=2) == [7, 1, 2]
    assert take(sequence, acks, 8, epoch=1) == []
    assert acks.of == {8: 1}
