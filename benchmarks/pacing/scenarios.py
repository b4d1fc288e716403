"""The scenarios: floors of every size, days on which something happens, and strict laws.

One rule governs this module: each is a realistic world with one thing changed, so that a figure has one cause. Worlds,
days and anchors are those commonly met in outbound calling; docs/benchmarks.md says what each is for.
"""

from typing import Any

from benchmarks.pacing.setting import Setting
from dialer.domain.policy import ClockStart

Tables = dict[str, dict[str, Any]]

UNKNOWN_RATES = (0.05, 0.15, 0.3, 0.6)
SWEPT_RATES = (0.1, 0.2, 0.3, 0.4, 0.5)


def uniform(low: float, high: float) -> dict[str, object]:
    """A distribution's table."""
    return {"family": "uniform", "low": low, "high": high}


def lognormal(mean: float, sigma: float) -> dict[str, object]:
    """A distribution's table."""
    return {"family": "lognormal", "mean": mean, "sigma": sigma}


def loglogistic(shape: float, scale: float, longest: float) -> dict[str, object]:
    """A distribution's table."""
    return {"family": "loglogistic", "shape": shape, "scale": scale, "longest": longest}


def times(talk_s: float, wrap_up_s: float) -> Tables:
    """Other means of talk and wrap-up, of the same shape."""
    return {"talk": {"talk_s": lognormal(talk_s, 0.93), "wrap_up_s": lognormal(wrap_up_s, 0.6)}}


def answering(p_live: float, **keys: object) -> Tables:
    """Another answer rate, with the machines making room above one half."""
    return {"answers": {"p_live": p_live, "p_machine": min(0.25, round(0.9 - p_live, 3)), **keys}}


def _rise(from_minute: int, over_minutes: int, steps: int, top: float) -> dict[str, float]:
    """A factor that rises to `top` in equal steps."""
    minutes = [from_minute + over_minutes * step // steps for step in range(1, steps + 1)]
    return {
        f"{minute // 60:02d}:{minute % 60:02d}": 1.0 + (top - 1.0) * step / steps
        for step, minute in enumerate(minutes, start=1)
    }


def _steady() -> list[Setting]:
    return [
        Setting(number=1, name="solo-p30", agents=1),
        Setting(number=1, name="solo-p10", agents=1, tables=answering(0.1)),
        Setting(number=2, name="duo-low", agents=2, tables=answering(0.1)),
        Setting(number=3, name="five-low", agents=5, tables=answering(0.1)),
        Setting(number=4, name="five-mid", agents=5),
        Setting(number=5, name="ten-base", agents=10),
        Setting(number=6, name="ten-short", agents=10, tables=times(90, 30)),
        *(
            Setting(number=7, name=f"twenty-p{round(p * 100)}", agents=20, tables=answering(p))
            for p in SWEPT_RATES
        ),
        Setting(number=8, name="fifty-base", agents=50),
        Setting(number=9, name="fifty-short", agents=50, tables=times(40, 10)),
        Setting(
            number=10,
            name="two-hundred",
            agents=200,
            hours=2.0,
            tables={**answering(0.2), "network": {"calls_per_second": 20.0}},
        ),
        Setting(
            number=11,
            name="long-survey",
            agents=10,
            ring_timeout_s=25.0,
            tables={
                **times(870, 30),
                **answering(0.25, p_machine=0.32, p_busy=0.08),
                "numbers": {"p_invalid": 0.1},
            },
        ),
        *(
            Setting(number=12, name=f"near-deterministic-{talk}", base=f"near-deterministic-{talk}", agents=50,
                    ring_timeout_s=30.0)
            for talk in (50, 90, 550)
        ),
    ]  # fmt: skip


def _starts() -> list[Setting]:
    return [
        *(
            Setting(number=13, name=f"cold-start-p{round(p * 100)}", agents=20, hours=4.0, tables=answering(p))
            for p in UNKNOWN_RATES
        ),
        Setting(number=14, name="staggered-start", agents=20, tables={"agents": {"login_every_s": 60.0}}),
    ]


def _shifts() -> list[Setting]:
    clumps = {"factors": [1 / 3, 5 / 3], "shortest": 30, "longest": 200}
    return [
        Setting(
            number=15,
            name="evening-rise",
            agents=10,
            tables=answering(0.18, steps=_rise(13 * 60, 120, 12, 30 / 18)),
            is_stationary=False,
        ),
        Setting(
            number=16,
            name="list-switch",
            agents=10,
            tables=answering(0.15, steps={"11:00": 3.0, "14:00": 1.0}),
            marks=("11:00", "14:00"),
            is_stationary=False,
        ),
        Setting(
            number=16,
            name="list-switch-fifty",
            agents=50,
            tables=answering(0.15, steps={"11:00": 3.0, "14:00": 1.0}),
            marks=("11:00", "14:00"),
            is_stationary=False,
        ),
        Setting(number=17, name="clumped-list", agents=10, tables=answering(0.3, clumps=clumps), is_stationary=False),
        Setting(
            number=24,
            name="wrap-spike",
            agents=20,
            tables={"talk": {"wrap_up_steps": {"11:00": 6.0, "11:20": 1.0}}},
            marks=("11:20",),
            is_stationary=False,
        ),
        Setting(
            number=25,
            name="bimodal-talk",
            agents=20,
            tables={
                **answering(0.25),
                "talk": {
                    "talk_s": loglogistic(1.95, 186.0, 2400.0),
                    "p_refused": 0.5,
                    "refused_steps": {"11:00": 0.6, "13:00": 0.4, "15:00": 0.3},
                },
            },
            is_stationary=False,
        ),
        Setting(
            number=26,
            name="real-trace",
            agents=10,
            tables={
                "talk": {
                    "talk_s": loglogistic(1.953, 179.5, 4918.0),
                    "drifts": [{"sd": 0.165, "numbers": 170.0}, {"sd": 0.09, "numbers": 20000.0}],
                }
            },
            is_stationary=False,
        ),
        Setting(
            number=26,
            name="real-trace-iid",
            agents=10,
            tables={"talk": {"talk_s": loglogistic(1.953, 179.5, 4918.0)}},
        ),
    ]


def _departures() -> list[Setting]:
    lunch = {"at": "12:00", "share": 0.4, "within_s": 60.0, "back_after_s": 2700.0}
    at_once = {"at": "12:00", "share": 0.3, "back_after_s": 2700.0}
    end = {"at": "16:55", "within_s": 300.0}
    return [
        Setting(number=18, name="lunch-break", agents=20, tables={"agents": {"leaves": [lunch]}}, marks=("12:00",)),
        Setting(number=18, name="lunch-at-once", agents=20, tables={"agents": {"leaves": [at_once]}}, marks=("12:00",)),
        Setting(number=19, name="shift-end", agents=15, tables={"agents": {"leaves": [end]}}),
        Setting(
            number=19,
            name="shift-end-announced",
            agents=15,
            tables={"agents": {"leaves": [{**end, "announced_s": 600.0}]}},
        ),
        Setting(
            number=20,
            name="flaky-agents",
            agents=10,
            tables={"agents": {"p_not_ready": 0.05, "not_ready_s": uniform(20, 600), "p_bridge_missed": 0.02}},
        ),
    ]


def _networks() -> list[Setting]:
    storms = {"11:00": 0.8, "11:10": 0.0, "14:00": 0.8, "14:10": 0.0}
    detector: Tables = {
        **answering(0.2, p_machine=0.4),
        "person": {"greeting_after_s": uniform(0.2, 0.8), "greeting_s": uniform(0.4, 1.2)},
    }

    def amd(name: str, p_silent: float, people: int) -> Setting:
        errors = {"p_human_as_machine": p_silent, "p_machine_as_human": 0.1, "machine_after_s": 2.5}
        return Setting(
            number=23,
            name=name,
            agents=10,
            tables={**detector, "detection": {**errors, "human_after_s": 1.2}},
            starts_at=ClockStart.GREETING_END,
            detector=(people, 1000),
        )

    return [
        Setting(
            number=21,
            name="long-lag",
            agents=10,
            ring_timeout_s=30.0,
            tables={
                "network": {"setup_s": uniform(4, 10), "setup_steps": {"13:00": 2 / 7}},
                "answers": {"ring_s": lognormal(14, 0.5)},
            },
            marks=("13:00",),
            is_stationary=False,
        ),
        Setting(number=22, name="few-lines", agents=10, tables={"network": {"lines": 12}}),
        Setting(
            number=22,
            name="lines-come-back",
            agents=10,
            tables={"network": {"lines": 25, "lines_steps": {"09:00": 12, "13:00": 25}}},
            marks=("13:00",),
            is_stationary=False,
        ),
        Setting(
            number=22,
            name="carrier-storms",
            agents=10,
            tables={"network": {"congestion_steps": storms}},
            marks=("11:10", "14:10"),
            is_stationary=False,
        ),
        amd("amd-99", 0.01, 6),
        amd("amd-95", 0.05, 27),
    ]


def _laws() -> list[Setting]:
    return [
        Setting(number=29, name="cap-1", agents=10, cap=0.01),
        Setting(number=29, name="cap-half", agents=10, cap=0.005),
        Setting(number=29, name="cap-0", agents=10, cap=0.0),
    ]


def scenarios() -> list[Setting]:
    """All of them, in the order of their numbers."""
    every = [*_steady(), *_starts(), *_shifts(), *_departures(), *_networks(), *_laws()]
    return sorted(every, key=lambda setting: setting.number)
