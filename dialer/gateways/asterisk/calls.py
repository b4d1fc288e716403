"""What the gateway knows of each call and of each agent's leg, and how their channels are named.

One rule governs this module: a call is found again by its channel's name alone, so a gateway that starts anew finds
what its predecessor left up. What can not be read off a channel is kept in its variable.
"""

import asyncio
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, unquote

import msgspec

from dialer.domain.living import LivingCall, LivingState

STATE_VARIABLE = "DIALER_STATE"


class Names:
    """Ids of channels, bridges and playbacks, all of which begin with the application's name.

    A channel's id ends with a dot, so that none is the beginning of another: Asterisk (22.10) takes a new channel's id
    for one in use when a channel is up whose id begins with it.
    """

    def __init__(self, app: str) -> None:
        self._app = app
        self._call = re.compile(re.escape(app) + r"-call-(\d{1,18})\.")
        self._handover = re.compile(re.escape(app) + r"-handover-(\d{1,18})\.")
        self._leg = re.compile(re.escape(app) + r"-leg-([^-]+)-\d+\.")

    def call(self, call_id: int) -> str:
        """The channel of a call."""
        return f"{self._app}-call-{call_id}."

    def call_of(self, channel: str) -> int | None:
        """The call of a channel, or None when it is none of ours."""
        found = self._call.fullmatch(channel)
        return None if found is None else int(found[1])

    def message(self, call_id: int) -> str:
        """The playback of the message to a call."""
        return f"{self._app}-message-{call_id}"

    def message_of(self, playback: str) -> int | None:
        """The call of a playback."""
        head = f"{self._app}-message-"
        return int(playback.removeprefix(head)) if playback.startswith(head) else None

    def leg(self, agent_id: str, count: int) -> str:
        """The channel of the `count`-th leg to an agent."""
        return f"{self._app}-leg-{_plain(agent_id)}-{count}."

    def leg_of(self, channel: str) -> str | None:
        """The agent whose leg a channel is, when it was called by us."""
        found = self._leg.fullmatch(channel)
        return None if found is None else unquote(found[1])

    def bridge(self, agent_id: str) -> str:
        """The bridge at which an agent sits."""
        return f"{self._app}-seat-{_plain(agent_id)}"

    def handover(self, call_id: int) -> str:
        """The bridge in which a supervisor has taken a call over, and the supervisor's channel."""
        return f"{self._app}-handover-{call_id}."

    def handover_of(self, channel: str) -> int | None:
        """The call of a supervisor's channel, or None when it is none."""
        found = self._handover.fullmatch(channel)
        return None if found is None else int(found[1])


def _plain(name: str) -> str:
    """A name as it may stand in a path and between hyphens."""
    return quote(name, safe="_.").replace("-", "%2D")


class Kept(msgspec.Struct, omit_defaults=True):
    """What a channel carries for a gateway that starts anew. An instant of None was not measured."""

    campaign: str = ""
    has_detector: bool = False
    is_ringing: bool = False
    is_answered: bool = False
    ringing_at: float | None = None
    answered_at: float | None = None
    classified_at: float | None = None
    is_machine: bool | None = None
    greeting_end_at: float | None = None
    bridged_at: float | None = None
    message: str | None = None
    threshold_s: float | None = None
    is_message: bool = False
    is_handed_over: bool = False

    def text(self) -> str:
        """Give it as a channel carries it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> "Kept":
        """Read what a channel carries; nothing is known when it carries nothing that can be read."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            return cls()


class Doing(StrEnum):
    """What an agent's leg does."""

    AWAY = "away"  # there is none
    RUNG = "rung"
    IDLE = "idle"
    JOINING = "joining"
    TALKING = "talking"


@dataclass(slots=True, eq=False)
class Seat:
    """An agent, and the leg that leads there if one is up."""

    agent_id: str
    doing: Doing = Doing.AWAY
    channel: str | None = None
    call: "Call | None" = None
    has_logged_in: bool = False  # by telephone
    is_ready: bool = False  # asked for work last
    is_wanted: bool | None = None  # logged in, or out, by another way than this telephone; None: nobody said
    has_music: bool = False
    digits: str = ""
    answered: "asyncio.Future[bool] | None" = None  # while the leg is rung
    tail: "asyncio.Task[None] | None" = None
    again: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class Call:
    """One call that was ordered, or found."""

    call_id: int
    kept: Kept = field(default_factory=Kept)
    is_classified: bool = False
    is_taken: asyncio.Event = field(default_factory=asyncio.Event)  # the application has the channel
    has_far_end: bool = False  # something was heard of the other side
    seat: Seat | None = None  # joined, or being joined
    is_bridged: bool = False
    is_comforted: bool = False
    end_by: str | None = None
    end_cause: str = ""
    tail: "asyncio.Task[None] | None" = None
    unordered: asyncio.TimerHandle | None = None  # when it is not waited for an order any more

    def living(self) -> LivingCall:
        """Say where the call is."""
        kept = self.kept
        state = LivingState.DIALED
        if kept.is_message:
            state = LivingState.MESSAGE
        elif self.is_bridged:
            state = LivingState.BRIDGED
        elif kept.is_answered:
            state = LivingState.ANSWERED
        elif kept.is_ringing:
            state = LivingState.RINGING
        return LivingCall(
            call_id=self.call_id,
            state=state,
            ringing_at=kept.ringing_at,
            answered_at=kept.answered_at,
            classified_at=kept.classified_at,
            is_machine=kept.is_machine,
            greeting_end_at=kept.greeting_end_at,
            agent_id=None if self.seat is None else self.seat.agent_id,
            bridged_at=kept.bridged_at,
        )
