"""A whole campaign over Mosquitto and Asterisk: 500 leads, each of them played by SIPp, as the agents are."""

import pytest

from dialer.domain.outcome import Outcome
from tests.integration.asterisk_floor import (
    Behind,
    attempts_of,
    campaign_run,
    cdr_of,
    desk_settings,
    numbers,
    policy,
    unheard,
    wrong_outcomes,
)
from tests.servers.asterisk import Asterisk
from tests.servers.ear import Ear
from tests.servers.mosquitto import Mosquitto
from tests.servers.people import behaviour

LEADS = 500
SEATS = 18
_PICKED_UP = {Outcome.CONNECTED, Outcome.ABANDONED, Outcome.ABANDONED_BY_CALLEE, Outcome.MACHINE}


@pytest.mark.timeout(200)
async def test_a_campaign_runs_to_its_end_and_reports_what_happened(asterisk: Asterisk, mosquitto: Mosquitto) -> None:
    """Every outcome is what the person did, who was live heard an agent or the message, and nothing is left behind."""
    people = numbers(LEADS)
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    asterisk.play_agents()
    settings = desk_settings(asterisk, SEATS)
    store = await campaign_run(policy(asterisk), people, lambda clock: Behind(settings, clock, mosquitto.port))
    attempts, told = attempts_of(store), await asterisk.told()

    assert sorted(each.number[-3:] for each in attempts) == sorted(people) and len(people) == LEADS
    assert sorted(story.number for story in told) == sorted(each.number for each in attempts)  # each was rung once
    records = cdr_of(asterisk)
    assert wrong_outcomes(attempts, records) == []
    outcomes = {behaviour(each.number) + each.outcome for each in attempts if each.outcome is not None}
    assert {"1connected", "1abandoned", "2abandoned_by_callee", "3machine", "9connected"} <= outcomes
    ear.close()
    assert unheard(attempts, told, ear) == []

    assert all(each.startswith("dialer-leg-agent") for each in asterisk.channels())
    for each in asterisk.channels():
        asterisk.hang_up(each)
    await asterisk.silence()
    assert asterisk.console("core show channels count").startswith("0 active channels")

    assert set(records) == {f"dialer-call-{each.call_id}." for each in attempts}
    for each in attempts:
        disposition = records[f"dialer-call-{each.call_id}."].disposition
        assert (disposition == "ANSWERED") == (each.outcome in _PICKED_UP), (each, disposition)
        assert (disposition == "BUSY") == (each.outcome is Outcome.BUSY), (each, disposition)
