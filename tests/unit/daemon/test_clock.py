"""The daemon's clocks: never back, never past what somebody still has to do."""

import asyncio
import itertools
import time

import pytest

from dialer.daemon.clock import ScaledClock, SystemClock
from dialer.errors import UsageError
from tests.parity import virtual


def test_the_system_clock_tells_the_time_and_never_runs_back() -> None:
    """It agrees with the machine within a second, and readings never fall."""

    async def run() -> list[float]:
        clock = SystemClock()
        readings = [clock.now() for _ in range(1000)]
        await clock.sleep_until(readings[-1] + 0.001)
        return [*readings, clock.now()]

    readings = asyncio.run(run())
    assert abs(readings[0] - time.time()) < 1.0
    assert all(later >= earlier for earlier, later in itertools.pairwise(readings))
    assert readings[-1] >= readings[-2] + 0.001


@pytest.mark.parametrize(("step_s", "follows"), [(0.5, False), (10_800.0, True), (-10_800.0, False)])
def test_the_system_clock_follows_a_step_forward(step_s: float, follows: bool) -> None:
    """A machine that slept for three hours must not go on calling by the hours of before."""

    async def run() -> tuple[float, float, float]:
        steps = [0.0]
        clock = SystemClock(lambda: time.time() + sum(steps))
        before = clock.now()
        steps.append(step_s)
        after = clock.now()
        await clock.sleep_until(after + 0.01)
        return before, after, clock.now()

    before, after, last = asyncio.run(run())
    assert after - before == pytest.approx(step_s if follows else 0.0, abs=0.4)
    assert after + 0.01 <= last < after + 5.0


def test_the_scaled_clock_starts_where_told_and_runs_as_fast_as_told() -> None:
    """At 300 times real time, 600 simulated seconds take 2 seconds of the loop's time."""

    async def run() -> tuple[float, float, float]:
        clock = ScaledClock(speed=300.0, start_at=1_000.0)
        started = asyncio.get_running_loop().time()
        first = clock.now()
        await clock.sleep_until(1_600.0)
        return first, clock.now(), asyncio.get_running_loop().time() - started

    first, last, took_s = virtual.run(run(), 0.0)
    assert first == 1_000.0
    assert last == pytest.approx(1_600.0)
    assert took_s == pytest.approx(2.0)


def test_time_waits_at_a_held_instant() -> None:
    """However late it is on the wall, `now` stays at the earliest hold; once it is let go, time catches up."""

    async def run() -> list[float]:
        clock = ScaledClock(speed=1.0, start_at=0.0)
        loop = asyncio.get_running_loop()
        clock.hold("driver", 7.0)
        clock.hold("network", 5.0)
        woken = asyncio.Event()
        loop.call_at(loop.time() + 100.0, woken.set)
        await woken.wait()
        readings = [clock.now()]
        clock.hold("network", None)
        readings.append(clock.now())
        clock.hold("driver", 3.0)  # a hold in the past turns nothing back
        readings.append(clock.now())
        clock.hold("driver", None)
        return [*readings, clock.now()]

    assert virtual.run(run(), 0.0) == [5.0, 7.0, 7.0, 100.0]


def test_a_callback_finds_its_instant_reached() -> None:
    """Whatever rounding the speed causes, `now` in the callback is the instant asked for or later."""

    async def run() -> list[float]:
        clock = ScaledClock(speed=7.3, start_at=1_773_100_800.0)
        late: list[float] = []
        for rank in range(1, 200):
            at = 1_773_100_800.0 + rank / 3
            woken = asyncio.Event()
            clock.call_at(at, woken.set)
            await woken.wait()
            late.append(clock.now() - at)
        return late

    assert min(virtual.run(run(), 0.0)) >= 0.0


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    """A speed is a number above 0."""

    async def run() -> None:
        ScaledClock(speed=speed, start_at=0.0)

    with pytest.raises(UsageError, match="speed"):
        asyncio.run(run())


def test_a_stopped_clock_stands_still_and_calls_back_afterwards() -> None:
    """Who was due meanwhile is called in order once it goes on, at its own instant; who gave up is not called."""

    async def run() -> None:
        clock = ScaledClock(speed=1.0, start_at=1_000.0)
        called: list[tuple[str, float]] = []
        clock.call_at(1_001.0, lambda: called.append(("first", clock.now())))
        clock.call_at(1_002.0, lambda: called.append(("second", clock.now())))
        given_up = clock.call_at(1_002.0, lambda: called.append(("third", clock.now())))
        clock.stop()
        await virtual.pass_time(5.0)
        assert clock.now() == 1_000.0 and called == []
        given_up.cancel()
        clock.hold("test", 1_002.0)
        clock.go_on()
        assert called == []
        await asyncio.sleep(0.0)
        await asyncio.sleep(0.0)
        assert [name for name, _ in called] == ["first", "second"]
        assert [at for _, at in called] == sorted(at for _, at in called) and called[-1][1] == 1_002.0

    virtual.run(run(), 0.0)
