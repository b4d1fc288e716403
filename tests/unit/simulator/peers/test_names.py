"""The names of pacing policies, and comparisons under common random numbers."""

from dataclasses import replace

import pytest

from dialer.domain.policy import AbandonmentPolicy, PacingMode, PacingPolicy
from dialer.errors import UsageError
from dialer.pacing.manual import PowerPacer
from dialer.queueing.intervals import student_t
from dialer.simulator.peers.comparison import compare
from dialer.simulator.peers.names import KNOWN, PEERS, contestant
from dialer.simulator.replicate import Plan, run_plans
from dialer.simulator.scenario import load_world
from tests.unit.simulator.floor import campaign

POLICY = campaign(pacing=PacingPolicy(mode=PacingMode.PREDICTIVE), abandonment=AbandonmentPolicy(target_rate=0.02))
PLAN = Plan(policy=POLICY, scenario=load_world("realistic"), agents=4, hours=0.3, runs=2, seed=3)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_has_no_governor(name: str) -> None:
    """A peer paces alone: without the engine's governor and regulator, whatever the campaign's own mode."""
    found = contestant(name, replace(POLICY, pacing=PacingPolicy(mode=PacingMode.PROGRESSIVE)))
    equipped = found.equip(found.policy, None)
    assert not found.is_governed
    assert equipped.governor is None
    assert equipped.regulator is None
    assert equipped.pacer.looks_every_s is not None


def test_a_ratio() -> None:
    """`ratio:K` keeps K calls in flight per ready agent."""
    found = contestant("ratio:1.75", POLICY)
    assert found.equip(found.policy, None).pacer == PowerPacer(1.75)


@pytest.mark.parametrize("name", tuple(PacingMode))
def test_the_engines_own_modes(name: PacingMode) -> None:
    """The engine's own modes keep their governor, so that predictive gives what it gives alone."""
    found = contestant(name, POLICY)
    assert found.policy.pacing.mode is name
    assert found.equip(found.policy, None).governor is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vicidial", "found 'vicidial'"),
        ("ratio:much", "ratio:much: expected calls per ready agent above 0, .*found 'much'"),
        ("ratio:0", "above 0"),
        ("ratio:nan", "above 0"),
        ("ratio:1000", "at most 100"),
    ],
)
def test_unknown_names(name: str, words: str) -> None:
    """A name that means nothing is refused."""
    with pytest.raises(UsageError, match=words):
        contestant(name, POLICY)


def test_the_refusal_names_what_there_is() -> None:
    """Every known name is said."""
    with pytest.raises(UsageError) as refused:
        contestant("", POLICY)
    assert [name for name in KNOWN if name not in str(refused.value)] == []


def test_a_name_said_twice_is_refused() -> None:
    """The same policy twice says nothing new."""
    with pytest.raises(UsageError, match="each once, found power, power"):
        compare(PLAN, ["power", "power"])


def test_differences_are_taken_run_by_run() -> None:
    """Each run is set against the first policy's run with the same seed."""
    names = ["progressive", "ratio:3"]
    first, second = compare(PLAN, names, workers=1)
    runs = run_plans([replace(PLAN, pacing=name) for name in names], workers=1)
    occupancy = [[figure.value or 0.0 for run in one for figure in run if figure.name == "occupancy"] for one in runs]
    assert first.difference is None
    assert second.difference == student_t([mine - other for mine, other in zip(*reversed(occupancy), strict=True)])
    rates = [figure.value or 0.0 for run in runs[1] for figure in run if figure.name == "abandonment_rate"]
    assert second.runs_over_cap == sum(rate > 0.03 for rate in rates) > 0
    assert first.runs_over_cap == 0


@pytest.mark.parametrize("name", ["ratio:1.5", *PEERS])
def test_every_peer_dials(name: str) -> None:
    """Each peer works a floor for ten minutes."""
    figures = figures_of(name)
    assert figures["connects"] > 0.0
    assert figures["dials"] > figures["live_answers"] >= figures["abandonments"]


def test_random_peers_are_seeded() -> None:
    """The one peer that draws random numbers draws the same ones again."""
    assert figures_of("impact") == figures_of("impact")


def figures_of(name: str) -> dict[str, float]:
    """Ten minutes of one policy with six agents."""
    plan = replace(PLAN, agents=6, hours=1 / 6, runs=1, pacing=name)
    return figures_by_name(plan)


def figures_by_name(plan: Plan) -> dict[str, float]:
    """The figures of a plan's first run."""
    return {figure.name: figure.value or 0.0 for figure in run_plans([plan], workers=1)[0][0]}


def test_known_parameters_reach_a_peer() -> None:
    """A peer that asks for estimates is given the truth where it is known: the open loop then dials at another rate."""
    plan = replace(PLAN, agents=6, hours=1 / 6, runs=1, pacing="erlang-rate", scenario=load_world("realistic-p50"))
    assert figures_by_name(replace(plan, is_known=True))["dials"] < 0.8 * figures_by_name(plan)["dials"]
