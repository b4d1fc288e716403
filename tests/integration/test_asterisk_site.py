"""A site of processes, over Mosquitto and Asterisk, whose parts are killed one after the other while it dials."""

from collections import Counter
from collections.abc import Iterator

import pytest

from dialer.domain.outcome import Outcome
from tests.servers.people import EXPECTED, behaviour, stories
from tests.servers.site import Site, site_of

PEOPLE = [f"{digit}{rank:02d}" for rank in range(21, 33) for digit in "1492567"]
LOST = frozenset({Outcome.UNKNOWN, Outcome.CANCELLED, Outcome.CONGESTION, Outcome.ABANDONED_BY_CALLEE})
"""What may be kept of a call that a kill took: of unknown fate, or surely never sent."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that is at work."""
    with site_of(PEOPLE, agents=10, lines=20) as each:
        yield each


def test_a_small_site_does_without_a_broker() -> None:
    """The daemon holds the adapter; killed with calls up, it finds them again and goes on to the end."""
    people = [f"{digit}{rank}" for digit in "149567" for rank in (21, 23, 25)]
    with site_of(people, agents=4, lines=8, has_broker=False) as site:
        site.await_dials(6)
        site.kill_daemon()
        site.await_end()
        site.stop()
        attempts, told = site.attempts(), stories(site.switch.people_log)
    called = [story.number for story in told]
    assert len(set(called)) == len(called)  # nobody twice
    assert {f"+447700900{digits}" for digits in people} == {each.number for each in attempts} >= set(called)
    assert [each for each in attempts if each.outcome not in EXPECTED[behaviour(each.number)] | LOST] == []
    assert all(each.outcome is not None and each.released_at is not None for each in attempts)


def test_nobody_is_called_twice_whatever_is_killed(site: Site) -> None:
    """Gateway, daemon, switch and broker are killed with calls up; dialing goes on each time, and every call ends."""
    kills = {12: site.kill_gateway, 28: site.kill_daemon, 44: site.kill_switch, 60: site.kill_broker}
    for dials, kill in kills.items():
        site.await_dials(dials)
        kill()
    site.await_end()
    site.stop()
    attempts, told = site.attempts(), stories(site.switch.people_log)
    called = Counter(story.number for story in told)
    assert {number for number, times in called.items() if times > 1} == set()
    assert {each.number for each in attempts} == {f"+447700900{digits}" for digits in PEOPLE}
    assert all(each.outcome is not None and each.released_at is not None for each in attempts)
    wrong = [each for each in attempts if each.outcome not in EXPECTED[behaviour(each.number)] | LOST]
    assert wrong == []
    strays = [each for each in attempts if each.outcome not in EXPECTED[behaviour(each.number)]]
    assert len(strays) <= 4 * 20  # at most the calls that were up at each kill
    assert len(site.resumed_s) == len(kills) and max(site.resumed_s) < 10.0, site.resumed_s
