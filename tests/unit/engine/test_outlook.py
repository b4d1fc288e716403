"""When a campaign will dial until its window closes, and the forecast and the reason in the engine's status."""

from datetime import datetime
from zoneinfo import ZoneInfo

from dialer.domain.events import AgentReadied, CallDisposed
from dialer.domain.policy import HoursPolicy
from dialer.engine.outlook import dialing_spans
from tests.unit.engine.rig import AT, Rig, policy

MONDAY = datetime(2026, 3, 9, tzinfo=ZoneInfo("Asia/Seoul")).timestamp()
HOURS = HoursPolicy(week=(((9 * 3600, 18 * 3600),),) * 5 + ((),) * 2)
SEOUL = ("Asia/Seoul",)


def hour(day: int, hours: float) -> float:
    """An instant of that week in Seoul, Monday being day 0."""
    return MONDAY + 86400.0 * day + 3600.0 * hours


def test_dialing_goes_on_in_the_open_hours_until_the_window_closes() -> None:
    """From inside a day and from before it, over a weekend; a span that begins later is left out."""
    inside = dialing_spans(HOURS, SEOUL, hour(3, 12), hour(7, 10))
    assert inside == ((hour(3, 12), hour(3, 18)), (hour(4, 9), hour(4, 18)), (hour(7, 9), hour(7, 18)))
    assert dialing_spans(HOURS, SEOUL, hour(4, 3), hour(5, 0)) == ((hour(4, 9), hour(4, 18)),)
    assert dialing_spans(HOURS, SEOUL, hour(4, 20), hour(5, 0)) == ()
    assert dialing_spans(HoursPolicy(week=((),) * 7), SEOUL, hour(0, 12), hour(5, 0)) == ()


def test_the_status_says_why_and_what_is_to_come() -> None:
    """Nothing before the first decision; then its sentence, and a forecast once enough answers are seen."""
    rig = Rig(lines=50)
    rig.load(policy(), leads=60)
    assert (rig.campaign().reason, rig.campaign().forecast) == (None, None)
    rig.log_in("a")
    for _ in range(24):
        call_id = rig.placed()[-1].call_id
        rig.connect(call_id)
        rig.wait(50.0)
        rig.release(call_id)
        rig.send(CallDisposed(call_id=call_id, agent_id="a", disposition="again"), AgentReadied(agent_id="a"))
    status = rig.campaign()
    assert status.reason is not None
    assert status.reason.startswith("started 1 of 1 wanted: one for each ready agent whom nobody else needs")
    assert status.forecast is not None
    assert status.forecast.pace.live == 24
    assert (status.forecast.rate, status.forecast.spent_at) == (0.0, None)
    # The policy's day has a break at noon and ends at 18:00.
    assert status.forecast.dialing_ends_at == AT + 8.5 * 3600.0
