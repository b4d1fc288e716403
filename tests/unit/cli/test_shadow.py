"""What `dialer campaign show` and the log say of a shadow."""

import io
import json
from dataclasses import asdict, replace

from dialer.cli.shadow import shadow_lines
from dialer.daemon.logs import Narrator, make_logger
from dialer.domain.commands import RecordShadow
from dialer.domain.records import FloorFigures, ShadowReport
from dialer.storage.codec import Entry, decode, encode

NOON = 1773144000.0  # 2026-03-10 12:00 UTC
NOTHING = FloorFigures(dials=0, live=0, connects=0, abandoned=0, occupancy=None, abandonment_rate=None, wait_s=None)
DONE = FloorFigures(
    dials=1041, live=313, connects=313, abandoned=0, occupancy=0.74461, abandonment_rate=0.0, wait_s=57.54
)
REPORT = ShadowReport(
    campaign="survey",
    at=NOON + 7200.0,
    since_at=NOON,
    mode="progressive",
    shadow="predictive",
    resolved=1030,
    real=DONE,
    twin=replace(DONE, dials=1216, connects=350, occupancy=0.8611, abandonment_rate=0.0141, wait_s=28.0),
    real_hour=DONE,
    twin_hour=NOTHING,
)


def test_both_floors_stand_below_each_other() -> None:
    """Since the start and over the last hour, what was and what would have been; a ratio over nothing is a dash."""
    assert [text for _, text in shadow_lines(asdict(REPORT))] == [
        "predictive, what it would have done since 2026-03-10 12:00:00",
        "occupancy 74.5%, abandonment 0.00%, wait 57.5 s, 1041 dials, 313 connects (progressive, real)",
        "occupancy 86.1%, abandonment 1.41%, wait 28.0 s, 1216 dials, 350 connects (predictive, as if)",
        "occupancy 74.5%, abandonment 0.00%, wait 57.5 s, 1041 dials, 313 connects (progressive, real, last hour)",
        "occupancy -, abandonment -, wait -, 0 dials, 0 connects (predictive, as if, last hour)",
    ]


def test_a_shadow_that_warms_up_says_so() -> None:
    """Before it starts there are no figures to compare; without a shadow there is nothing to say."""
    warming = replace(REPORT, since_at=None, resolved=7)
    assert shadow_lines(asdict(warming)) == [("shadow", "predictive, warming up: 7 dials have come to an end")]
    assert shadow_lines(None) == []


def test_a_report_is_a_line_of_the_log() -> None:
    """The line has the figures of both floors; the journal gives back what it was given."""
    out = io.StringIO()
    order = RecordShadow(report=REPORT)
    Narrator(make_logger("info", "json", stream=out))(Entry(seq=1, at=NOON, event=None, commands=(order,)))
    line = json.loads(out.getvalue())
    assert (line["event"], line["shadow"], line["hours"]) == ("shadow", "predictive", 2.0)
    assert (line["real"]["connects"], line["as_if"]["occupancy"], line["as_if_hour"]["wait_s"]) == (313, 0.8611, None)
    assert decode(encode(order)) == order
