"""The names under which pacing policies are compared: the engine's own modes, and the peers.

One rule governs this module: a peer sees what the engine's pacers see, the floor, and works without the engine's
governor and regulator. The engine applies the law's clock and counts abandonment the same way for everybody. What a
peer calls its limit is the campaign's `abandonment.target`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from zoneinfo import ZoneInfo

from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.domain.records import BudgetSnapshot
from dialer.engine.campaign import Campaign, new_campaign
from dialer.errors import UsageError
from dialer.pacing.base import Pacer
from dialer.pacing.manual import PowerPacer
from dialer.simulator.peers.dial_level import LevelPacer, LevelRules
from dialer.simulator.peers.erlang_rate import ErlangPacer
from dialer.simulator.peers.impact import ImpactPacer
from dialer.simulator.peers.issabel import IssabelPacer
from dialer.simulator.peers.osdial import OsdialRules
from dialer.simulator.peers.vicidial import Method, VicidialRules

Equip = Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign]

RATIO = "ratio:"
RATIO_MAX = 100.0
SMALL_TEAM = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One policy of a comparison: the campaign as it then stands, and how its pacing is set up."""

    name: str
    policy: CampaignPolicy
    equip: Equip
    is_governed: bool


PacerOf = Callable[[CampaignPolicy, int], Pacer]
"""What sets up a peer's pacer for a campaign and a run's seed."""


def _vicidial(method: Method) -> PacerOf:
    return lambda policy, _: _level_pacer(policy, VicidialRules(limit=policy.abandonment.target_rate, method=method))


def _vicidial_tuned(policy: CampaignPolicy, seed: int) -> Pacer:
    rules = VicidialRules(
        limit=policy.abandonment.target_rate,
        target_difference=-1.0,
        is_available_only=True,
        small_team=SMALL_TEAM,
    )
    return _level_pacer(policy, rules)


def _osdial(policy: CampaignPolicy, seed: int) -> Pacer:
    return _level_pacer(policy, OsdialRules(limit=policy.abandonment.target_rate))


def _level_pacer(policy: CampaignPolicy, rules: LevelRules) -> Pacer:
    return LevelPacer(rules, ZoneInfo(policy.abandonment.time_zone))


PEERS: dict[str, PacerOf] = {
    "vicidial-average": _vicidial(Method.AVERAGE),
    "vicidial-average-tuned": _vicidial_tuned,
    "vicidial-hard": _vicidial(Method.HARD_LIMIT),
    "vicidial-tapered": _vicidial(Method.TAPERED),
    "osdial": _osdial,
    "issabel": lambda policy, seed: IssabelPacer(is_overcommitted=False),
    "issabel-overcommit": lambda policy, seed: IssabelPacer(is_overcommitted=True),
    "impact": lambda policy, seed: ImpactPacer(policy.abandonment.target_rate, seed),
    "erlang-rate": lambda policy, seed: ErlangPacer(policy.abandonment.target_rate),
}

KNOWN = (*PacingMode, f"{RATIO}K", *PEERS)


def contestant(name: str, policy: CampaignPolicy, *, base: Equip = new_campaign, seed: int = 0) -> Contestant:
    """Set up the policy of this name for a campaign; raise UsageError, naming those there are, when there is none.

    `base` sets up the campaign before a peer takes over its pacing; `seed` is for peers that draw random numbers.
    """
    if name in tuple(PacingMode):
        mode = PacingMode(name)
        own = replace(policy, pacing=replace(policy.pacing, mode=mode))
        return Contestant(name=name, policy=own, equip=base, is_governed=True)
    pacer_of = _ratio(name) if name.startswith(RATIO) else PEERS.get(name)
    if pacer_of is None:
        raise UsageError(f"pacing policy: expected one of {', '.join(KNOWN)}; found {name!r}")
    predictive = replace(policy, pacing=replace(policy.pacing, mode=PacingMode.PREDICTIVE))
    return Contestant(name=name, policy=predictive, equip=_without_governor(pacer_of, base, seed), is_governed=False)


def _without_governor(pacer_of: PacerOf, base: Equip, seed: int) -> Equip:
    def equip(policy: CampaignPolicy, spent: BudgetSnapshot | None) -> Campaign:
        campaign = base(policy, spent)
        campaign.pacer, campaign.governor, campaign.regulator = pacer_of(policy, seed), None, None
        return campaign

    return equip


def _ratio(name: str) -> PacerOf:
    """Read the ratio of `ratio:K`."""
    text = name.removeprefix(RATIO)
    try:
        ratio = float(text)
    except ValueError:
        ratio = float("nan")
    if not (isfinite(ratio) and 0.0 < ratio <= RATIO_MAX):
        raise UsageError(f"{name}: expected calls per ready agent above 0, at most {RATIO_MAX:g}; found {text!r}")
    return lambda policy, seed: PowerPacer(ratio)
