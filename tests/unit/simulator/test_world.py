"""The world: what follows from an order, and that a wrong order does no harm."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from dialer.domain.commands import BridgeCall, HangUp, OfferPreview, PlayMessage
from dialer.domain.events import (
    AgentLoggedIn,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallDisposed,
    CallFailed,
    CallReleased,
    CallRinging,
    Event,
    PreviewAccepted,
    PreviewSkipped,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AgentsPolicy
from dialer.errors import ConfigError, UsageError
from dialer.simulator.scenario import Scenario
from dialer.simulator.world import World
from tests.unit.simulator.floor import Floor, campaign, order, run, world

LIVE: dict[str, object] = {
    "network": {"setup_s": 2, "message_s": 6},
    "answers": {"p_live": 1.0, "ring_s": 8},
    "talk": {"talk_s": 100, "wrap_up_s": 20, "p_agent_hangs_up": 0.0},
}


def outcome_of(answers: Mapping[str, object], **tables: object) -> list[tuple[float, Event]]:
    """Dial one number in a world where all calls end alike."""
    place = world({"network": {"setup_s": 2}, "answers": {"p_live": 0.0, **answers}, **tables})
    place.submit(order(1), 0.0)
    return run(place, 1000.0)


@pytest.mark.parametrize(
    ("answers", "tables", "at", "outcome"),
    [
        ({}, {}, 24.0, Outcome.NO_ANSWER),
        ({"p_live": 1.0, "ring_s": 23}, {}, 24.0, Outcome.NO_ANSWER),
        ({"p_busy": 1.0, "busy_after_s": 3}, {}, 3.0, Outcome.BUSY),
        ({"p_rejected": 1.0, "rejected_after_s": 5}, {}, 7.0, Outcome.REJECTED),
        ({"p_live": 1.0}, {"numbers": {"p_invalid": 1.0, "invalid_after_s": 4}}, 4.0, Outcome.INVALID),
        ({"p_live": 1.0}, {"network": {"p_congestion": 1.0, "congestion_after_s": 1}}, 1.0, Outcome.CONGESTION),
    ],
)
def test_failures(answers: dict[str, object], tables: dict[str, object], at: float, outcome: Outcome) -> None:
    """A call that nobody picks up ends once, with its outcome, at its instant."""
    at_and_event = outcome_of(answers, **tables)[-1]
    assert (at_and_event[0], at_and_event[1]) == (
        at,
        CallFailed(call_id=1, outcome=outcome, cause=at_and_event[1].cause),
    )  # type: ignore[union-attr]


def test_a_connect_from_ring_to_disposition() -> None:
    """A live answer with a free agent goes through all its stages, each at its instant."""
    place = world(LIVE, agents=1)
    run(place, 0.0)
    place.submit(order(1), 10.0)
    seen = run(place, 20.0)
    assert [(at, type(event)) for at, event in seen] == [
        (12.0, CallRinging),
        (20.0, CallAnswered),
        (20.0, CallClassified),
    ]
    assert seen[-1][1] == CallClassified(call_id=1, is_machine=False, greeting_start_at=20.0, greeting_end_at=20.0)
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 20.0)
    seen = run(place, 1000.0)
    assert [(at, type(event)) for at, event in seen] == [
        (20.0, CallBridged),
        (120.0, CallReleased),
        (140.0, CallDisposed),
        (140.0, AgentReadied),
    ]
    assert seen[1][1] == CallReleased(call_id=1, by="callee")


def test_the_greeting_delays_the_detector() -> None:
    """The detector speaks after the greeting's end, and reports when the greeting began and ended."""
    tables = {
        **LIVE,
        "person": {"greeting_after_s": 0.5, "greeting_s": 1.5},
        "detection": {"human_after_s": 0.25},
    }
    place = world(tables)
    place.submit(order(1), 0.0)
    at, event = run(place, 100.0)[-1]
    assert at == 12.25
    assert event == CallClassified(call_id=1, is_machine=False, greeting_start_at=10.5, greeting_end_at=12.0)


def test_without_a_detector_every_answer_is_a_person_at_once() -> None:
    """The word comes with the answer, and says nothing of a greeting that nobody listened for; a machine, too."""
    place = world({**LIVE, "person": {"greeting_s": 1.5}, "detection": {"human_after_s": 0.25}})
    place.submit(replace(order(1), has_detector=False), 0.0)
    assert run(place, 100.0)[-1] == (10.0, CallClassified(call_id=1, is_machine=False))
    machine = world({**LIVE, "answers": {"p_live": 0.0, "p_machine": 1.0, "ring_s": 8}})
    machine.submit(replace(order(1), has_detector=False), 0.0)
    assert run(machine, 100.0)[-1][1] == CallClassified(call_id=1, is_machine=False)
    assert machine.machines_called_human == 1


def test_the_detector_errs() -> None:
    """A person taken for a machine is counted as the silent call it is; a machine taken for a person waits."""
    silent = world({**LIVE, "detection": {"p_human_as_machine": 1.0, "machine_after_s": 2}})
    silent.submit(order(1), 0.0)
    assert run(silent, 100.0)[-1] == (12.0, CallClassified(call_id=1, is_machine=True))
    assert silent.people_called_machine == 1
    fooled = world(
        {
            "network": {"setup_s": 2},
            "answers": {"p_live": 0.0, "p_machine": 1.0, "machine_after_s": 8},
            "detection": {"p_machine_as_human": 1.0, "machine_after_s": 2},
            "talk": {"machine_s": 5, "wrap_up_s": 0},
        },
        agents=1,
    )
    fooled.submit(order(1), 0.0)
    seen = run(fooled, 100.0, Floor(fooled))
    assert (12.0, CallClassified(call_id=1, is_machine=False, greeting_start_at=10.0, greeting_end_at=12.0)) in seen
    assert [event.disposition for _, event in seen if isinstance(event, CallDisposed)] == ["machine"]
    assert fooled.machines_called_human == 1


def test_a_person_loses_patience() -> None:
    """A person who waits too long hangs up, also while the message plays."""
    place = world({**LIVE, "person": {"patience_s": 4}})
    place.submit(order(1), 0.0)
    place.submit(order(2), 0.0)
    run(place, 12.0)
    place.submit(PlayMessage(call_id=2, message="sorry.wav"), 12.0)
    assert run(place, 100.0) == [
        (14.0, CallReleased(call_id=1, by="callee")),
        (14.0, CallReleased(call_id=2, by="callee")),
    ]


def test_the_message_ends_the_call() -> None:
    """The abandonment message plays to its end, once."""
    place = world(LIVE)
    place.submit(order(1), 0.0)
    run(place, 12.0)
    place.submit(PlayMessage(call_id=1, message="sorry.wav"), 12.0)
    place.submit(PlayMessage(call_id=1, message="sorry.wav"), 13.0)
    assert run(place, 100.0) == [(18.0, CallReleased(call_id=1, by="engine"))]


def test_hang_up_at_every_stage() -> None:
    """Hanging up fails a call that nobody answered, releases one that was answered, and sends the agent to wrap-up."""
    place = world(LIVE, agents=1)
    for call_id, placed_at in ((1, 0.0), (2, 0.0), (3, 3.0)):
        run(place, placed_at)
        place.submit(order(call_id), placed_at)
    run(place, 10.0)
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 10.0)
    run(place, 11.0)
    for call_id in (1, 2, 3, 3, 99):
        place.submit(HangUp(call_id=call_id, reason="emergency"), 11.0)
    assert run(place, 11.0) == [
        (11.0, CallReleased(call_id=1, by="engine", cause="emergency")),
        (11.0, CallReleased(call_id=2, by="engine", cause="emergency")),
        (11.0, CallFailed(call_id=3, outcome=Outcome.NO_ANSWER, cause="emergency")),
    ]
    assert [type(event) for _, event in run(place, 1000.0)] == [CallDisposed, AgentReadied]
    assert place.calls_in_flight == 0


def test_late_and_duplicate_orders_are_harmless() -> None:
    """An order given twice counts once; an order for what is over is refused or ignored."""
    place = world(LIVE, agents=2)
    place.submit(order(1), 0.0)
    place.submit(order(1), 0.0)
    run(place, 10.0)
    for agent_id in ("agent-001", "agent-001", "agent-002", "nobody"):
        place.submit(BridgeCall(call_id=1, agent_id=agent_id), 10.0)
    seen = Counter(type(event) for _, event in run(place, 1000.0))
    assert seen == {CallBridged: 1, BridgeFailed: 2, CallReleased: 1, CallDisposed: 1, AgentReadied: 1}
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 1000.0)
    place.submit(PlayMessage(call_id=1, message="sorry.wav"), 1000.0)
    place.submit(order(1), 1000.0)
    assert [type(event) for _, event in run(place, 2000.0)] == [BridgeFailed]


def test_a_missed_call() -> None:
    """An agent who does not pick up is away for a while, and the person waits on."""
    agents = {"p_bridge_missed": 1.0, "bridge_missed_after_s": 5, "back_after_s": 60}
    place = world({**LIVE, "agents": agents}, agents=1)
    place.submit(order(1), 0.0)
    run(place, 10.0)
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 10.0)
    seen = run(place, 1000.0)
    cause = "the agent did not pick up"
    assert seen == [
        (15.0, BridgeFailed(call_id=1, agent_id="agent-001", cause=cause)),
        (75.0, AgentReadied(agent_id="agent-001")),
    ]
    assert place.calls_in_flight == 1


def test_no_more_calls_than_lines() -> None:
    """A call for which no line is free fails at once as congestion."""
    place = world({**LIVE, "network": {"setup_s": 2, "lines": 2}})
    for call_id in (1, 2, 3):
        place.submit(order(call_id), 0.0)
    assert run(place, 0.0) == [(0.0, CallFailed(call_id=3, outcome=Outcome.CONGESTION, cause="no line free"))]


def test_numbers_keep_what_they_are() -> None:
    """A number that does not exist never does, and a wrong number is wrong on every call."""
    tables = {**LIVE, "numbers": {"p_invalid": 0.3, "p_wrong": 0.4}, "talk": {"talk_s": 9, "wrap_up_s": 0}}
    place = world(tables, agents=40)
    floor, fates = Floor(place), []
    for round_ in range(3):
        for person in range(40):
            place.submit(order(round_ * 100 + person, number=f"+82000{person:09d}"), round_ * 1000.0)
        seen = [event for _, event in run(place, round_ * 1000.0 + 999.0, floor)]
        invalid = {event.call_id % 100 for event in seen if isinstance(event, CallFailed)}
        wrong = {
            event.call_id % 100
            for event in seen
            if isinstance(event, CallDisposed) and event.disposition == "wrong_number"
        }
        fates.append((invalid, wrong))
    assert fates[0] == fates[1] == fates[2]
    assert fates[0][0]
    assert fates[0][1]


def test_other_orders_do_not_change_the_people() -> None:
    """Common random numbers: how a person answers does not depend on who else was called."""
    tables = {"answers": {"p_live": 0.5, "ring_s": {"family": "exponential", "mean": 9.0}}}
    alone, among = world(tables), world(tables)
    alone.submit(order(7), 0.0)
    for call_id in (3, 9, 7, 1):
        among.submit(order(call_id), 0.0)
    same = [(at, event) for at, event in run(among, 100.0) if getattr(event, "call_id", 0) == 7]
    assert run(alone, 100.0) == same


def test_answer_rate_by_hour_and_steps() -> None:
    """The answer probability follows the local hour and the steps of the day."""
    answers = {"p_live": 0.5, "by_hour": {"9": 2.0, "10": 0.0}, "steps": {"09:30": 0.0, "11:00": 1.0}}
    live = {}
    for minutes in (9 * 60, 9 * 60 + 29, 9 * 60 + 30, 10 * 60, 11 * 60):
        place = world({"answers": answers})
        for call_id in range(200):
            place.submit(order(call_id), minutes * 60.0)
        live[minutes] = sum(isinstance(event, CallAnswered) for _, event in run(place, 1e6))
    assert live[540] == live[569] == 200
    assert live[570] == live[600] == 0
    assert 70 < live[660] < 130


def test_a_break_waits_for_the_call() -> None:
    """A break asked for during a call begins after its wrap-up and lasts as long as it was to."""
    agents = {"break_every_s": 50, "break_s": 300}
    place = world({**LIVE, "agents": agents}, agents=1)
    place.submit(order(1), 0.0)
    run(place, 10.0)
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 10.0)
    seen = [(at, event) for at, event in run(place, 431.0) if not isinstance(event, CallBridged | CallReleased)]
    assert seen[0] == (50.0, AgentPauseRequested(agent_id="agent-001", reason="break"))
    assert [(at, type(event)) for at, event in seen[1:4]] == [
        (130.0, CallDisposed),
        (130.0, AgentReadied),
        (400.0, AgentPauseRequested),
    ]


def test_agents_leave_while_the_campaign_is_closed() -> None:
    """At closing time everybody asks for a break, which ends at the opening."""
    place = world(LIVE, agents=2)
    place.agents.close(100.0, 500.0)
    seen = Counter((at, type(event)) for at, event in run(place, 1000.0))
    assert seen == {
        (0.0, AgentLoggedIn): 2,
        (0.0, AgentReadied): 2,
        (100.0, AgentPauseRequested): 2,
        (500.0, AgentReadied): 2,
    }


def test_previews() -> None:
    """An agent takes or declines an offer in time; one who is too slow comes back later."""

    def answer(preview_s: float, p_accepted: float) -> list[tuple[float, Event]]:
        agents = {"preview_s": preview_s, "p_preview_accepted": p_accepted, "back_after_s": 10}
        place = world({**LIVE, "agents": agents}, agents=1)
        run(place, 0.0)
        place.submit(OfferPreview(agent_id="agent-001", campaign="test", lead_id=5, expires_at=60.0), 0.0)
        return run(place, 1000.0)

    assert answer(12, 1.0) == [(12.0, PreviewAccepted(agent_id="agent-001", lead_id=5))]
    assert answer(12, 0.0) == [(12.0, PreviewSkipped(agent_id="agent-001", lead_id=5))]
    assert answer(61, 1.0) == [(70.0, AgentReadied(agent_id="agent-001"))]


def test_wrap_up_ends_at_the_campaigns_limit() -> None:
    """Nobody wraps up for longer than the campaign allows."""
    policy = campaign(agents=AgentsPolicy(groups=("team",), wrap_up_max_s=15.0))
    place = World(Scenario.model_validate(LIVE), [policy], seed=1, start_at=0.0, agents=1, agent_groups=("team",))
    place.submit(order(1), 0.0)
    seen = run(place, 1000.0, Floor(place))
    assert [at for at, event in seen if isinstance(event, CallDisposed)] == [125.0]


def test_dispositions_by_name_and_by_meaning() -> None:
    """Shares go by the campaign's names; without shares, by what the campaign's dispositions mean."""
    talk = {"talk": {"talk_s": 1, "wrap_up_s": 0}}
    shared = world({**LIVE, **talk, "dispositions": {"shares": {"callback": 1.0}, "callback_after_s": 50}}, agents=1)
    shared.submit(order(1), 0.0)
    (said,) = [event for _, event in run(shared, 100.0, Floor(shared)) if isinstance(event, CallDisposed)]
    assert (said.disposition, said.callback_at) == ("callback", 61.0)
    meant = world({**LIVE, **talk, "dispositions": {"meanings": {"final": 0, "schedule": 0, "success": 1}}}, agents=1)
    meant.submit(order(1), 0.0)
    (said,) = [event for _, event in run(meant, 100.0, Floor(meant)) if isinstance(event, CallDisposed)]
    assert said.disposition == "sale"


def test_unknown_names_are_refused() -> None:
    """A share for a disposition that the campaign does not have, or a call for a campaign nobody knows, is an error."""
    with pytest.raises(ConfigError, match=r"expected dispositions of campaign test.*found interested"):
        world({"dispositions": {"shares": {"interested": 1.0}}})
    place = World(Scenario(), [], seed=1, start_at=0.0)
    with pytest.raises(UsageError, match="found test"):
        place.submit(order(1), 0.0)


def test_an_open_world_serves_others_than_its_own() -> None:
    """A campaign that it was not told of is called like its first, and an agent from elsewhere is joined and let go."""
    closed, opened = world(LIVE), world(LIVE, is_open=True)
    foreign = replace(order(1), campaign="another")
    with pytest.raises(UsageError):
        closed.submit(foreign, 0.0)
    opened.submit(foreign, 0.0)
    run(opened, 11.0)
    opened.submit(BridgeCall(call_id=1, agent_id="ana"), 11.0)
    news = [event for _, event in run(opened, 1000.0)]
    assert CallBridged(call_id=1, agent_id="ana") in news
    assert isinstance(news[-1], CallReleased)
    assert not any(isinstance(event, CallDisposed | AgentReadied) for event in news)
    opened.submit(replace(order(2), campaign="another"), 1000.0)
    run(opened, 1011.0)
    opened.submit(BridgeCall(call_id=2, agent_id="ana"), 1011.0)
    assert CallBridged(call_id=2, agent_id="ana") in [event for _, event in run(opened, 1100.0)]
