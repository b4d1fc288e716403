"""Random numbers by name."""

from statistics import fmean

from dialer.simulator.streams import Streams


def test_numbers_depend_on_names_only() -> None:
    """Seed, purpose, entity and rank fix the numbers, whatever was drawn before."""
    first = Streams(7).purpose("attempt")
    first.draw(99, 3)
    assert first.draw(821000000001, 2) == Streams(7).purpose("attempt").draw(821000000001, 2)


def test_names_that_differ_give_other_numbers() -> None:
    """Another seed, purpose, entity or rank gives eight other numbers."""
    draws = [
        Streams(1).purpose("attempt").draw(5, 0),
        Streams(2).purpose("attempt").draw(5, 0),
        Streams(1).purpose("talk").draw(5, 0),
        Streams(1).purpose("attempt").draw(6, 0),
        Streams(1).purpose("attempt").draw(5, 1),
    ]
    numbers = [u for draw in draws for u in draw]
    assert len(set(numbers)) == len(numbers)


def test_numbers_are_uniform() -> None:
    """80,000 numbers lie inside (0, 1), with mean 1/2 and mean square 1/3 within five standard errors (1e-6 to err)."""
    stream = Streams(1).purpose("attempt")
    numbers = [u for entity in range(10_000) for u in stream.draw(entity)]
    assert min(numbers) > 0 and max(numbers) < 1
    assert abs(fmean(numbers) - 1 / 2) < 5 * (1 / 12 / len(numbers)) ** 0.5
    assert abs(fmean(u * u for u in numbers) - 1 / 3) < 5 * (4 / 45 / len(numbers)) ** 0.5
