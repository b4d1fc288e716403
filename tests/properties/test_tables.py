"""Every state with every input, in both tables of states."""

from itertools import product

import pytest

from dialer.domain import agent as agents
from dialer.domain import call as calls
from dialer.domain.agent import Agent, AgentInput, AgentState
from dialer.domain.call import Call, CallInput, CallState, Fact
from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart
from dialer.domain.records import Attempt
from dialer.errors import IllegalTransition

ATTEMPT = Attempt(call_id=1, campaign="c", lead_id=1, number="+447700900001", mode="predictive", placed_at=0.0)


def call_in(state: CallState) -> Call:
    """Give a call in a state, with the instants that it would have."""
    return Call(
        call_id=1, campaign="c", lead_id=1, state=state, since_at=0.0, attempt=ATTEMPT, agent_id="a", deadline_at=5.0
    )


@pytest.mark.parametrize(("state", "given"), list(product(CallState, CallInput)))
def test_call_steps_as_its_table_says(state: CallState, given: CallInput) -> None:
    """A row of the table is followed; a missing one is illegal; the call that was handed in stays as it was."""
    call = call_in(state)
    fact = Fact(input=given, outcome=Outcome.BUSY if given is CallInput.FAILED else None, agent_id="a")
    expected = calls.TABLE.get((state, given))
    if expected is None:
        with pytest.raises(IllegalTransition):
            calls.step(call, fact, 1.0, starts_at=ClockStart.ANSWER, threshold_s=2.0)
        return
    after = calls.step(call, fact, 1.0, starts_at=ClockStart.ANSWER, threshold_s=2.0)
    assert after.state is expected
    assert call == call_in(state)
    if after.state is CallState.OVER and state is not CallState.OVER:
        assert after.attempt.outcome is not None
        assert after.attempt.released_at == 1.0


@pytest.mark.parametrize(("state", "news"), list(product(CallState, calls.NEWS)))
def test_news_from_the_switch_is_legal_in_every_state(state: CallState, news: CallInput) -> None:
    """Whatever a switch reports, late, twice or out of order, has a row."""
    assert (state, news) in calls.TABLE


def test_a_call_that_is_over_stays_over() -> None:
    """No input leads out of the last state."""
    assert {after for (state, _), after in calls.TABLE.items() if state is CallState.OVER} == {CallState.OVER}


@pytest.mark.parametrize(("state", "given"), list(product(AgentState, AgentInput)))
def test_agent_steps_as_its_table_says(state: AgentState, given: AgentInput) -> None:
    """A row of the table is followed; a missing one is illegal; the agent that was handed in stays as they were."""
    agent = Agent(agent_id="a", groups=("team",), state=state)
    expected = agents.TABLE.get((state, given))
    if expected is None:
        with pytest.raises(IllegalTransition):
            agents.step(agent, given, 1.0)
        return
    assert agents.step(agent, given, 1.0).state is expected
    assert agent.state is state


@pytest.mark.parametrize(("state", "wish"), list(product(AgentState, agents.WISHES)))
def test_agents_may_wish_anything_at_any_time(state: AgentState, wish: AgentInput) -> None:
    """Whatever an agent asks for, in any state, has a row, except a log-in's opposite before any log-in."""
    assert (state, wish) in agents.TABLE


@pytest.mark.parametrize("wish", [AgentInput.PAUSED, AgentInput.LOGGED_OUT])
@pytest.mark.parametrize("state", [AgentState.RESERVED, AgentState.TALKING])
def test_a_break_asked_for_on_a_call_is_owed(state: AgentState, wish: AgentInput) -> None:
    """An agent who is needed stays, and gets what was asked for when the work is done."""
    agent = agents.step(Agent(agent_id="a", groups=(), state=state, call_id=7), wish, 1.0, reason="lunch")
    assert agent.state is state
    if state is AgentState.TALKING:
        agent = agents.step(agent, AgentInput.RELEASED, 2.0)
        done = agents.step(agent, AgentInput.FINISHED, 3.0)
    else:
        done = agents.step(agent, AgentInput.FREED, 3.0)
    assert done.state is (AgentState.PAUSED if wish is AgentInput.PAUSED else AgentState.LOGGED_OUT)
    assert done.owed is None and done.call_id is None


def test_a_break_asked_for_can_be_taken_back() -> None:
    """An agent who says ready again during the call goes on working after it."""
    agent = Agent(agent_id="a", groups=(), state=AgentState.TALKING)
    agent = agents.step(agent, AgentInput.PAUSED, 1.0, reason="lunch")
    agent = agents.step(agent, AgentInput.READIED, 2.0)
    agent = agents.step(agents.step(agent, AgentInput.RELEASED, 3.0), AgentInput.FINISHED, 4.0)
    assert agent.state is AgentState.READY
