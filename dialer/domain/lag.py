"""How far the store is behind: what the driver measures, in the words that the engine acts on.

One rule governs this module: only what changes the dialing has a word here.
"""

from enum import StrEnum


class Lag(StrEnum):
    """How long an order waits to become durable, from the event that caused it to its leaving."""

    NONE = "none"  # not worth a word
    SLOW = "slow"  # it eats a good part of the time in which a person must be given an agent
    STALLED = "stalled"  # it eats most of it
