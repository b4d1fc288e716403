"""`dialer report` over a database with a known day in it."""

import csv
import io
import json
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from dialer.cli.report import report_app
from dialer.domain.commands import RecordAgentSpan, RecordAttempt, RecordChange
from dialer.domain.policy import AbandonmentPolicy
from dialer.domain.records import CampaignChange
from dialer.errors import StorageError, UsageError
from tests.integration.daemon_process import DIALER
from tests.unit.storage.builders import make_abandoned, make_attempt, make_connect, make_lead, make_policy, make_span
from tests.vaults import open_state

NINE = datetime(2026, 3, 10, 0, 0, tzinfo=UTC).timestamp()  # 09:00 in Seoul
POLICY = make_policy(abandonment=AbandonmentPolicy(time_zone="Asia/Seoul", target_rate=0.02, cap_rate=0.02))

DIGEST = "0123456789abcdef" * 4
LONG_REASON = "the list of last week was loaded again in place of the one that the client sent this morning"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose database holds one shift of one agent, and an idle campaign."""
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "config.toml"
    path.write_text('state_dir = "state"\n')
    connects = [make_connect(index, NINE + 100.0 * index, is_right_party=index == 1) for index in range(1, 31)]
    spans = [
        make_span("ready", NINE, NINE + 40.0),
        make_span("talking", NINE + 40.0, NINE + 100.0),
        make_span("paused", NINE + 100.0, NINE + 200.0, campaign=None, reason="=cmd"),
        make_span("ready", NINE, NINE + 10.0, agent_id="=agent()"),
    ]
    changes = [
        make_change(NINE, "pause", "running", "paused", "=fire drill"),
        make_change(NINE + 60.0, "emergency-stop", "paused", "stopped", LONG_REASON),
    ]
    others = [make_abandoned(31, NINE + 90000.0), make_attempt(32, NINE + 50.0, disposition="=1+1")]
    with closing(open_state(tmp_path / "state")) as store:
        for policy in (POLICY, make_policy("idle")):
            with store.importing(policy, "list.csv", "", NINE) as session:
                session.add(make_lead(1, campaign=policy.name))
        store.apply([RecordAttempt(attempt=attempt) for attempt in connects + others])
        store.apply([RecordAgentSpan(span=span) for span in spans])
        store.apply([RecordChange(change=change) for change in changes])
    return path


def make_change(at: float, action: str, before: str, after: str, reason: str) -> CampaignChange:
    """A change that an operator made to the campaign."""
    return CampaignChange(
        campaign="spring", at=at, action=action, before=before, after=after, reason=reason, who="op", digest=DIGEST
    )


def report(config: Path, *arguments: str) -> Result:
    """Run `dialer report ...`; its errors come through as they are."""
    return CliRunner().invoke(
        report_app, [*arguments, "--config", str(config)], catch_exceptions=False, env={"COLUMNS": "200"}
    )


def rows_of(config: Path, *arguments: str) -> list[dict[str, object]]:
    """Run a report as JSON and give its rows."""
    result = report(config, *arguments, "--format", "json")
    assert result.exit_code == 0
    rows: list[dict[str, object]] = json.loads(result.stdout)["rows"]
    return rows


def test_a_campaigns_figures_with_their_formulas(config: Path) -> None:
    """Every figure comes with value, fraction and formula; campaigns without records have no rows."""
    rows = rows_of(config, "campaign", "--from", "2026-03-10", "--to", "2026-03-10")
    assert {row["campaign"] for row in rows} == {"spring"}
    figures = {row["figure"]: row for row in rows}
    assert (figures["dials"]["value"], figures["live_answers"]["value"]) == (31, 30)
    contact_rate = figures["contact_rate"]
    assert (contact_rate["numerator"], contact_rate["denominator"], contact_rate["formula"]) == (30, 31, "L / T")
    assert figures["occupancy"]["numerator"] == 60.0
    assert figures["occupancy"]["denominator"] == 110.0
    assert figures["utilisation"]["denominator"] == 210.0
    assert all(row["formula"] for row in rows)


def test_the_table_says_span_zone_and_formula(config: Path) -> None:
    """A table names the span and the zone of its times, and prints fraction and formula beside the value."""
    result = report(config, "campaign", "--from", "2026-03-10T09:00", "--to", "2026-03-10", "--zone", "Asia/Seoul")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        "campaign: from 2026-03-10 09:00:00 up to, not including, 2026-03-11 00:00:00; times in Asia/Seoul"
    )
    line = next(line for line in result.stdout.splitlines() if line.startswith(" rpc_rate"))
    assert line.split() == ["rpc_rate", "3.33%", "1", "/", "30", "R", "/", "L"]


def test_abandonment_by_the_legal_window(config: Path) -> None:
    """Windows that touch the span are counted whole, with fraction, threshold, clock start and worst hour."""
    first, second = rows_of(config, "abandonment", "--campaign", "spring", "--zone", "Asia/Seoul")
    assert (first["from"], first["to"]) == ("2026-03-10T00:00:00+09:00", "2026-03-11T00:00:00+09:00")
    assert (first["live_answers"], first["abandonments"], first["rate"], first["is_over_cap"]) == (30, 0, 0.0, False)
    assert (first["worst_hour_from"], first["worst_hour_live_answers"]) == ("2026-03-10T09:00:00+09:00", 30)
    assert (second["live_answers"], second["abandonments"], second["rate"], second["is_over_cap"]) == (1, 1, 1.0, True)
    assert (second["threshold_s"], second["starts_at"], second["window"]) == (2.0, "greeting_end", "24h")
    inside = rows_of(config, "abandonment", "--from", "2026-03-10T00:30Z", "--to", "2026-03-10T00:31Z")
    assert [row["live_answers"] for row in inside] == [30]
    edge = rows_of(config, "abandonment", "--from", "2026-03-10", "--to", "2026-03-10", "--zone", "Asia/Seoul")
    assert [row["live_answers"] for row in edge] == [30]
    shown = report(config, "abandonment").stdout
    assert "100.00% OVER CAP" in shown
    assert "no agent within 2 s of greeting_end" in shown


def test_agents_with_formulas_below(config: Path) -> None:
    """Each agent has a row in the table, and each column its formula under it."""
    rows = rows_of(config, "agents")
    values = {(row["agent"], row["figure"]): row["value"] for row in rows}
    assert values["a1", "occupancy"] == 0.6
    assert values["a1", "utilisation"] == 0.3
    assert values["=agent()", "occupancy"] == 0.0
    assert values["=agent()", "wait_mean"] is None
    shown = report(config, "agents", "--campaign", "spring").stdout
    assert "60.00%" in shown
    assert "occupancy = (talk + wrap-up) / (talk + wrap-up + ready + reserved); pauses excluded" in shown


def test_attempts_are_masked_and_complete(config: Path) -> None:
    """Every attempt comes with its instants in the zone asked for; no number is whole."""
    rows = rows_of(config, "attempts", "--zone", "Asia/Seoul")
    assert len(rows) == 32
    assert rows[0]["call_id"] == 32
    assert rows[0]["placed_at"] == "2026-03-10T09:00:50+09:00"
    assert rows[0]["outcome"] == "no_answer"
    assert {row["number"] for row in rows} == {f"+1-202-****-00{index:02d}" for index in range(1, 33)}
    for form in ("json", "csv", "table"):
        assert "+1202555" not in report(config, "attempts", "--format", form).stdout


def test_changes_come_with_who_and_why(config: Path) -> None:
    """Every change of the span has its instant, states, reason, login name and digest; tables shorten the digest."""
    rows = rows_of(config, "changes", "--campaign", "spring", "--zone", "Asia/Seoul")
    assert rows[0] == {
        "at": "2026-03-10T09:00:00+09:00",
        "campaign": "spring",
        "action": "pause",
        "before": "running",
        "after": "paused",
        "reason": "=fire drill",
        "who": "op",
        "digest": DIGEST,
    }
    assert [row["reason"] for row in rows] == ["=fire drill", LONG_REASON]
    assert [row["action"] for row in rows_of(config, "changes", "--from", "2026-03-10T00:01")] == ["emergency-stop"]
    assert rows_of(config, "changes", "--campaign", "idle") == []
    shown = report(config, "changes").stdout
    assert LONG_REASON in shown
    assert f"{DIGEST[:12]} " in shown
    assert DIGEST[:13] not in shown
    assert "'=fire drill" in report(config, "changes", "--format", "csv").stdout
    path = config.parent / "changes.parquet"
    report(config, "changes", "--format", "parquet", "--output", str(path))
    table = pyarrow.parquet.read_table(path)
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert table.column("digest").to_pylist() == [DIGEST, DIGEST]


def test_a_long_reason_is_folded_and_whole(config: Path) -> None:
    """A reason that is wider than the terminal goes on below, and no column is left out for its length alone."""
    shown = CliRunner().invoke(report_app, ["changes", "--config", str(config)], env={"COLUMNS": "120"}).stdout
    assert "left out" not in shown
    assert [word for word in LONG_REASON.split() if word not in shown.split()] == []


def test_a_long_table_says_what_it_leaves_out(config: Path) -> None:
    """A table of attempts stops at 200 rows and says how many there are beyond."""
    with closing(open_state(config.parent / "state")) as store:
        store.apply([RecordAttempt(attempt=make_attempt(1000 + index, NINE)) for index in range(200)])
    assert "and 32 more: --format csv, json or parquet has all of them" in report(config, "attempts").stdout


def test_a_reader_who_has_seen_enough_hears_no_complaint(config: Path) -> None:
    """`dialer report attempts --format csv | head -3` prints three lines and nothing on stderr."""
    with closing(open_state(config.parent / "state")) as store:
        store.apply([RecordAttempt(attempt=make_attempt(1000 + index, NINE)) for index in range(2000)])
    command = f"{DIALER} report attempts --format csv --config {config} | head -3"
    pipe = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert len(pipe.stdout.splitlines()) == 3
    assert pipe.stderr == ""


@pytest.mark.parametrize("name", ["campaign", "agents", "abandonment", "attempts", "changes"])
def test_a_table_fits_a_narrow_terminal(config: Path, name: str) -> None:
    """At 80 columns no cell is cut: figures, campaigns and agents are whole, and what is left out is named."""
    shown = CliRunner().invoke(report_app, [name, "--config", str(config)], env={"COLUMNS": "80"}).stdout
    table = [line for line in shown.splitlines() if line.startswith(" ")]
    assert max(map(len, table)) <= 80
    assert "…" not in shown
    whole = {
        "campaign": ("abandonment_rate_at_worst", "connects_per_agent_hour", "rings_cut_short"),
        "agents": ("=agent()", "60.00%"),
        "abandonment": ("2026-03-10 15:00", "OVER CAP", "03-10 00:00 0.00% (0 / 30)"),
        "attempts": ("2026-03-10 00:00:50", "+1-202-****-0032", "left out for want of width: campaign, lead id"),
        "changes": ("2026-03-10 00:01:00", "emergency-stop", "=fire drill", "left out for want of width: digest"),
    }
    assert [words for words in whole[name] if words not in shown] == []


def test_no_cell_of_a_csv_is_a_formula(config: Path) -> None:
    """Text that a spreadsheet would run gets an apostrophe in front."""
    attempts = list(csv.DictReader(io.StringIO(report(config, "attempts", "--format", "csv").stdout)))
    assert attempts[0]["disposition"] == "'=1+1"
    agents = report(config, "agents", "--format", "csv").stdout
    assert "'=agent()" in agents
    cells = [cell for row in csv.reader(io.StringIO(agents)) for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "@")] == []


def test_parquet_holds_typed_columns(config: Path, tmp_path: Path) -> None:
    """Parquet has instants as instants and flags as flags, and an empty report the same columns."""
    path = tmp_path / "attempts.parquet"
    result = report(config, "attempts", "--format", "parquet", "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "32 rows written" in result.stderr
    table = pyarrow.parquet.read_table(path)
    assert table.num_rows == 32
    assert str(table.schema.field("placed_at").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("is_live").type) == "bool"
    assert table.column("placed_at")[0].as_py().timestamp() == NINE + 50.0
    report(config, "attempts", "--to", "2020-01-01", "--format", "parquet", "--output", str(path))
    assert pyarrow.parquet.read_table(path).schema == table.schema
    assert pyarrow.parquet.read_table(path).num_rows == 0


@pytest.mark.parametrize("name", ["campaign", "agents", "abandonment", "attempts", "changes"])
def test_an_empty_span_is_no_error(config: Path, name: str) -> None:
    """A span without records gives no rows, says so, and ends with exit code 0."""
    shown = report(config, name, "--from", "2020-01-01", "--to", "2020-01-31")
    assert (shown.exit_code, "0 rows" in shown.stdout) == (0, True)
    piped = report(config, name, "--to", "2020-01-31", "--format", "csv")
    assert (piped.exit_code, len(piped.stdout.splitlines()), "0 rows" in piped.stderr) == (0, 1, True)
    assert rows_of(config, name, "--to", "2020-01-31") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "yesterday"], "--from yesterday: expected a date or an instant"),
        (["--to", "9999-12-31"], "--to 9999-12-31: expected a date"),
        (["--from", "2026-03-10", "--to", "2026-03-09"], "expected a span"),
        (["--zone", "Nowhere/Land"], "--zone Nowhere/Land: expected a time zone"),
        (["--zone", "../etc"], "expected a time zone"),
        (["--campaign", "summer"], "no such campaign .*there: idle, spring"),
        (["--format", "parquet"], "expected --output FILE"),
        (["--output", "."], "expected a file, found a folder"),
        (["--output", "no/such/folder/x.csv"], "cannot be written"),
    ],
)
def test_wrong_usage_is_explained(config: Path, arguments: list[str], message: str) -> None:
    """What cannot be reported is refused with what was expected."""
    with pytest.raises(UsageError, match=message):
        report(config, "attempts", *arguments)


def test_without_a_database_nothing_is_made(config: Path) -> None:
    """A report before the first run says that there is no database, and makes none."""
    config.write_text('state_dir = "elsewhere"\n')
    with pytest.raises(StorageError, match="there is none yet"):
        report(config, "campaign")
    assert not (config.parent / "elsewhere").exists()


def test_a_failed_report_leaves_the_file_as_it_was(config: Path, tmp_path: Path) -> None:
    """A report that cannot be finished replaces nothing."""
    path = tmp_path / "report.csv"
    path.write_text("before")
    with pytest.raises(UsageError):
        report(config, "attempts", "--campaign", "summer", "--format", "csv", "--output", str(path))
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.glob("report.csv*")] == ["report.csv"]
