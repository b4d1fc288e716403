"""What can become of an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """What the network, the detector or the engine said of an attempt; the agent's word is the disposition."""

    CONNECTED = "connected"  # a live answer joined to an agent
    ABANDONED = "abandoned"  # a live answer that found no agent within the threshold
    ABANDONED_BY_CALLEE = "abandoned_by_callee"  # the person hung up while waiting, before the threshold
    MACHINE = "machine"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    INVALID = "invalid"  # the network says that the number does not exist
    REJECTED = "rejected"  # the far end refused the call
    CONGESTION = "congestion"  # no line, or the carrier refused; says nothing about the person
    CANCELLED = "cancelled"  # released by an emergency stop before it was answered
    UNKNOWN = "unknown"  # the switch never said; counts as a possible abandonment


FAILURES = frozenset({Outcome.NO_ANSWER, Outcome.BUSY, Outcome.INVALID, Outcome.REJECTED, Outcome.CONGESTION})
"""The outcomes that a gateway may report for a call that nobody picked up."""
