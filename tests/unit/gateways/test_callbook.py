"""What a gateway remembers of calls: once dialed never again, results for a while, newest owner first."""

from dialer.domain.outcome import Outcome
from dialer.gateways.callbook import KEPT_S, NUMBERS_MAX, CallBook
from dialer.gateways.contract import VERSION, Failed, Ringing


def failed(call_id: int) -> Failed:
    """The end of a call."""
    return Failed(v=VERSION, epoch=1, seq=1, at=1.0, call_id=call_id, outcome=Outcome.BUSY)


def test_a_call_is_dialed_once() -> None:
    """The same order again is not carried out, nor is one that was said never to have come."""
    book = CallBook()
    assert book.open(1, "main", "survey/1/1")
    assert not book.open(1, "main", "survey/1/1")
    book.deny(2, 0.0)
    assert not book.open(2, "main", "")
    book.deny(1, 0.0)
    assert book.page(1) is not None


def test_a_result_is_kept_for_a_quarter_of_an_hour() -> None:
    """Everything that was said of a call, from its end on; then it is forgotten, with what is to be refused."""
    book = CallBook()
    book.open(1, "main", "t")
    book.note(Ringing(v=VERSION, epoch=1, seq=1, at=1.0, call_id=1), 0.0)
    book.note(failed(1), 10.0)
    book.note(failed(1), 11.0)
    book.deny(9, 10.0)
    assert book.calls_up == 0
    book.forget(10.0 + KEPT_S - 1.0)
    page = book.page(1)
    assert page is not None
    assert [type(news).__name__ for news in page.news] == ["Ringing", "Failed", "Failed"]
    book.forget(10.0 + KEPT_S)
    assert book.page(1) is None
    assert book.open(9, "main", "")


def test_orders_are_counted_by_owner() -> None:
    """A number is carried out once; a newer token begins anew; old numbers are let go."""
    orders = CallBook().orders("main")
    assert [orders.is_new(1, number) for number in (1, 2, 1, 3)] == [True, True, False, True]
    assert orders.is_new(2, 1)
    assert orders.token == 2
    for number in range(2, NUMBERS_MAX + 3):
        orders.is_new(2, number)
    assert orders.is_new(2, 1)
