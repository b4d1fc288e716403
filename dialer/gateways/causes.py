"""What became of a call that nobody picked up: one table from Q.850 causes and SIP answers to outcomes.

One rule governs this module: every cause has a row or a class that it falls into, so no call ends without an outcome.
The Q.850 cause goes first, for it comes from the far network; the SIP code decides where the cause says nothing.
"""

from dialer.domain.outcome import Outcome

_O = Outcome

Q850: dict[int, Outcome] = {
    1: _O.INVALID,  # unallocated number
    2: _O.CONGESTION,  # no route to the transit network
    3: _O.CONGESTION,  # no route to the destination
    4: _O.INVALID,  # special information tone: no such number
    5: _O.INVALID,  # misdialed trunk prefix
    17: _O.BUSY,
    18: _O.NO_ANSWER,  # no user responding
    19: _O.NO_ANSWER,  # user alerted, no answer
    20: _O.NO_ANSWER,  # subscriber absent: a mobile that is off
    21: _O.REJECTED,
    22: _O.INVALID,  # number changed
    23: _O.INVALID,  # redirected to a new destination
    27: _O.CONGESTION,  # destination out of order
    28: _O.INVALID,  # invalid number format
    29: _O.CONGESTION,  # facility rejected
    31: _O.NO_ANSWER,  # normal, unspecified
    34: _O.CONGESTION,
    38: _O.CONGESTION,
    41: _O.CONGESTION,
    42: _O.CONGESTION,
    44: _O.CONGESTION,
    47: _O.CONGESTION,
    55: _O.REJECTED,  # calls barred
    57: _O.CONGESTION,  # bearer capability not authorised
    58: _O.CONGESTION,
    65: _O.CONGESTION,
    79: _O.CONGESTION,
    87: _O.REJECTED,  # not a member of the closed group
    88: _O.CONGESTION,  # incompatible destination
    102: _O.CONGESTION,  # recovery on timer expiry
    111: _O.CONGESTION,
}
"""Causes that say something. 0, 16, 26 and 127 say nothing by themselves, nor does one that stands in no row."""

SIP: dict[int, Outcome] = {
    300: _O.CONGESTION,
    301: _O.INVALID,
    302: _O.CONGESTION,
    305: _O.CONGESTION,
    380: _O.CONGESTION,
    400: _O.CONGESTION,
    401: _O.CONGESTION,  # the carrier does not know us: says nothing about the person
    402: _O.CONGESTION,
    403: _O.REJECTED,
    404: _O.INVALID,
    405: _O.CONGESTION,
    406: _O.CONGESTION,
    407: _O.CONGESTION,
    408: _O.NO_ANSWER,
    410: _O.INVALID,
    413: _O.CONGESTION,
    414: _O.CONGESTION,
    415: _O.CONGESTION,
    416: _O.CONGESTION,
    420: _O.CONGESTION,
    421: _O.CONGESTION,
    422: _O.CONGESTION,
    423: _O.CONGESTION,
    428: _O.CONGESTION,
    433: _O.REJECTED,  # refuses anonymous callers
    436: _O.CONGESTION,
    437: _O.CONGESTION,
    438: _O.CONGESTION,
    480: _O.NO_ANSWER,
    481: _O.CONGESTION,
    482: _O.CONGESTION,
    483: _O.CONGESTION,
    484: _O.INVALID,
    485: _O.INVALID,
    486: _O.BUSY,
    487: _O.NO_ANSWER,
    488: _O.CONGESTION,
    491: _O.CONGESTION,
    493: _O.CONGESTION,
    500: _O.CONGESTION,
    501: _O.CONGESTION,
    502: _O.CONGESTION,
    503: _O.CONGESTION,
    504: _O.CONGESTION,
    505: _O.CONGESTION,
    513: _O.CONGESTION,
    580: _O.CONGESTION,
    600: _O.BUSY,
    603: _O.REJECTED,
    604: _O.INVALID,
    606: _O.CONGESTION,
    607: _O.REJECTED,  # unwanted: the person, or their telephone, does not want this caller
    608: _O.REJECTED,  # rejected by an analytics engine
}
_CLASSES = {3: _O.CONGESTION, 4: _O.CONGESTION, 5: _O.CONGESTION, 6: _O.REJECTED}
"""What an unregistered SIP code means, by its first digit."""

_OF_SIP_FIRST = frozenset({401, 402, 403, 407, 420, 433, 483, 607, 608})
"""Codes that say more than the cause that a switch makes of them."""

NO_REPLY = "no reply from the carrier"


def outcome_of(cause: int, sip: int | None, *, has_far_end: bool) -> Outcome:
    """Give what became of a call that nobody picked up.

    `has_far_end`: something was heard of the other side, be it ringing or a refusal. A call that ran into our own
    time-out without that never reached a telephone.
    """
    if not has_far_end:
        return Q850[cause] if cause in Q850 and cause not in (18, 19) else Outcome.CONGESTION
    if sip is not None and sip in _OF_SIP_FIRST:
        return SIP[sip]
    if cause in Q850:
        return Q850[cause]
    if sip is not None and sip >= 300:
        return SIP.get(sip, _CLASSES.get(sip // 100, Outcome.CONGESTION))
    return Outcome.NO_ANSWER


def words(cause: int, sip: int | None, *, has_far_end: bool = True) -> str:
    """Give a cause as it is kept with the attempt: `Q.850 17, SIP 486`."""
    if not has_far_end and cause in (0, 18, 19):
        return NO_REPLY
    return f"Q.850 {cause}" if sip is None else f"Q.850 {cause}, SIP {sip}"
