"""What a shadow lives on and what is told of it: the courses of real calls, and figures of two floors side by side.

A *course* is what one real call or conversation did, stage by stage, as far as it is known. A virtual call takes the
next course in the order in which the real ones *began* and follows it. It begins no earlier than the real one did, so
the end of each of its stages is known in time, and no course is preferred for having ended soon: there is no censoring.
Courses that run out are used again from the oldest kept; there is no random draw.

One rule governs this module: it only listens. Nothing that the real campaign decides by is ever changed here.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields

from dialer.domain.records import FloorFigures

COURSES_KEPT = 300
_MINUTE_S = 60.0
_HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Stage:
    """The end of a stage: what happened, how long after the stage began, and the threshold left to a live answer."""

    what: str
    after_s: float
    left_s: float = 0.0


Follower = Callable[[Stage], None]


class Course:
    """One real call or conversation, whose stage at hand began at `since_at`."""

    __slots__ = ("_followers", "_stages", "since_at")

    def __init__(self, since_at: float) -> None:
        self.since_at = since_at
        self._stages: list[Stage] = []
        self._followers: list[Follower] = []

    def learn(self, what: str, now: float, left_s: float = 0.0) -> None:
        """Add the stage that ended at `now`, and tell those who waited for it; the next one begins."""
        stage = Stage(what, max(0.0, now - self.since_at), left_s)
        self.since_at = now
        self._stages.append(stage)
        followers, self._followers = self._followers, []
        for follower in followers:
            follower(stage)

    def follow(self, index: int, follower: Follower) -> None:
        """Tell `follower` of stage `index`: now if it is known, else as soon as it is."""
        if index < len(self._stages):
            follower(self._stages[index])
        else:
            self._followers.append(follower)


class Courses:
    """The last courses in the order in which they began, handed out in that order, and again when all are used."""

    def __init__(self, kept: int = COURSES_KEPT) -> None:
        self._kept: deque[Course] = deque(maxlen=kept)
        self._added = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, course: Course) -> None:
        """Add the course that began last."""
        self._kept.append(course)
        self._added += 1

    def take(self) -> Course:
        """Give the next course; there has to be one."""
        oldest = self._added - len(self._kept)
        if self._next >= self._added or self._next < oldest:
            self._next = oldest
        course = self._kept[self._next - oldest]
        self._next += 1
        return course


@dataclass(slots=True)
class Tally:
    """Sums of one floor over a span."""

    dials: int = 0
    live: int = 0
    connects: int = 0
    abandoned: int = 0
    busy_s: float = 0.0  # agents' seconds of talk and wrap-up
    idle_s: float = 0.0  # agents' seconds ready, reserved or resting

    def add(self, other: "Tally") -> None:
        """Add what another span holds."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def figures(self) -> FloorFigures:
        """Give the sums and their ratios; a ratio over nothing is None."""
        staffed_s = self.busy_s + self.idle_s
        return FloorFigures(
            dials=self.dials,
            live=self.live,
            connects=self.connects,
            abandoned=self.abandoned,
            occupancy=self.busy_s / staffed_s if staffed_s else None,
            abandonment_rate=self.abandoned / self.live if self.live else None,
            wait_s=self.idle_s / self.connects if self.connects else None,
        )


_SUMS = tuple(field.name for field in fields(Tally))


class Figures:
    """What a floor did since the start and over the last hour, to the minute."""

    def __init__(self) -> None:
        self._before = Tally()  # all that is older than the last hour
        self._minutes: deque[tuple[int, Tally]] = deque()

    def at(self, now: float) -> Tally:
        """Give the tally of the minute that holds `now`, to be added to."""
        minute = int(now // _MINUTE_S)
        minutes = self._minutes
        if not minutes or minutes[-1][0] < minute:
            minutes.append((minute, Tally()))
            while minutes[0][0] <= minute - _HOUR_MINUTES:
                self._before.add(minutes.popleft()[1])
        return minutes[-1][1]

    def all(self) -> FloorFigures:
        """Give the figures since the start."""
        total = Tally()
        total.add(self._before)
        for _, tally in self._minutes:
            total.add(tally)
        return total.figures()

    def last_hour(self, now: float) -> FloorFigures:
        """Give the figures of the hour before `now`."""
        total, oldest = Tally(), int(now // _MINUTE_S) - _HOUR_MINUTES
        for minute, tally in self._minutes:
            if minute > oldest:
                total.add(tally)
        return total.figures()
