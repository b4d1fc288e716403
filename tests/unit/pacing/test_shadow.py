"""The twin floor on courses whose outcome can be worked out by hand."""

from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from dialer.domain.policy import AgentsPolicy, Window
from dialer.domain.records import FloorFigures
from dialer.pacing.base import Pacer
from dialer.pacing.bucket import Bucket
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor
from dialer.pacing.manual import PowerPacer, ProgressivePacer
from dialer.pacing.shadow import Course, Courses, Figures
from dialer.pacing.twin import Conditions, Twin
from tests.unit.pacing.floors import floor_of

Stages = tuple[tuple[str, float], ...]
LIVE: Stages = (("answered", 8.0), ("live", 2.0))
NOBODY: Stages = (("ended", 20.0),)
TALK: Stages = (("joined", 0.0), ("talked", 60.0), ("wrapped up", 30.0))
GRACE_S = 2.0


def course(stages: Stages, since_at: float = 0.0) -> Course:
    """A course that is known to its end; a live answer has `GRACE_S` left."""
    made, at = Course(since_at), since_at
    for what, after_s in stages:
        at += after_s
        made.learn(what, at, GRACE_S if what == "live" else 0.0)
    return made


def courses(*known: Stages) -> Courses:
    """Courses that began in this order."""
    made = Courses()
    for stages in known:
        made.add(course(stages))
    return made


def twin_of(pacer: Pacer, dials: Courses, conversations: Courses, agents: int = 1, **changes: Any) -> Twin:
    """A twin that dials from instant 0 on, with all its agents ready."""
    conditions = Conditions(floor=floor_of(), lines=100, is_dialing=True, closes_at=1e9, open_leads=10**6)
    fields: dict[str, Any] = {
        "pacer": pacer,
        "governor": None,
        "regulator": None,
        "budget": AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=UTC),
        "bucket": Bucket(rate=1000.0),
        "rules": AgentsPolicy(groups=("team",)),
        "p_person": None,
        "conditions": conditions,
        "dials": dials,
        "conversations": conversations,
        "moved_at": 0.0,
    }
    twin = Twin(**{**fields, **changes})
    staff(twin, agents, 0.0)
    twin.settle(0.0)
    return twin


def staff(twin: Twin, agents: int, now: float, **leaving: bool) -> None:
    """So many agents are present: a0, a1, ..."""
    present = {f"a{number}": False for number in range(agents)} | leaving
    twin.attend(present, {agent_id: [(0.0, 0.0)] for agent_id in present}, now)


def test_progressive_goes_its_closed_form() -> None:
    """Every second dial is answered: 20 s in vain, 10 s to an answer, 60 s of talk, 30 s of wrap-up, and again."""
    twin = twin_of(ProgressivePacer(), courses(NOBODY, LIVE), courses(TALK))
    twin.advance(1200.0)
    figures = twin.figures.all()
    assert (figures.dials, figures.live, figures.connects, figures.abandoned) == (21, 10, 10, 0)
    assert figures.occupancy == pytest.approx(90.0 / 120.0)
    assert figures.wait_s == pytest.approx(30.0)


def test_being_late_changes_no_answer() -> None:
    """Brought to an instant in one step or in many, the twin has lived through the same."""
    fates = (NOBODY, LIVE, LIVE, (("answered", 3.0), ("machine", 1.0)), NOBODY)
    once, often = (twin_of(PowerPacer(1.8), courses(*fates), courses(TALK), agents=3) for _ in range(2))
    once.advance(3000.0)
    for step in range(3000):
        often.advance(step + 1.0)
    assert once.figures.all().dials > 50
    for name in ("dials", "live", "connects", "abandoned"):
        assert getattr(once.figures.all(), name) == getattr(often.figures.all(), name)
    assert once.figures.all().occupancy == pytest.approx(often.figures.all().occupancy)


def test_a_live_answer_without_an_agent_is_abandoned_at_its_threshold() -> None:
    """Of two people who answer at once one is joined to the only agent; the other is abandoned 2 s later, for good."""
    twin = twin_of(PowerPacer(2.0), courses(LIVE), courses(TALK))
    twin.advance(10.0 + GRACE_S - 0.01)
    assert (twin.figures.all().live, twin.figures.all().abandoned) == (2, 0)
    twin.advance(10.0 + GRACE_S)
    figures = twin.figures.all()
    assert (figures.connects, figures.abandoned, figures.abandonment_rate) == (1, 1, 0.5)
    assert (twin.budget.live(12.0), twin.budget.abandoned(12.0)) == (2, 1)


def test_an_agent_who_comes_free_in_time_takes_the_waiting() -> None:
    """Within the threshold a waiting live answer is joined to the agent whose wrap-up ends."""
    twin = twin_of(PowerPacer(2.0), courses(LIVE), courses((("joined", 0.0), ("talked", 1.0), ("wrapped up", 0.5))))
    twin.advance(12.0)
    assert (twin.figures.all().connects, twin.figures.all().abandoned) == (2, 0)


def test_an_agent_who_is_joined_too_late_is_an_abandonment_and_a_connect() -> None:
    """A bridge that takes longer than the threshold counts as the engine counts it."""
    twin = twin_of(ProgressivePacer(), courses(LIVE), courses((("joined", 2.5), *TALK[1:])))
    twin.advance(13.0)
    assert (twin.figures.all().connects, twin.figures.all().abandoned) == (1, 1)


def test_a_call_ends_when_the_real_one_is_known_to() -> None:
    """A virtual call on a course that is not over waits, and ends as long after its own beginning as the real one."""
    dials, open_ended = Courses(), Course(0.0)
    dials.add(open_ended)
    twin = twin_of(ProgressivePacer(), dials, courses(TALK))
    twin.advance(7.0)
    dials.add(Course(7.0))  # the next virtual dial follows the next real one
    open_ended.learn("ended", 8.0)
    twin.advance(8.0)
    assert twin.figures.all().dials == 2
    twin.advance(100.0)
    assert twin.figures.all().dials == 2


def test_the_law_binds_the_twin() -> None:
    """The governor of a twin whose estimates are too thin makes every call hold an agent."""
    free = twin_of(PowerPacer(3.0), courses(LIVE), courses(TALK), agents=2)
    bound = twin_of(PowerPacer(3.0), courses(LIVE), courses(TALK), agents=2, governor=Governor(target_rate=0.025))
    thin = replace(bound.conditions.floor, estimates=None)
    bound = twin_of(
        PowerPacer(3.0),
        courses(LIVE),
        courses(TALK),
        agents=2,
        governor=Governor(target_rate=0.025),
        conditions=replace(bound.conditions, floor=thin),
    )
    assert (free.figures.all().dials, bound.figures.all().dials) == (6, 2)


def test_lines_and_calls_per_second_bind_the_twin() -> None:
    """What the gateway cannot carry is not dialed; a bucket that fills lets more out by itself."""
    narrow = twin_of(PowerPacer(3.0), courses(NOBODY), courses(TALK), agents=4)
    assert narrow.figures.all().dials == 12
    conditions = replace(narrow.conditions, lines=5)
    narrow = twin_of(PowerPacer(3.0), courses(NOBODY), courses(TALK), agents=4, conditions=conditions)
    assert narrow.figures.all().dials == 5
    slow = twin_of(PowerPacer(3.0), courses(NOBODY), courses(TALK), agents=4, bucket=Bucket(rate=2.0))
    assert slow.figures.all().dials == 2
    slow.advance(3.1)
    assert slow.figures.all().dials == 8


def test_agents_leave_after_their_call() -> None:
    """An announced departure takes a ready agent away at once and a busy one after the wrap-up."""
    twin = twin_of(ProgressivePacer(), courses(LIVE), courses(TALK), agents=2)
    twin.advance(20.0)
    staff(twin, 1, 20.0, a1=True)
    assert list(twin.agents) == ["a0", "a1"]
    twin.advance(100.0)
    assert list(twin.agents) == ["a0"]
    staff(twin, 0, 150.0)
    twin.advance(1000.0)
    assert not twin.agents
    idle_before = twin.figures.all()
    twin.advance(2000.0)
    assert twin.figures.all() == idle_before


def test_agents_rest_as_on_the_real_floor() -> None:
    """A gap after each wrap-up is idle time in which no call is dialed for the agent."""
    rules = AgentsPolicy(groups=("team",), min_gap_s=20.0)
    twin = twin_of(ProgressivePacer(), courses(LIVE), courses(TALK), rules=rules)
    twin.advance(1200.0)
    assert twin.figures.all().occupancy == pytest.approx(90.0 / 120.0)
    assert twin.figures.all().connects == 10


def test_a_clock_that_jumps_costs_no_hour_of_decisions() -> None:
    """Backwards nothing happens; forwards what is due happens, and looks older than a minute are left out."""

    class Counting(ProgressivePacer):
        looks_every_s = 0.5
        looks = 0

        def decide(self, floor: Any) -> Any:
            Counting.looks += 1
            return super().decide(floor)

    twin = twin_of(Counting(), courses((("ended", 4e5),)), courses(TALK))
    twin.advance(1e5)
    assert Counting.looks < 200
    figures = twin.figures.all()
    twin.advance(5e4)
    twin.settle(5e4)
    assert twin.figures.all() == figures


def test_courses_are_used_in_order_and_again_from_the_oldest_kept() -> None:
    """Used up, they begin anew; those that were pushed out are left out."""
    made = [Course(float(number)) for number in range(5)]
    kept = Courses(3)
    for each in made[:3]:
        kept.add(each)
    assert [kept.take().since_at for _ in range(4)] == [0.0, 1.0, 2.0, 0.0]
    for each in made[3:]:
        kept.add(each)
    assert [kept.take().since_at for _ in range(4)] == [2.0, 3.0, 4.0, 2.0]


def test_the_last_hour_forgets_and_the_whole_does_not() -> None:
    """Figures of the last hour are those of its sixty minutes."""
    figures = Figures()
    figures.at(30.0).dials += 3
    figures.at(1800.0).dials += 2
    figures.at(1800.0).idle_s += 60.0
    figures.at(3700.0).busy_s += 60.0
    nothing = FloorFigures(dials=0, live=0, connects=0, abandoned=0, occupancy=None, abandonment_rate=None, wait_s=None)
    assert (figures.all().dials, figures.all().occupancy) == (5, 0.5)
    assert (figures.last_hour(3700.0).dials, figures.last_hour(3700.0).occupancy) == (2, 0.5)
    assert figures.last_hour(1e6) == nothing
