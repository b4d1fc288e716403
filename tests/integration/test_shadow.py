"""A shadow against the truth: what it says of a policy, and what that policy does in the same world."""

from itertools import pairwise
from statistics import mean

import pytest

from dialer.domain.commands import RecordShadow
from dialer.domain.policy import AbandonmentPolicy, PacingMode, PacingPolicy, ShadowPolicy
from dialer.domain.records import ShadowReport
from dialer.simulator.driver import Driver
from dialer.simulator.scenario import load_world
from dialer.storage.codec import decode_entry
from tests.unit.simulator.floor import campaign

POWER = ShadowPolicy(mode=PacingMode.POWER, ratio=1.6)
PREDICTIVE = ShadowPolicy(mode=PacingMode.PREDICTIVE)
PROGRESSIVE = ShadowPolicy(mode=PacingMode.PROGRESSIVE)


def reports(real: ShadowPolicy, shadow: ShadowPolicy, *, agents: int, hours: float, seed: int) -> list[ShadowReport]:
    """What one run of a campaign told of its shadow."""
    policy = campaign(
        pacing=PacingPolicy(mode=real.mode, ratio=real.ratio, shadow=shadow),
        abandonment=AbandonmentPolicy(message="sorry.wav", target_rate=0.05, cap_rate=0.3),  # so that no law binds
    )
    lines: list[bytes] = []
    world = load_world("realistic")
    Driver(policy, world, agents=agents, hours=hours, seed=seed, journal=lines.append).run()
    entries = [decode_entry(line) for line in lines if b'"RecordShadow"' in line]
    return [each.report for entry in entries for each in entry.commands if isinstance(each, RecordShadow)]


def crossed(one: ShadowPolicy, other: ShadowPolicy, runs: int, **size: float) -> tuple[list[ShadowReport], ...]:
    """The last reports of `one` with a shadow of `other`, and of `other` with a shadow of `one`, in the same worlds."""
    pairs = ((one, other), (other, one))
    return tuple(
        [reports(real, shadow, seed=seed, **size)[-1] for seed in range(runs)]  # type: ignore[arg-type]
        for real, shadow in pairs
    )


@pytest.mark.parametrize(
    ("other", "agents", "hours", "runs", "occupancy_to", "abandonment_to"),
    [(POWER, 10, 2.02, 3, 0.006, 0.016), (PREDICTIVE, 5, 1.02, 3, 0.042, 0.04)],
)
def test_a_shadow_tells_what_the_policy_does(
    other: ShadowPolicy, agents: int, hours: float, runs: int, occupancy_to: float, abandonment_to: float
) -> None:
    """Each of two policies, as the shadow of the other, does on average what it does when really run.

    The difference of one run is noise of the standard deviation .003 and .008 (power, 10 agents, 2 h), .022 and .02
    (predictive, 5 agents, 1 h); a tolerance is at least 3.3 of that of the mean. A shadow without any error fails in
    one of the eight comparisons with a probability below 1 %, were the seeds not fixed.
    """
    plain, changed = crossed(PROGRESSIVE, other, runs, agents=agents, hours=hours)
    for said, done in ((plain, changed), (changed, plain)):
        assert said[0].shadow.partition(":")[0] == done[0].mode
        occupancy = mean(one.twin.occupancy - real.real.occupancy for one, real in zip(said, done, strict=True))
        abandonment = mean(
            one.twin.abandonment_rate - real.real.abandonment_rate for one, real in zip(said, done, strict=True)
        )
        assert abs(occupancy) <= occupancy_to
        assert abs(abandonment) <= abandonment_to
    gain = mean(each.real.occupancy for each in changed) - mean(each.real.occupancy for each in plain)
    assert gain > occupancy_to, "the tolerance would not tell the two policies apart"


def test_a_report_every_quarter_of_an_hour() -> None:
    """Reports come every 15 minutes, their counts never fall, and the last hour is part of the whole."""
    told = reports(PROGRESSIVE, POWER, agents=5, hours=2.1, seed=1)
    assert len(told) == 8
    assert all(900.0 <= after.at - before.at < 930.0 for before, after in pairwise(told))
    assert all(before.twin.dials <= after.twin.dials for before, after in pairwise(told))
    assert 0 < told[-1].twin_hour.dials < told[-1].twin.dials
    assert 0 < told[-1].real_hour.connects < told[-1].real.connects
