"""The governor may only lower."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dialer.domain.policy import Window
from dialer.pacing.base import DialDecision
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor, beta_binomial_sf
from tests.unit.pacing.floors import MARKOV, floor_of

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC).timestamp()
MIDNIGHT = NOON + 12 * 3600
GOVERNOR = Governor(target_rate=0.025)
FRESH = replace(MARKOV, built_at=NOON, observed_at=NOON)
FREE = DialDecision(calls=4, reserve=False, limited_by="wanted", wanted=4)


def budget_of(live: int, abandoned: int, *, at: float = NOON - 7200, cap_rate: float = 0.03) -> AbandonmentBudget:
    budget = AbandonmentBudget(cap_rate=cap_rate, window=Window.DAY, tz=UTC)
    for _ in range(live):
        budget.record_live(at)
    for _ in range(abandoned):
        budget.record_abandoned(at)
    return budget


def test_with_budget_to_spare_it_changes_nothing() -> None:
    """A window well under its cap lets the pacer's answer pass unchanged."""
    assert GOVERNOR.limit(FREE, floor_of(ready=2, estimates=FRESH), budget_of(1000, 10), NOON) is FREE


@pytest.mark.parametrize(
    "estimates",
    [
        None,
        replace(FRESH, observed_at=None),
        replace(FRESH, observed_at=NOON - 1801),
        replace(FRESH, dials=19),
    ],
    ids=["missing", "nothing seen", "stale", "cold"],
)
def test_estimates_that_cannot_be_trusted_mean_progressive(estimates) -> None:  # type: ignore[no-untyped-def]
    """Without fresh estimates from at least 20 dials every call reserves an agent."""
    decision = GOVERNOR.limit(FREE, floor_of(ready=2, estimates=estimates), budget_of(1000, 0), NOON)
    assert (decision.calls, decision.reserve, decision.limited_by, decision.wanted) == (2, True, "estimates", 4)


def test_a_spent_budget_means_progressive_at_the_end_of_the_window() -> None:
    """In the window's last minute one abandonment more must fit under the cap as counted."""
    at = MIDNIGHT - 30
    floor = floor_of(ready=2, estimates=replace(FRESH, observed_at=at))
    assert GOVERNOR.limit(FREE, floor, budget_of(1000, 27), at).calls == 4
    decision = GOVERNOR.limit(FREE, floor, budget_of(1000, 30), at)
    assert (decision.calls, decision.reserve, decision.limited_by) == (2, True, "budget")
    assert dict(decision.terms)["remaining"] == 0.0


def test_the_end_of_dialing_counts_like_the_end_of_the_window() -> None:
    """No live answers are expected once the campaign's hours end, however late the window closes."""
    floor = floor_of(ready=2, estimates=FRESH)
    assert not GOVERNOR.limit(FREE, floor, budget_of(1000, 30), NOON).reserve
    assert GOVERNOR.limit(FREE, floor, budget_of(1000, 30), NOON, dialing_ends_at=NOON + 20).reserve


def test_a_list_about_to_end_counts_like_the_end_of_the_window() -> None:
    """No more live answers are expected than the open leads can give; the few in the hopper do not count as the end."""
    floor = floor_of(ready=2, estimates=FRESH, leads=8)
    assert not GOVERNOR.limit(FREE, floor, budget_of(1000, 30), NOON, open_leads=3000).reserve
    assert GOVERNOR.limit(FREE, floor, budget_of(1000, 30), NOON, open_leads=8).reserve


def test_agents_who_said_that_they_leave_pay_nothing_back() -> None:
    """Nine of ten busy agents leave after their call: no live answers of theirs are expected in the hours to come."""
    floor = floor_of(ready=1, agents=11, estimates=FRESH)
    assert not GOVERNOR.limit(FREE, floor, budget_of(300, 12), NOON).reserve
    leaving = replace(floor, talking_ages=(60.0,), departing=9)
    decision = GOVERNOR.limit(FREE, leaving, budget_of(300, 12), NOON)
    assert (decision.reserve, decision.limited_by) == (True, "budget")


def test_the_first_abandonment_of_the_day_stops_nothing_for_hours() -> None:
    """One abandonment among the first ten live answers is paid back by the next hours' answers, so dialing goes on."""
    floor = floor_of(ready=2, estimates=FRESH)
    assert not GOVERNOR.limit(FREE, floor, budget_of(10, 1), NOON).reserve


def test_an_overdrawn_day_that_can_still_be_saved_is_saved() -> None:
    """Too many abandonments early on mean progressive until enough live answers have come, then free dialing again."""
    floor = floor_of(ready=2, estimates=FRESH)
    assert GOVERNOR.limit(FREE, floor, budget_of(100, 25), NOON).limited_by == "budget"
    assert not GOVERNOR.limit(FREE, floor, budget_of(900, 25), NOON).reserve


def test_the_guard_holds_the_last_hour() -> None:
    """A bad hour means progressive although the window has plenty left."""
    budget = budget_of(2000, 0)
    for _ in range(100):
        budget.record_live(NOON - 600)
    for _ in range(9):
        budget.record_abandoned(NOON - 600)
    floor = floor_of(ready=2, estimates=FRESH)
    decision = GOVERNOR.limit(FREE, floor, budget, NOON)
    assert (decision.calls, decision.reserve, decision.limited_by) == (2, True, "guard")
    later = floor_of(ready=2, estimates=replace(FRESH, observed_at=NOON + 3600))
    assert not GOVERNOR.limit(FREE, later, budget, NOON + 3600).reserve


@pytest.mark.parametrize(("abandoned", "is_free"), [(3, True), (4, False)])
def test_the_guard_leaves_room_for_the_next_abandonment(abandoned: int, is_free: bool) -> None:
    """Twice 3 % of 75 live answers is 4.5: after the third abandonment a fourth may happen, after that none."""
    budget = budget_of(2000, 0)
    for _ in range(75):
        budget.record_live(NOON - 600)
    for _ in range(abandoned):
        budget.record_abandoned(NOON - 600)
    floor = floor_of(ready=2, estimates=FRESH)
    assert GOVERNOR.limit(FREE, floor, budget, NOON).reserve != is_free


def test_a_cap_of_zero_is_progressive() -> None:
    """With no abandonment allowed every call reserves an agent, at any moment of the window."""
    decision = GOVERNOR.limit(FREE, floor_of(ready=3, estimates=FRESH), budget_of(1000, 0, cap_rate=0.0), NOON)
    assert (decision.calls, decision.reserve) == (3, True)


def test_reserved_calls_need_a_ready_agent_each() -> None:
    """A progressive answer is cut to the ready agents, whoever gave it."""
    reserved = replace(FREE, reserve=True)
    assert GOVERNOR.limit(reserved, floor_of(ready=1), budget_of(0, 0), NOON).calls == 1


def test_calls_in_flight_keep_their_agents_when_the_budget_ends() -> None:
    """Reservations leave a ready agent to each unreserved call still out, so that these are not abandoned either."""
    floor = floor_of(ready=3, unanswered_ages=(4.0,), answered=1, estimates=None)
    assert GOVERNOR.limit(FREE, floor, budget_of(100, 0), NOON).calls == 1


@pytest.mark.parametrize(("above", "trials"), [(0, 1), (0, 7), (2, 7), (6, 7), (7, 7), (3, 200)])
def test_beta_binomial_tail(above: int, trials: int) -> None:
    """The tail is one minus the sum of the probabilities in their gamma-function form."""
    from scipy.stats import betabinom

    assert beta_binomial_sf(above, trials, 1.5, 48.5) == pytest.approx(
        betabinom.sf(above, trials, 1.5, 48.5), abs=1e-12
    )


def test_the_pacers_own_chance_of_running_short_counts() -> None:
    """Where the pacer sees more people coming than agents, the budget must bear them, whatever the hour's rate says."""
    budget = budget_of(1000, 28)
    asked: list[tuple[int, int]] = []

    def p_short(calls: int, spare: int) -> float:
        asked.append((calls, spare))
        return 0.002

    floor = floor_of(ready=2, estimates=FRESH)
    assert not GOVERNOR.limit(FREE, floor, budget, NOON, dialing_ends_at=NOON).reserve
    limited = GOVERNOR.limit(FREE, floor, budget, NOON, dialing_ends_at=NOON, p_short=p_short)
    assert (limited.reserve, limited.limited_by) == (True, "budget")
    assert asked == [(4, 2)]
