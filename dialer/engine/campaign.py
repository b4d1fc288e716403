"""One campaign at work: its policy, its leads in hand, its calls, and its own state.

The states are one table. A missing row means that the action makes no sense in that state and is refused.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dialer.compliance.gate import Gate
from dialer.compliance.hours import zone
from dialer.domain.law import Law
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.domain.records import BudgetSnapshot, PacingDecision
from dialer.engine.hopper import Hopper
from dialer.pacing.base import Pacer
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor
from dialer.pacing.manual import PowerPacer, PreviewPacer, ProgressivePacer
from dialer.pacing.predictive import PredictivePacer
from dialer.pacing.regulator import Regulator, psi_start
from dialer.queueing.estimators import Learner

if TYPE_CHECKING:
    from dialer.engine.shadowing import Shadow


class CampaignState(StrEnum):
    """Where a campaign stands."""

    READY = "ready"  # loaded, not started
    RUNNING = "running"
    PAUSED = "paused"  # no new calls; agents stay, leads in hand are kept
    DRAINING = "draining"  # no new calls; becomes stopped when the last one is over
    STOPPED = "stopped"
    COMPLETED = "completed"  # every lead is finished


ACTIONS: dict[tuple[CampaignState, str], CampaignState] = {
    (CampaignState.READY, "start"): CampaignState.RUNNING,
    (CampaignState.READY, "stop"): CampaignState.STOPPED,
    (CampaignState.RUNNING, "pause"): CampaignState.PAUSED,
    (CampaignState.RUNNING, "drain"): CampaignState.DRAINING,
    (CampaignState.RUNNING, "stop"): CampaignState.STOPPED,
    (CampaignState.RUNNING, "callbacks-only"): CampaignState.RUNNING,
    (CampaignState.RUNNING, "resume"): CampaignState.RUNNING,  # ends callbacks-only
    (CampaignState.PAUSED, "start"): CampaignState.RUNNING,
    (CampaignState.PAUSED, "resume"): CampaignState.RUNNING,
    (CampaignState.PAUSED, "drain"): CampaignState.DRAINING,
    (CampaignState.PAUSED, "stop"): CampaignState.STOPPED,
    (CampaignState.DRAINING, "resume"): CampaignState.RUNNING,
    (CampaignState.DRAINING, "stop"): CampaignState.STOPPED,
    (CampaignState.STOPPED, "start"): CampaignState.RUNNING,
    (CampaignState.STOPPED, "resume"): CampaignState.RUNNING,
    (CampaignState.COMPLETED, "start"): CampaignState.RUNNING,
    **{(state, "emergency-stop"): CampaignState.STOPPED for state in CampaignState},
}
"""(state, action) -> state. A missing row is refused."""


@dataclass(slots=True)
class Counts:
    """What happened since the engine started; the records in storage are the whole truth."""

    dials: int = 0
    answers: int = 0
    live: int = 0
    machines: int = 0
    connects: int = 0  # live answers joined to an agent
    abandoned: int = 0
    abandoned_by_callee: int = 0
    finished: int = 0  # calls that are over
    unknown: int = 0
    cut_short: int = 0  # rings that an emergency stop ended
    refused: int = 0  # verdicts that did not allow a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A dial became a live answer, or anything else, `after_s` seconds after its PlaceCall."""

    is_live: bool
    after_s: float
    at: float
    segment: str


@dataclass(slots=True, kw_only=True)
class Campaign:
    """What the engine holds of a campaign. Only the engine's own modules change it."""

    policy: CampaignPolicy
    gate: Gate
    hopper: Hopper
    pacer: Pacer
    budget: AbandonmentBudget
    governor: Governor | None  # None: a simulated peer, which has none
    regulator: Regulator | None  # of predictive pacing
    learner: Learner = field(default_factory=Learner)
    state: CampaignState = CampaignState.READY
    is_callbacks_only: bool = False
    calls: dict[int, None] = field(default_factory=dict)  # ids of its calls in flight, oldest first
    resolutions: dict[int, Resolution | None] = field(default_factory=dict)  # not told the learner yet, oldest first
    refusals: int = 0  # calls refused for want of a line since one last rang
    refused_until_at: float = 0.0  # no call is tried before
    queue: list[int] = field(default_factory=list)  # ids of live answers waiting for an agent, oldest first
    agents: dict[str, None] = field(default_factory=dict)  # ids of the agents who work for it now
    is_claiming: bool = False
    is_claim_outdated: bool = False  # people's standing changed while it was under way: give the leads back
    dry_claims: int = 0  # claims since a lead could last be dialed
    has_asked: bool = False
    next_due_at: float | None = None  # when the store may have leads again; None: only after an import
    is_exhausted: bool = False  # the store had no more due leads when last asked
    is_count_outdated: bool = False  # a lead was finished while the store was asked: its count may hold it still
    open_leads: int = 0
    clock_delay_s: float = 0.0  # recent mean from the answer to the instant from which the threshold runs
    counts: Counts = field(default_factory=Counts)
    last_decision: PacingDecision | None = None
    shadow: "Shadow | None" = None

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.policy.name

    @property
    def is_dialing(self) -> bool:
        """New calls may start."""
        return self.state is CampaignState.RUNNING


def new_campaign(policy: CampaignPolicy, spent: BudgetSnapshot | None = None) -> Campaign:
    """Set up a campaign from its policy, with nothing learned, and with what was spent of its budget before."""
    return Campaign(
        policy=policy,
        gate=Gate(policy, Law()),
        hopper=Hopper(policy.list.order),
        pacer=new_pacer(policy),
        budget=AbandonmentBudget(
            cap_rate=policy.abandonment.cap_rate,
            window=policy.abandonment.window,
            tz=zone(policy.abandonment.time_zone),
            machine_check=policy.abandonment.machine_check,
            restored=spent,
        ),
        governor=Governor(target_rate=policy.abandonment.target_rate),
        regulator=new_regulator(policy),
        state=CampaignState.RUNNING if policy.is_started else CampaignState.READY,
    )


def new_pacer(policy: CampaignPolicy) -> Pacer:
    """Give the pacer of the policy's mode."""
    match policy.pacing.mode:
        case PacingMode.PREVIEW:
            return PreviewPacer()
        case PacingMode.PROGRESSIVE:
            return ProgressivePacer()
        case PacingMode.POWER:
            return PowerPacer(policy.pacing.ratio)
        case PacingMode.PREDICTIVE:
            target_rate = policy.abandonment.target_rate
            # Where no abandonment may happen, predictive is progressive: every call holds its agent.
            return PredictivePacer(psi_start(1, target_rate)) if target_rate else ProgressivePacer()


def new_regulator(policy: CampaignPolicy, base: float = 0.0) -> Regulator | None:
    """Give the regulator that steers a predictive campaign to its target; None where nothing is to be steered."""
    abandonment = policy.abandonment
    if policy.pacing.mode is not PacingMode.PREDICTIVE or not abandonment.target_rate:
        return None
    return Regulator(abandonment.target_rate, abandonment.cap_rate, base)
