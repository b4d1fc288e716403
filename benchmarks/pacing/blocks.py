"""Blocks of days in worlds drawn at random: does any close above its cap?

One rule governs this module: a world is a function of its number alone, and nobody looked at it before.
"""

from math import exp, log
from random import Random
from typing import Any

from benchmarks.pacing.scenarios import Tables, loglogistic, lognormal, uniform
from benchmarks.pacing.setting import OPENS_S, Setting
from dialer.domain.policy import Window

AGENT_HOURS = 50.0
"""Of one block: larger teams have fewer and shorter days."""


def block(number: int) -> Setting:
    """Draw the `number`-th mixed world with its team and days."""
    rng = Random(f"block {number}")
    agents = rng.randint(1, 20)
    hours = rng.choice((1.0, 1.5, 2.0, 3.0))
    days = max(2, min(22, round(AGENT_HOURS / (agents * hours))))
    p_live = exp(rng.uniform(log(0.05), log(0.6)))
    tables: Tables = {
        "network": {"setup_s": uniform(1.0, rng.uniform(2.0, 8.0))},
        "answers": {
            "p_live": p_live,
            "p_machine": rng.uniform(0.0, 0.3),
            "p_busy": rng.uniform(0.0, 0.08),
            "ring_s": lognormal(rng.uniform(6.0, 14.0), rng.uniform(0.3, 0.7)),
        },
        "talk": _talk(rng, handle_s=exp(rng.uniform(log(40.0), log(600.0)))),
        "agents": {"speed": uniform(0.8, 1.2)},
    }
    for happens in (_answers_step, _answers_clump, _work_steps, _people_leave, _people_wait):
        if rng.random() < 0.4:
            happens(rng, tables, hours)
    largest = max([1.0, *tables["answers"].get("steps", {}).values()])
    largest *= max(tables["answers"].get("clumps", {"factors": [1.0]})["factors"])
    others = tables["answers"]["p_machine"] + tables["answers"]["p_busy"]
    tables["answers"]["p_live"] = min(p_live, (1.0 - others) / largest)
    return Setting(
        name=f"block-{number}",
        agents=agents,
        hours=hours,
        days=days,
        tables=tables,
        window=Window.BLOCKS_30D,
        is_stationary=False,
    )


def _talk(rng: Random, handle_s: float) -> dict[str, Any]:
    wrap_s = handle_s * rng.uniform(0.05, 0.4)
    talk_s = handle_s - wrap_s
    shape = rng.choice(("lognormal", "loglogistic", "refusals"))
    if shape == "lognormal":
        talk: dict[str, Any] = {"talk_s": lognormal(talk_s, rng.uniform(0.4, 1.1))}
    else:
        # A log-logistic of shape 2 has the mean scale x pi / 2.
        talk = {"talk_s": loglogistic(2.0, talk_s * 0.637, 3600.0)}
        if shape == "refusals":
            talk |= {"p_refused": rng.uniform(0.2, 0.6), "refused_s": uniform(10.0, 30.0)}
    return {**talk, "wrap_up_s": lognormal(wrap_s, 0.6)}


def _at(rng: Random, hours: float, within: float = 0.9) -> str:
    minute = OPENS_S // 60 + int(rng.uniform(0.05, within) * hours * 60)
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _answers_step(rng: Random, tables: Tables, hours: float) -> None:
    tables["answers"]["steps"] = {_at(rng, hours): exp(rng.uniform(log(0.4), log(2.5))) for _ in range(2)}


def _answers_clump(rng: Random, tables: Tables, hours: float) -> None:
    low = rng.uniform(0.3, 0.9)
    tables["answers"]["clumps"] = {"factors": [low, 2.0 - low], "shortest": 30, "longest": rng.randint(60, 400)}


def _work_steps(rng: Random, tables: Tables, hours: float) -> None:
    tables["talk"]["talk_steps"] = {_at(rng, hours): exp(rng.uniform(log(0.5), log(2.0)))}
    tables["talk"]["wrap_up_steps"] = {_at(rng, hours): rng.uniform(1.0, 4.0), _at(rng, hours): 1.0}
    tables["talk"]["drifts"] = [{"sd": rng.uniform(0.05, 0.3), "numbers": rng.uniform(50.0, 2000.0)}]


def _people_leave(rng: Random, tables: Tables, hours: float) -> None:
    leave = {
        "at": _at(rng, hours),
        "share": rng.uniform(0.2, 0.6),
        "within_s": rng.uniform(0.0, 300.0),
        "back_after_s": rng.uniform(300.0, 1200.0),
        "announced_s": rng.choice((0.0, 300.0)),
    }
    flaky = {"p_not_ready": rng.uniform(0.0, 0.08), "p_bridge_missed": rng.uniform(0.0, 0.03)}
    tables["agents"] |= {"leaves": [leave], "login_after_s": uniform(0.0, 300.0), **flaky}


def _people_wait(rng: Random, tables: Tables, hours: float) -> None:
    patience = {"family": "weibull", "shape": 1.5, "scale": rng.uniform(4.0, 12.0)}
    tables["person"] = {"greeting_after_s": 0.3, "greeting_s": uniform(0.4, 1.2), "patience_s": patience}
