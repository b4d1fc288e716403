"""Calls per second as a token bucket."""

from dialer.pacing.bucket import Bucket


def test_the_next_call_is_always_later() -> None:
    """A token short of one by less than the clock can tell apart still lets time pass, or the engine would spin."""
    now = 1767603600.0
    bucket = Bucket(rate=50.0, tokens=0.999999999, filled_at=now)
    assert bucket.next_at(now) > now


def test_a_second_brings_the_rate() -> None:
    """An empty bucket is full after a second, and never fuller."""
    bucket = Bucket(rate=5.0)
    assert bucket.allowed(100.0) == 5
    for _ in range(5):
        bucket.take()
    assert bucket.allowed(100.0) == 0
    assert abs(bucket.next_at(100.0) - 100.2) < 1e-9
    assert bucket.allowed(100.4) == 2
    assert bucket.allowed(900.0) == 5


def test_slow_rates_allow_one_call() -> None:
    """Less than one call a second still allows the first at once."""
    bucket = Bucket(rate=0.1)
    assert bucket.allowed(0.0) == 1
    bucket.take()
    assert bucket.allowed(5.0) == 0
    assert bucket.allowed(10.0) == 1
