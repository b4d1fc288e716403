"""A campaign policy of which only the list matters, for the tests of lead lists."""

from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingPolicy,
    RetryPolicy,
)

COLUMNS = {"number": ("phone", "phone2"), "name": ("name",)}


def campaign(
    jurisdiction: str = "KR", columns: dict[str, tuple[str, ...]] | None = None, encoding: str | None = None
) -> CampaignPolicy:
    """Make a campaign that reads `columns` (default: phone, phone2 and name)."""
    return CampaignPolicy(
        name="try-out",
        seller="Seller",
        purpose="survey",
        jurisdiction=jurisdiction,
        list=ListPolicy(columns=COLUMNS if columns is None else columns, encoding=encoding),
        pacing=PacingPolicy(),
        abandonment=AbandonmentPolicy(),
        hours=HoursPolicy(week=(((0, 86_400),),) * 7),
        retry=RetryPolicy(rules={}),
        numbers=NumbersPolicy(),
        callbacks=CallbackPolicy(),
        agents=AgentsPolicy(groups=("a",)),
        dispositions={},
    )
