"""What the people called, and the network before them, do: drawn from the world, by number and attempt.

One rule governs this module: who does what depends on the seed, the number, how often it was called and the hour, never
on pacing. Every duration is a whole number of 1/1024 s, so that sums are exact and ties are real ties.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum

from dialer.domain.policy import CampaignPolicy, DispositionPolicy
from dialer.errors import ConfigError
from dialer.simulator.list_order import Clumps, Drift, place_of
from dialer.simulator.local_time import LocalClock, Steps
from dialer.simulator.scenario import DispositionsTable, Scenario
from dialer.simulator.streams import Streams

_TICKS = 1024.0


def ticked(seconds: float) -> float:
    """Round a duration to the world's grid."""
    return round(seconds * _TICKS) / _TICKS


class Fate(Enum):
    """What becomes of an attempt when nobody interferes."""

    LIVE = "live"
    MACHINE = "machine"
    BUSY = "busy"
    REJECTED = "rejected"
    INVALID = "invalid"
    CONGESTION = "congestion"
    NO_ANSWER = "no_answer"


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An attempt's fate. `after_s` runs from the first ring, or from the order where none rings (`setup_s` None)."""

    fate: Fate
    setup_s: float | None
    after_s: float
    is_wrong_number: bool = False
    is_called_machine: bool = False  # the detector's word, right or wrong
    greeting_after_s: float = 0.0
    greeting_s: float = 0.0
    detected_after_s: float = 0.0  # from the answer
    patience_s: float | None = None  # from the answer


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What is said once an agent is on the line. `talk_s` is that of an agent of average speed."""

    talk_s: float
    released_by: str
    disposition: str
    callback_after_s: float | None
    is_personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What of the world holds at one instant: factors, and shares in place of the tables' own."""

    answers: float = 1.0
    ring: float = 1.0
    setup: float = 1.0
    talk: float = 1.0
    wrap_up: float = 1.0
    p_congestion: float = 0.0
    p_refused: float = 0.0
    lines: int = 0


class Hours:
    """The hours of a world by the wall clock of one campaign; one per minute of the day, made when first asked for."""

    def __init__(self, scenario: Scenario, zone: str) -> None:
        network, answers, talk = scenario.network, scenario.answers, scenario.talk
        self._clock = LocalClock(zone)
        self._by_hour = {int(hour): factor for hour, factor in answers.by_hour.items()}
        self._answers = Steps(answers.steps, 1.0)
        self._ring = Steps(answers.ring_steps, 1.0)
        self._setup = Steps(network.setup_steps, 1.0)
        self._talk = Steps(talk.talk_steps, 1.0)
        self._wrap_up = Steps(talk.wrap_up_steps, 1.0)
        self._p_congestion = Steps(network.congestion_steps, network.p_congestion)
        self._p_refused = Steps(talk.refused_steps, talk.p_refused)
        self._lines = Steps(network.lines_steps, network.lines)
        self._minutes: dict[int, Hour] = {}

    def at(self, now: float) -> Hour:
        """What holds at `now`."""
        minute = self._clock.minute(now)
        hour = self._minutes.get(minute)
        if hour is None:
            hour = self._minutes[minute] = Hour(
                answers=self._by_hour.get(minute // 60, 1.0) * self._answers.at(minute),
                ring=self._ring.at(minute),
                setup=self._setup.at(minute),
                talk=self._talk.at(minute),
                wrap_up=self._wrap_up.at(minute),
                p_congestion=self._p_congestion.at(minute),
                p_refused=self._p_refused.at(minute),
                lines=int(self._lines.at(minute)),
            )
        return hour


class Choices:
    """The dispositions of one campaign as the world's agents choose them."""

    def __init__(self, table: DispositionsTable, policy: CampaignPolicy) -> None:
        self._policies = policy.dispositions
        special = [name for name, kept in policy.dispositions.items() if kept.is_machine or kept.is_number_invalid]
        self.machine = next((name for name in special if policy.dispositions[name].is_machine), None)
        self.wrong_number = next((name for name in special if policy.dispositions[name].is_number_invalid), None)
        unknown = [name for name in table.shares if name not in policy.dispositions]
        if unknown:
            raise ConfigError(
                f"world: dispositions.shares: expected dispositions of campaign {policy.name} "
                f"({', '.join(policy.dispositions)}), found {', '.join(unknown)}"
            )
        weights = dict(table.shares) or _by_meaning(table, policy, special)
        total, running = sum(weights.values()), 0.0
        if total <= 0:
            raise ConfigError(
                f"campaign {policy.name}: expected a disposition for a person who was reached, "
                f"found {', '.join(policy.dispositions) or 'none'}"
            )
        self._names, self._bounds = list(weights), []
        for weight in weights.values():
            running += weight / total
            self._bounds.append(running)

    def choose(self, u: float) -> str:
        """The disposition for a person, by a uniform number."""
        return self._names[min(bisect_right(self._bounds, u), len(self._names) - 1)]

    def asks_for_callback(self, name: str) -> bool:
        """Whether the disposition promises a call."""
        return self._policies[name].is_schedule


def _meaning(disposition: DispositionPolicy) -> str:
    """Say under which weight of the world's `meanings` a disposition falls."""
    if disposition.is_do_not_call:
        return "do_not_call"
    if disposition.is_success:
        return "success"
    if disposition.is_schedule:
        return "schedule"
    return "final" if disposition.is_final else "retried"


def _by_meaning(table: DispositionsTable, policy: CampaignPolicy, special: list[str]) -> dict[str, float]:
    """Share each meaning's weight equally among the campaign's dispositions of that meaning."""
    meanings = {name: _meaning(kept) for name, kept in policy.dispositions.items() if name not in special}
    counts = list(meanings.values())
    return {name: getattr(table.meanings, meaning) / counts.count(meaning) for name, meaning in meanings.items()}


class People:
    """Everybody who can be called."""

    def __init__(self, scenario: Scenario, streams: Streams) -> None:
        self._scenario = scenario
        self._numbers = streams.purpose("number")
        self._attempts = streams.purpose("attempt")
        self._persons = streams.purpose("person")
        self._talks = streams.purpose("talk")
        answers, network, person, detection = scenario.answers, scenario.network, scenario.person, scenario.detection
        self._setup_s = network.setup_s.build().draw
        self._congestion_after_s = network.congestion_after_s.build().draw
        self._message_s = network.message_s.build().draw
        self._invalid_after_s = scenario.numbers.invalid_after_s.build().draw
        self._ring_s = answers.ring_s.build().draw
        self._machine_after_s = answers.machine_after_s.build().draw
        self._busy_after_s = answers.busy_after_s.build().draw
        self._rejected_after_s = answers.rejected_after_s.build().draw
        self._greeting_after_s = person.greeting_after_s.build().draw
        self._greeting_s = person.greeting_s.build().draw
        self._patience_s = None if person.patience_s is None else person.patience_s.build().draw
        self._human_detected_after_s = detection.human_after_s.build().draw
        self._machine_detected_after_s = detection.machine_after_s.build().draw
        self._talk_s = scenario.talk.talk_s.build().draw
        self._wrong_number_s = scenario.talk.wrong_number_s.build().draw
        self._machine_talk_s = scenario.talk.machine_s.build().draw
        self._callback_after_s = scenario.dispositions.callback_after_s.build().draw
        self._refused_s = scenario.talk.refused_s.build().draw
        clumps = answers.clumps
        self._clumps = None
        if clumps is not None:
            self._clumps = Clumps(clumps.factors, clumps.shortest, clumps.longest, streams.purpose("clump"))
        drift = streams.purpose("talk drift")
        self._drifts = [Drift(each.sd, each.numbers, rank, drift) for rank, each in enumerate(scenario.talk.drifts)]
        self._p_machine = answers.p_machine
        self._p_busy = answers.p_machine + answers.p_busy
        self._p_rejected = answers.p_machine + answers.p_busy + answers.p_rejected

    def attempt(self, number: str, rank: int, hour: Hour) -> Attempt:
        """Draw what becomes of the `rank`-th call of a number."""
        world = self._scenario
        entity = int(number[1:])
        u_invalid, u_wrong, *_ = self._numbers.draw(entity)
        u_fate, u_setup, u_after, u_congestion, *_ = self._attempts.draw(entity, rank)
        if u_congestion < hour.p_congestion:
            after_s = ticked(self._congestion_after_s(u_after))
            return Attempt(fate=Fate.CONGESTION, setup_s=None, after_s=after_s)
        if u_invalid < world.numbers.p_invalid:
            return Attempt(fate=Fate.INVALID, setup_s=None, after_s=ticked(self._invalid_after_s(u_after)))
        setup_s = ticked(self._setup_s(u_setup) * hour.setup)
        p_live = world.answers.p_live * hour.answers
        if self._clumps is not None:
            p_live *= self._clumps.factor(place_of(number))
        if u_fate < p_live:
            attempt = Attempt(fate=Fate.LIVE, setup_s=setup_s, after_s=ticked(self._ring_s(u_after) * hour.ring))
            attempt.is_wrong_number = u_wrong < world.numbers.p_wrong
            self._add_person(attempt, entity, rank)
            return attempt
        return self._unreached(u_fate - p_live, u_after, setup_s, entity, rank)

    def _unreached(self, u_fate: float, u_after: float, setup_s: float, entity: int, rank: int) -> Attempt:
        """Draw an attempt that no person answers. `u_fate` counts from the end of the live share."""
        if u_fate < self._p_machine:
            attempt = Attempt(fate=Fate.MACHINE, setup_s=setup_s, after_s=ticked(self._machine_after_s(u_after)))
            detection = self._scenario.detection
            u_error, u_detected, *_ = self._persons.draw(entity, rank)
            attempt.is_called_machine = u_error >= detection.p_machine_as_human
            attempt.detected_after_s = ticked(self._machine_detected_after_s(u_detected))
            if not attempt.is_called_machine:
                # What fooled the detector was a pause: it takes all before for a person's greeting.
                attempt.greeting_s = attempt.detected_after_s
            return attempt
        if u_fate < self._p_busy:
            return Attempt(fate=Fate.BUSY, setup_s=None, after_s=ticked(self._busy_after_s(u_after)))
        if u_fate < self._p_rejected:
            return Attempt(fate=Fate.REJECTED, setup_s=setup_s, after_s=ticked(self._rejected_after_s(u_after)))
        return Attempt(fate=Fate.NO_ANSWER, setup_s=setup_s, after_s=0.0)

    def _add_person(self, attempt: Attempt, entity: int, rank: int) -> None:
        """Draw how the person answers, what the detector makes of it, and how long the person would wait."""
        detection = self._scenario.detection
        u_error, u_detected, u_greets, u_greeting, u_patience, *_ = self._persons.draw(entity, rank)
        attempt.greeting_after_s = ticked(self._greeting_after_s(u_greets))
        attempt.greeting_s = ticked(self._greeting_s(u_greeting))
        greeted_s = attempt.greeting_after_s + attempt.greeting_s
        attempt.is_called_machine = u_error < detection.p_human_as_machine
        if attempt.is_called_machine:
            attempt.detected_after_s = ticked(self._machine_detected_after_s(u_detected))
        else:
            attempt.detected_after_s = greeted_s + ticked(self._human_detected_after_s(u_detected))
        if self._patience_s is not None:
            attempt.patience_s = greeted_s + ticked(self._patience_s(u_patience))

    def message_s(self, number: str, rank: int) -> float:
        """Draw how long the abandonment message plays on the `rank`-th call of a number."""
        return ticked(self._message_s(self._talks.draw(int(number[1:]), rank)[7]))

    def _person_talks_s(self, number: str, u_talk: float, hour: Hour) -> float:
        """Draw how long a person talks who was wanted: a refusal for small `u_talk`, else a conversation."""
        p_refused = hour.p_refused
        if u_talk < p_refused:
            return self._refused_s(u_talk / p_refused)
        talk_s = self._talk_s((u_talk - p_refused) / (1.0 - p_refused)) * hour.talk
        for drift in self._drifts:
            talk_s *= drift.factor(place_of(number))
        return talk_s

    def conversation(self, number: str, rank: int, attempt: Attempt, choices: Choices, hour: Hour) -> Conversation:
        """Draw what is said on the `rank`-th call of a number."""
        world = self._scenario
        u_talk, u_choice, u_by, u_dropped, u_cut, u_callback, u_personal, _ = self._talks.draw(int(number[1:]), rank)
        if attempt.fate is Fate.MACHINE:
            talk_s, disposition = self._machine_talk_s(u_talk), choices.machine
        elif attempt.is_wrong_number:
            talk_s, disposition = self._wrong_number_s(u_talk), choices.wrong_number
        else:
            talk_s, disposition = self._person_talks_s(number, u_talk, hour), None
        disposition = choices.choose(u_choice) if disposition is None else disposition
        by = "agent" if attempt.fate is Fate.MACHINE or u_by < world.talk.p_agent_hangs_up else "callee"
        if u_dropped < world.network.p_dropped:
            talk_s, by = talk_s * u_cut, "network"
        callback_after_s = None
        if choices.asks_for_callback(disposition):
            callback_after_s = ticked(self._callback_after_s(u_callback))
        return Conversation(
            talk_s=talk_s,
            released_by=by,
            disposition=disposition,
            callback_after_s=callback_after_s,
            is_personal=u_personal < world.dispositions.p_personal,
        )
