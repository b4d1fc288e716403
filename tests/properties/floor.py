"""Policies, leads and helpers that several property tests share."""

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    ClockStart,
    DispositionPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
    RetryRule,
)

MONDAY_9_UTC = 1767603600.0  # 2026-01-05 09:00
HOURS = HoursPolicy(week=(((9 * 3600, 12 * 3600), (13 * 3600, 18 * 3600)),) * 5 + ((), ()))

DISPOSITIONS = {
    each.name: each
    for each in (
        DispositionPolicy(name="sale", is_final=True, is_success=True),
        DispositionPolicy(name="refused", is_final=True, is_do_not_call=True),
        DispositionPolicy(name="later", is_schedule=True),
        DispositionPolicy(name="wrong", is_number_invalid=True, is_right_party=False),
        DispositionPolicy(name="machine", is_machine=True, is_right_party=False),
        DispositionPolicy(name="again", retry_after_s=3600.0),
    )
}


def policy(
    name: str = "survey",
    *,
    mode: PacingMode = PacingMode.PROGRESSIVE,
    cap_rate: float = 0.03,
    target_rate: float = 0.025,
    message: str | None = "sorry",
    groups: tuple[str, ...] = ("team",),
    hours: HoursPolicy = HOURS,
    **agents: float,
) -> CampaignPolicy:
    """Give a campaign in which everything that can happen is allowed to happen."""
    rule = RetryRule(after_s=600.0, times=2)
    return CampaignPolicy(
        name=name,
        seller="Example Seller",
        purpose="survey",
        jurisdiction="GB",
        list=ListPolicy(),
        pacing=PacingPolicy(mode=mode, ratio=2.0),
        abandonment=AbandonmentPolicy(
            target_rate=target_rate, cap_rate=cap_rate, starts_at=ClockStart.ANSWER, message=message
        ),
        hours=hours,
        retry=RetryPolicy(rules={Outcome.NO_ANSWER: rule, Outcome.BUSY: rule, Outcome.MACHINE: rule}, attempts_max=5),
        numbers=NumbersPolicy(attempts_each=2),
        callbacks=CallbackPolicy(wait_s=60.0),
        agents=AgentsPolicy(groups=groups, **agents),
        dispositions=DISPOSITIONS,
    )


def lead(lead_id: int, campaign: str = "survey", *, numbers: int = 1, zone: str = "Europe/London") -> Lead:
    """Give a lead whose numbers lie in the range that Ofcom keeps for drama."""
    return Lead(
        lead_id=lead_id,
        campaign=campaign,
        shuffle=(lead_id * 7919) % 10007,
        numbers=tuple(
            PhoneNumber(e164=f"+447700900{(lead_id * 3 + index) % 1000:03d}", kind="mobile", region="GB", zones=(zone,))
            for index in range(numbers)
        ),
    )
