"""What `dialer status` and `dialer campaign show` print, from what the daemon answers."""

from typing import Any

import pytest

from dialer.cli.daemon import (
    STATUS_EXPENDABLE,
    Action,
    campaign_cells,
    campaign_lines,
    change_line,
    gateway_line,
    print_campaigns,
)
from dialer.cli.tables import parts, table_of, without

NOON = 1773144000.0  # 2026-03-10 12:00 UTC


def campaign(**changes: Any) -> dict[str, Any]:
    """A running campaign as the control socket shows it."""
    return {
        "name": "renewal-kr-spring-2026",
        "state": "running",
        "mode": "predictive",
        "is_callbacks_only": False,
        "digest": "ab" * 32,
        "agents": {"paused": 1, "ready": 2, "talking": 3},
        "calls": {"ringing": 4, "connected": 3},
        "hopper": 40,
        "open_leads": 12345,
        "next_due_at": None,
        "counts": {"dials": 12345, "live": 4000, "connects": 3990, "abandoned": 100, "cut_short": 2, "unknown": 0},
        "abandonment": {
            "abandoned": 3,
            "live": 120,
            "machines": 0,
            "people": None,
            "people_low": None,
            "people_high": None,
            "is_infeasible": False,
            "unit": "campaign",
            "rate": 0.025,
            "remaining": 0,
            "cap_rate": 0.03,
            "target_rate": 0.025,
            "window": "24h",
            "window_from_at": NOON - 43200.0,
            "window_to_at": NOON + 43200.0,
            "threshold_s": 2.0,
            "starts_at": "greeting_end",
        },
        "shadow": None,
        "forecast": {
            "at": NOON,
            "budget": 66,
            "spent_at": NOON + 16800.0,
            "closes_at": NOON + 43200.0,
            "dialing_ends_at": NOON + 28800.0,
            "live": 2200.0,
            "abandoned": 59.4,
            "rate": 0.027,
            "low": 0.022,
            "high": 0.033,
            "level": 0.95,
            "pace": {"for_s": 3600.0, "live": 200.0, "abandoned": 5.0},
        },
        "last_decision": {"at": NOON, "mode": "predictive", "calls": 3, "wanted": 5},
        "reason": "started 3 of 5 wanted: the limit of calls per second left 3",
        **changes,
    }


def test_a_campaign_is_told_in_words() -> None:
    """Instants are written out, zeroes left out, and the last decision is a sentence."""
    text = "\n".join(f"{heading}: {said}" for heading, said in campaign_lines(campaign()))
    for words in (
        "agents now: 1 paused, 2 ready, 3 talking",
        "since the start: 12345 dials, 4000 live, 3990 connects, 100 abandoned, 2 rings cut short",
        "abandonment: 3 of 120 live answers (2.50%), 0 still allowed",
        "window: 24h: 2026-03-10 00:00:00 to 2026-03-11 00:00:00",
        "forecast: at this pace the budget of 66 is spent at 16:40; the window closes at 24:00 with 2.7% (2.2%-3.3% at",
        "last decision: 2026-03-10 12:00:00: started 3 of 5 wanted: the limit of calls per second left 3",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "people among 300 machines: not measured, see abandonment.amd_checked"),
        (
            {"people": 3.0, "people_low": 1.0, "people_high": 7.0},
            "3.0 people (1.0 to 7.0) estimated among 300 machines, counted in the rate",
        ),
        (
            {"people": 3.0, "people_low": 1.0, "people_high": 7.0, "is_infeasible": True},
            "the cap cannot be kept: these people alone reach it, and no call is made",
        ),
    ],
    ids=["not measured", "estimated", "infeasible"],
)
def test_people_taken_for_machines_are_told_apart(found: dict[str, object], words: str) -> None:
    """What is estimated stands beside what is counted, with its interval, or that nobody has checked."""
    made = campaign()
    budget = {**made["abandonment"], "machines": 300, **found}
    assert words in [said for _, said in campaign_lines({**made, "abandonment": budget})]


def test_callbacks_only_stands_beside_the_state() -> None:
    """`campaign list`, `status` and `campaign show` tell a campaign that dials callbacks only."""
    limited = campaign(is_callbacks_only=True)
    assert campaign_cells(limited)["state"] == "running,\ncallbacks only"
    assert dict(campaign_lines(limited))["state"] == "running, callbacks only"
    assert campaign_cells(campaign())["state"] == dict(campaign_lines(campaign()))["state"] == "running"


def test_a_change_that_leaves_the_state_says_what_it_did() -> None:
    """Going over to callbacks only, and back, both leave a campaign running; the line tells them apart."""
    assert change_line("a", Action.CALLBACKS_ONLY, "running", "running") == (
        "a: callbacks-only, running -> running, callbacks only"
    )
    assert change_line("a", Action.RESUME, "running", "running") == "a: resume, running -> running, all leads"
    assert change_line("a", Action.RESUME, "paused", "running") == "a: resume, paused -> running"
    assert change_line("a", Action.PAUSE, "running", "paused") == "a: pause, running -> paused"


def test_a_campaign_that_did_nothing_yet_says_so() -> None:
    """Without a decision, a due lead or a live answer nothing is made up."""
    idle = campaign(last_decision=None, reason=None, forecast=None, counts={"dials": 0}, agents={"ready": 0})
    idle["abandonment"] |= {"abandoned": 0, "live": 0, "rate": None}
    lines = dict(campaign_lines(idle))
    assert (lines["last decision"], lines["next lead due"], lines["agents now"]) == ("none yet", "none", "none")
    assert lines["abandonment"] == "0 of 0 live answers, 0 still allowed"
    assert lines["forecast"] == "none: the last hour holds too few live answers"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"spent_at": None},
            "budget of 66 is not spent before the window closes at 24:00 with 2.7% (2.2%-3.3% at 95%)",
        ),
        ({"spent_at": NOON}, "budget of 66 is spent already; the window closes"),
        (
            {"spent_at": NOON + 86400.0, "closes_at": NOON + 864000.0},
            "spent at 2026-03-11 12:00; the window closes at 2",
        ),
    ],
)
def test_a_forecast_is_told_in_words(changes: dict[str, Any], words: str) -> None:
    """Instants of the same day are times of the day, midnight at its end is 24:00, others have their date."""
    foreseen = campaign()["forecast"] | changes
    assert words in dict(campaign_lines(campaign(forecast=foreseen)))["forecast"]


def test_the_table_of_campaigns_keeps_names_whole_at_80_columns() -> None:
    """Columns go in a stated order until the rest fits; a wide terminal keeps them all."""
    cells = campaign_cells(campaign())
    columns = {heading: [text] for heading, text in cells.items()}
    kept, left_out = without(columns, STATUS_EXPENDABLE, 80)
    assert left_out == ["mode", "open leads", "dials"]
    assert (kept["campaign"], kept["abandoned"]) == (["renewal-kr-spring-2026"], ["100 (2.5%)"])
    assert table_of(kept).columns[0].no_wrap
    assert without(columns, STATUS_EXPENDABLE, 200) == (columns, [])


def test_a_table_goes_on_in_parts_that_begin_with_its_key() -> None:
    """Each part holds as many columns as fit, at least one, and the key."""
    columns = {"agent": ["a1"], "one": ["x" * 20], "two": ["x" * 20], "three": ["x" * 60]}
    assert [list(part) for part in parts(columns, "agent", 60)] == [["agent", "one", "two"], ["agent", "three"]]


@pytest.mark.parametrize(("lag", "words"), [("none", ""), ("slow", "the store is slow"), ("stalled", "no new calls")])
def test_a_store_that_lags_is_said_once_above_the_campaigns(
    lag: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for all of them, as long as it lasts."""
    campaigns = [campaign(), campaign(name="another")]
    status = {"lines_used": 3, "lines": 40, "campaigns": campaigns, "store_lag": lag}
    print_campaigns({"now": NOON, "status": status, "blocked": None})
    out = capsys.readouterr().out
    assert words in out and out.count("the store") == (lag != "none")


def test_the_status_says_why_nothing_can_start(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason stands above the campaigns, whose state has room for one word only."""
    status = {"lines_used": 3, "lines": 40, "campaigns": [campaign(state="blocked")], "store_lag": "none"}
    print_campaigns({"now": NOON, "status": status, "blocked": "database /x/dialer.db: the disk is full"})
    assert "blocked: database /x/dialer.db: the disk is full" in capsys.readouterr().out


def test_a_gateway_is_told_with_since_when_it_is_there_or_lost() -> None:
    """Its lines while it is there; why it is not, and how many calls nobody knows of, while it is lost."""
    north = {"name": "north", "lost": None, "since_at": NOON, "lines": 60, "calls": 12}
    assert gateway_line(north) == "gateway north: up since 2026-03-10 12:00:00, 12 of 60 lines in use"
    lost = north | {"lost": "the broker cannot be reached", "calls": 3}
    assert gateway_line(lost) == (
        "gateway north: lost since 2026-03-10 12:00:00, the broker cannot be reached, 3 calls of unknown fate"
    )
    never = lost | {"since_at": None, "calls": 0}
    assert gateway_line(never) == "gateway north: never there, the broker cannot be reached"
