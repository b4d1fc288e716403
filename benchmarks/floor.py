"""The same floor as a SimPy model: the yardstick for the engine's speed.

It has the world's people, lines and agents, and the simplest dialer that keeps them busy: one process per call, and
each time a call ends or an agent comes free, calls are started until there are `ratio` per idle agent. It has no pacing
worth the name, no lead list, no law, no records and no journal, all of which the engine has.
"""

import random
from collections.abc import Generator
from typing import Any

import simpy

from dialer.simulator.scenario import Scenario

RING_TIMEOUT_S = 22.0
THRESHOLD_S = 2.0

Process = Generator[simpy.Event, Any, None]


class SimpyFloor:
    """One run of the model. `events` counts what the engine would have been told."""

    def __init__(self, scenario: Scenario, *, agents: int, ratio: float, seed: int) -> None:
        self.env = simpy.Environment()
        self.events = 0
        self.connects = 0
        self.abandoned = 0
        self._draw = random.Random(seed).random
        answers, talk = scenario.answers, scenario.talk
        self._answers = answers
        self._setup_s = scenario.network.setup_s.build().draw
        self._ring_s = answers.ring_s.build().draw
        self._machine_after_s = answers.machine_after_s.build().draw
        self._busy_after_s = answers.busy_after_s.build().draw
        self._detected_s = scenario.detection.machine_after_s.build().draw
        self._talk_s = talk.talk_s.build().draw
        self._wrap_up_s = talk.wrap_up_s.build().draw
        self._ratio = ratio
        self._in_flight = 0
        self._ready = simpy.Store(self.env)
        for number in range(agents):
            self._ready.put(number)
        self._dial()

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.env.run(until=seconds)

    def _dial(self) -> None:
        while self._in_flight < self._ratio * len(self._ready.items):
            self._in_flight += 1
            self.env.process(self._call())

    def _call(self) -> Process:
        """One dialed number, from the order to the release."""
        fate, answers = self._draw(), self._answers
        if fate >= 1 - answers.p_busy:
            yield self.env.timeout(self._busy_after_s(self._draw()))
        else:
            yield self.env.timeout(self._setup_s(self._draw()))
            self.events += 1
            ring_s = self._ring_s(self._draw()) if fate < answers.p_live else RING_TIMEOUT_S
            is_machine = answers.p_live <= fate < answers.p_live + answers.p_machine
            if is_machine:
                ring_s = self._machine_after_s(self._draw())
            yield self.env.timeout(min(ring_s, RING_TIMEOUT_S))
            self.events += 1
            if is_machine:
                yield self.env.timeout(self._detected_s(self._draw()))
                self.events += 2
            elif fate < answers.p_live and ring_s < RING_TIMEOUT_S:
                yield from self._live()
        self.events += 1
        self._in_flight -= 1
        self._dial()

    def _live(self) -> Process:
        """One live answer: an agent within the threshold, or the message."""
        self.events += 1
        wanted = self._ready.get()
        yield wanted | self.env.timeout(THRESHOLD_S)
        if not wanted.triggered:
            wanted.cancel()
            self.abandoned += 1
            return
        self.connects += 1
        self._in_flight -= 1
        yield self.env.timeout(self._talk_s(self._draw()))
        self.events += 1
        yield self.env.timeout(self._wrap_up_s(self._draw()))
        self.events += 2
        self._in_flight += 1
        self._ready.put(wanted.value)
        self._dial()
