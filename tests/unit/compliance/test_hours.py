"""Calling hours on the wall clock of the person who is called."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dialer.compliance.hours import local_hour, opening
from dialer.domain.policy import HoursPolicy


def hours(*spans: tuple[float, float]) -> HoursPolicy:
    """The same spans, in hours, on all days."""
    return HoursPolicy(week=(tuple((int(a * 3600), int(b * 3600)) for a, b in spans),) * 7)


def at(zone: str, *when: int, fold: int = 0) -> float:
    """An instant by a wall clock."""
    return datetime(*when, tzinfo=ZoneInfo(zone), fold=fold).timestamp()  # type: ignore[arg-type,misc]


NINE_TO_SIX = hours((9, 18))


def test_ends_are_half_open() -> None:
    """The first second is open, the last instant is closed."""
    assert opening(NINE_TO_SIX, ["Asia/Seoul"], at("Asia/Seoul", 2026, 1, 5, 9)).is_open
    assert not opening(NINE_TO_SIX, ["Asia/Seoul"], at("Asia/Seoul", 2026, 1, 5, 18)).is_open


def test_a_half_hour_zone_keeps_its_own_clock() -> None:
    """Nine o'clock in Kolkata is half past three in UTC."""
    found = opening(NINE_TO_SIX, ["Asia/Kolkata"], datetime(2026, 1, 5, 3, 29, tzinfo=UTC).timestamp())
    assert found.until_at == datetime(2026, 1, 5, 3, 30, tzinfo=UTC).timestamp()
    assert not found.is_open


def test_a_lunch_break_is_closed() -> None:
    """Between two spans of a day the answer is no, until the second begins."""
    found = opening(hours((9, 12), (13, 18)), ["Europe/London"], at("Europe/London", 2026, 7, 6, 12, 30))
    assert (found.is_open, found.until_at) == (False, at("Europe/London", 2026, 7, 6, 13))


def test_spans_that_touch_are_one() -> None:
    """Hours written in two pieces, or round the clock, do not close in between."""
    found = opening(hours((9, 12), (12, 18)), ["UTC"], at("UTC", 2026, 7, 6, 10))
    assert found.until_at == at("UTC", 2026, 7, 6, 18)
    found = opening(hours((0, 24)), ["UTC"], at("UTC", 2026, 7, 6, 23))
    assert found.until_at is not None and found.until_at > at("UTC", 2026, 7, 7, 1)


def test_every_plausible_place_must_be_open() -> None:
    """Somebody in New York or Los Angeles is called from noon in New York, until six there."""
    zones = ["America/New_York", "America/Los_Angeles"]
    early = opening(NINE_TO_SIX, zones, at("America/New_York", 2026, 1, 5, 10))
    assert (early.is_open, early.until_at) == (False, at("America/New_York", 2026, 1, 5, 12))
    open_ = opening(NINE_TO_SIX, zones, at("America/New_York", 2026, 1, 5, 13))
    assert (open_.is_open, open_.until_at) == (True, at("America/New_York", 2026, 1, 5, 18))


def test_places_that_are_never_open_together_are_never_called() -> None:
    """No instant suits both ends of the world."""
    found = opening(hours((9, 12)), ["Asia/Seoul", "America/New_York"], at("UTC", 2026, 1, 5, 0))
    assert (found.is_open, found.until_at) == (False, None)


@pytest.mark.parametrize("zones", [[], ["Mars/Olympus"], ["Europe/London", "no zone at all"], ["../etc"], ["America"]])
def test_an_unknown_place_is_not_called(zones: list[str]) -> None:
    """No zone, or one that does not exist, is a refusal and no crash."""
    found = opening(NINE_TO_SIX, zones, at("UTC", 2026, 1, 5, 12))
    assert (found.is_open, found.until_at) == (False, None)


def test_the_next_opening_leaps_over_a_weekend() -> None:
    """Friday evening leads to Monday morning."""
    week = ((((9 * 3600, 18 * 3600),),) * 5) + ((), ())
    found = opening(HoursPolicy(week=week), ["Europe/Paris"], at("Europe/Paris", 2026, 1, 9, 19))
    assert found.until_at == at("Europe/Paris", 2026, 1, 12, 9)


def test_a_night_that_loses_an_hour() -> None:
    """In New York the clock jumps from 2:00 to 3:00: hours that end at 2:30 end with the jump."""
    found = opening(hours((1, 2.5)), ["America/New_York"], at("America/New_York", 2026, 3, 8, 1, 30))
    assert found.until_at == at("America/New_York", 2026, 3, 8, 3)
    assert not opening(hours((1, 2.5)), ["America/New_York"], at("America/New_York", 2026, 3, 8, 3, 15)).is_open
    assert opening(hours((2.5, 4)), ["America/New_York"], at("America/New_York", 2026, 3, 8, 3, 5)).is_open


def test_a_night_that_has_an_hour_twice() -> None:
    """In New York the clock falls from 2:00 back to 1:00: half past one comes twice, and so do hours from 1:30."""
    half_past = hours((1.5, 3))
    assert opening(half_past, ["America/New_York"], at("America/New_York", 2026, 11, 1, 1, 45)).is_open
    again = opening(half_past, ["America/New_York"], at("America/New_York", 2026, 11, 1, 1, 15, fold=1))
    assert (again.is_open, again.until_at) == (False, at("America/New_York", 2026, 11, 1, 1, 30, fold=1))


def test_the_local_hour_is_the_wall_clocks() -> None:
    """The same instant is another hour, and maybe another day, elsewhere."""
    instant = at("UTC", 2026, 1, 5, 20, 30)
    assert local_hour("Asia/Seoul", instant)[1] == 5
    assert local_hour("Asia/Seoul", instant)[0] == local_hour("UTC", instant)[0] + 1
