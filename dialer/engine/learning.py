"""What became of the dials, told to the learner in the order in which they were placed.

One rule governs: an outcome waits until those of all dials before it are known. As they come in, outcomes are no fair
sample: of many calls started at once the quick failures are known first, the answers next, and those that ring out last
and together. Told like that, the answer probability would seem to fall, then to rise, then to fall, whenever the dialer
speeds up; and a pacer that believes it speeds up again. Nothing waits longer than a ring-out.
"""

from dialer.engine.campaign import Campaign, Resolution


def placed(campaign: Campaign, call_id: int) -> None:
    """Expect the outcome of a dial."""
    campaign.resolutions[call_id] = None


def resolved(campaign: Campaign, call_id: int, resolution: Resolution) -> None:
    """Take the outcome of a dial."""
    if call_id in campaign.resolutions:
        campaign.resolutions[call_id] = resolution
        _tell(campaign)


def over(campaign: Campaign, call_id: int) -> None:
    """Wait no longer for a call that is over: if nothing was said of it, nothing will be."""
    if call_id in campaign.resolutions and campaign.resolutions[call_id] is None:
        del campaign.resolutions[call_id]
        _tell(campaign)


def _tell(campaign: Campaign) -> None:
    resolutions = campaign.resolutions
    while resolutions:
        call_id = next(iter(resolutions))
        told = resolutions[call_id]
        if told is None:
            return
        del resolutions[call_id]
        campaign.learner.observe_dial_resolved(told.is_live, told.after_s, told.at, told.segment)
