"""What a gateway says at a start of the calls and agents of an earlier run: what it has up now, and what it never got.

One rule governs: a gateway says what it knows. An instant that it did not measure, and a call of which it knows
nothing, it leaves out; what follows from that is the engine's to decide.
"""

from dataclasses import dataclass
from enum import StrEnum


class LivingState(StrEnum):
    """Where a gateway has a call."""

    NEVER = "never"  # the order to dial never came: nobody was called
    DIALED = "dialed"  # up, and nothing is known of the far end yet
    RINGING = "ringing"
    ANSWERED = "answered"
    BRIDGED = "bridged"
    MESSAGE = "message"  # the abandonment message plays


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingCall:
    """A call that is up, or (NEVER) an order to dial that never came.

    `agent_id` is on the line, or being joined when the call is ANSWERED; `is_machine` is the detector's word, None
    while it has not spoken. An instant of None was not measured.
    """

    call_id: int
    state: LivingState
    ringing_at: float | None = None
    answered_at: float | None = None
    classified_at: float | None = None
    is_machine: bool | None = None
    greeting_start_at: float | None = None
    greeting_end_at: float | None = None
    agent_id: str | None = None
    bridged_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An agent at a desk of the gateway's: in which groups, and whether they asked for work last."""

    agent_id: str
    groups: tuple[str, ...]
    is_ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """All calls that a gateway has up, the orders it never got of those it was asked about, and who is at a desk.

    `agents` None: the desks are not the gateway's, and everybody is taken to be where they were. `desks` are those of
    them whose wishes the gateway remembers: who is not on record logs in with these.
    """

    calls: tuple[LivingCall, ...] = ()
    agents: tuple[str, ...] | None = None
    desks: tuple[Desk, ...] = ()
