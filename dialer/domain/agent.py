"""The life of an agent's shift: one table of states, and the pure step that applies it.

A break or a log-out asked for during a call is owed, and granted when the call and its wrap-up are done: an agent who
is reserved for a person already being rung never disappears from under the call.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from dialer.domain.records import AgentRecord
from dialer.errors import IllegalTransition


class AgentState(StrEnum):
    """What an agent does; see the glossary."""

    LOGGED_OUT = "logged_out"
    PAUSED = "paused"
    READY = "ready"
    RESERVED = "reserved"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


class AgentInput(StrEnum):
    """What moves an agent. The first four are the agent's own wishes, the others the engine's decisions."""

    LOGGED_IN = "logged_in"
    READIED = "readied"
    PAUSED = "paused"
    LOGGED_OUT = "logged_out"
    RESERVED = "reserved"
    FREED = "freed"  # the call or the offer that the agent was reserved for came to nothing
    CONNECTED = "connected"
    RELEASED = "released"  # the conversation is over
    FINISHED = "finished"  # wrap-up is over: the agent said so, or the limit passed
    MISSED = "missed"  # the agent's leg could not be joined, or an offer was not taken


WISHES = tuple(list(AgentInput)[:4])
"""What an agent may ask for in any state."""

_S, _I = AgentState, AgentInput

TABLE: dict[tuple[AgentState, AgentInput], AgentState] = {
    (_S.LOGGED_OUT, _I.LOGGED_IN): _S.PAUSED,
    (_S.LOGGED_OUT, _I.READIED): _S.LOGGED_OUT,  # late
    (_S.LOGGED_OUT, _I.PAUSED): _S.LOGGED_OUT,  # late
    (_S.LOGGED_OUT, _I.LOGGED_OUT): _S.LOGGED_OUT,  # duplicate
    (_S.PAUSED, _I.LOGGED_IN): _S.PAUSED,  # duplicate
    (_S.PAUSED, _I.READIED): _S.READY,
    (_S.PAUSED, _I.PAUSED): _S.PAUSED,  # another reason
    (_S.PAUSED, _I.LOGGED_OUT): _S.LOGGED_OUT,
    (_S.PAUSED, _I.CONNECTED): _S.TALKING,  # came back to a call that had gone on without the dialer
    (_S.READY, _I.LOGGED_IN): _S.READY,  # duplicate
    (_S.READY, _I.READIED): _S.READY,  # duplicate
    (_S.READY, _I.PAUSED): _S.PAUSED,
    (_S.READY, _I.LOGGED_OUT): _S.LOGGED_OUT,
    (_S.READY, _I.RESERVED): _S.RESERVED,
    (_S.RESERVED, _I.LOGGED_IN): _S.RESERVED,  # duplicate
    (_S.RESERVED, _I.READIED): _S.RESERVED,  # takes back a break asked for
    (_S.RESERVED, _I.PAUSED): _S.RESERVED,  # owed
    (_S.RESERVED, _I.LOGGED_OUT): _S.RESERVED,  # owed
    (_S.RESERVED, _I.FREED): _S.READY,
    (_S.RESERVED, _I.CONNECTED): _S.TALKING,
    (_S.RESERVED, _I.MISSED): _S.PAUSED,
    (_S.TALKING, _I.LOGGED_IN): _S.TALKING,  # duplicate
    (_S.TALKING, _I.READIED): _S.TALKING,  # takes back a break asked for
    (_S.TALKING, _I.PAUSED): _S.TALKING,  # owed
    (_S.TALKING, _I.LOGGED_OUT): _S.TALKING,  # owed
    (_S.TALKING, _I.RELEASED): _S.WRAP_UP,
    (_S.WRAP_UP, _I.LOGGED_IN): _S.WRAP_UP,  # duplicate
    (_S.WRAP_UP, _I.READIED): _S.READY,
    (_S.WRAP_UP, _I.PAUSED): _S.WRAP_UP,  # owed
    (_S.WRAP_UP, _I.LOGGED_OUT): _S.LOGGED_OUT,
    (_S.WRAP_UP, _I.FINISHED): _S.READY,
}
"""(state, input) -> state. A missing row is illegal."""

_BUSY = (AgentState.RESERVED, AgentState.TALKING, AgentState.WRAP_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent on the floor. `owed` is the state asked for during a call, with its reason; None: none."""

    agent_id: str
    groups: tuple[str, ...]
    state: AgentState = AgentState.LOGGED_OUT
    since_at: float = 0.0
    reason: str = ""
    call_id: int | None = None
    campaign: str | None = None
    owed: AgentState | None = None
    owed_reason: str = ""
    rests_until_at: float = 0.0  # ready, but no call before this instant
    ready_since_at: float = 0.0
    released_at: float = 0.0  # end of the last conversation

    @property
    def is_busy(self) -> bool:
        """Reserved, talking or in wrap-up."""
        return self.state in _BUSY


def to_record(agent: Agent) -> AgentRecord:
    """Give what is kept of an agent for a restart."""
    return AgentRecord(
        agent_id=agent.agent_id,
        groups=agent.groups,
        state=agent.state,
        reason=agent.reason,
        since_at=agent.since_at,
        campaign=agent.campaign,
        call_id=agent.call_id,
        owed=agent.owed,
        owed_reason=agent.owed_reason,
    )


def from_record(record: AgentRecord) -> Agent:
    """Give an agent as they were kept."""
    return Agent(
        agent_id=record.agent_id,
        groups=record.groups,
        state=AgentState(record.state),
        since_at=record.since_at,
        reason=record.reason,
        call_id=record.call_id,
        owed=None if record.owed is None else AgentState(record.owed),
        owed_reason=record.owed_reason,
        ready_since_at=record.since_at,
        released_at=record.since_at,
    )


def step(agent: Agent, given: AgentInput, now: float, *, reason: str = "", call_id: int | None = None) -> Agent:
    """Apply one input; raise IllegalTransition when the table has no row. `agent` itself is left as it is."""
    after = TABLE.get((agent.state, given))
    if after is None:
        raise IllegalTransition(f"agent {agent.agent_id}: {given} is not legal in state {agent.state}")
    if after is agent.state:
        return _wished(agent, given, reason)
    owed, owed_reason = agent.owed, agent.owed_reason
    is_missed = given is AgentInput.MISSED and owed is AgentState.LOGGED_OUT
    if owed is not None and (after is AgentState.READY or is_missed):
        after, reason, owed, owed_reason = owed, owed_reason, None, ""
    elif after in (AgentState.PAUSED, AgentState.LOGGED_OUT):
        owed, owed_reason = None, ""
    if after in _BUSY:
        call_id = agent.call_id if call_id is None else call_id
    else:
        call_id = None
    return replace(
        agent,
        state=after,
        since_at=now,
        reason=reason,
        call_id=call_id,
        owed=owed,
        owed_reason=owed_reason,
        ready_since_at=now if after is AgentState.READY else agent.ready_since_at,
        released_at=now if after is AgentState.WRAP_UP else agent.released_at,
    )


def _wished(agent: Agent, given: AgentInput, reason: str) -> Agent:
    """Keep a wish that has to wait, or take one back."""
    if agent.state is AgentState.PAUSED and given is AgentInput.PAUSED:
        return replace(agent, reason=reason)
    if agent.state not in _BUSY:
        return agent
    match given:
        case AgentInput.PAUSED:
            return replace(agent, owed=AgentState.PAUSED, owed_reason=reason)
        case AgentInput.LOGGED_OUT:
            return replace(agent, owed=AgentState.LOGGED_OUT, owed_reason=reason)
        case AgentInput.READIED:
            return replace(agent, owed=None, owed_reason="")
        case _:
            return agent
