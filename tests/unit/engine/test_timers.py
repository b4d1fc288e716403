"""Deadlines come in the order of their instants, and of their setting when they tie."""

from dialer.engine.timers import Timers


def test_ties_come_in_the_order_of_setting() -> None:
    """A replay meets them in the same order."""
    timers = Timers()
    for name in ("c", "a", "b"):
        timers.set(("pace", name), 5.0)
    timers.set(("pace", "first"), 4.0)
    assert [timers.take_due(5.0) for _ in range(5)] == [
        ("pace", "first"),
        ("pace", "c"),
        ("pace", "a"),
        ("pace", "b"),
        None,
    ]


def test_a_key_has_one_deadline() -> None:
    """Setting replaces, cancelling forgets, and `set_earlier` never postpones."""
    timers = Timers()
    timers.set(("call", 1), 5.0)
    timers.set(("call", 1), 7.0)
    assert timers.next_at() == 7.0
    timers.set_earlier(("call", 1), 9.0)
    assert timers.next_at() == 7.0
    timers.set_earlier(("call", 1), 6.0)
    assert (timers.take_due(5.9), timers.take_due(6.0), timers.next_at()) == (None, ("call", 1), None)
    timers.set(("call", 2), 8.0)
    timers.cancel(("call", 2))
    assert timers.take_due(99.0) is None
