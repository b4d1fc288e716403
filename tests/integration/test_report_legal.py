"""`dialer report abandonment`: the same calls as each law counts them."""

import csv
import io
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from dialer.cli.report import report_app
from dialer.domain.commands import RecordAttempt
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentPolicy, CampaignPolicy, CompliancePolicy
from dialer.domain.records import Attempt
from tests.unit.storage.builders import make_abandoned, make_attempt, make_connect, make_lead, make_policy
from tests.vaults import open_state

NOON = datetime.fromisoformat("2026-03-10T12:00:00-04:00").timestamp()
POLICY = make_policy(
    purpose="telemarketing",
    compliance=CompliancePolicy(subject="offer"),
    abandonment=AbandonmentPolicy(time_zone="America/Toronto", amd_checked=200, amd_people=2),
)


def placed_in(number: PhoneNumber, region: str, *codes: str) -> PhoneNumber:
    """A number that tells another place; its digits stay nobody's."""
    return replace(number, region=region, jurisdictions=codes or (region,))


def lead_of(index: int, campaign: str, region: str, *codes: str, address: str | None = None) -> Lead:
    """A lead with one number of a place."""
    lead = make_lead(index, campaign=campaign)
    return replace(lead, numbers=(placed_in(lead.numbers[0], region, *codes),), jurisdiction=address)


def report(tmp_path: Path, kept: Sequence[tuple[CampaignPolicy, Lead, Attempt]], *arguments: str) -> str:
    """Keep leads and an attempt on each, and run the report."""
    (tmp_path / "campaigns").mkdir()
    config = tmp_path / "config.toml"
    config.write_text('state_dir = "state"\n')
    with closing(open_state(tmp_path / "state")) as store:
        for lead_id, (policy, lead, attempt) in enumerate(kept, start=1):  # the store numbers leads as they come
            with store.importing(policy, f"{lead_id}.csv", "", NOON) as session:
                session.add(lead)
            number = lead.numbers[0].e164
            changed = replace(attempt, campaign=policy.name, lead_id=lead_id, number=number, seller=policy.seller)
            store.apply([RecordAttempt(attempt=changed)])
    result = CliRunner().invoke(
        report_app,
        ["abandonment", *arguments, "--config", str(config)],
        catch_exceptions=False,
        env={"COLUMNS": "200"},
    )
    assert result.exit_code == 0
    return result.stdout


def legal_rows(tmp_path: Path, kept: Sequence[tuple[CampaignPolicy, Lead, Attempt]], *arguments: str) -> list[Any]:
    """What each law counts, from JSON."""
    rows: list[Any] = json.loads(report(tmp_path, kept, *arguments, "--format", "json"))["as_the_law_counts"]
    return rows


def calls(policy: CampaignPolicy = POLICY) -> list[tuple[CampaignPolicy, Lead, Attempt]]:
    """Two calls to Ohio, one to California and three to Canada, one abandoned in each country."""
    late = {"greeting_end_at": NOON + 2.0, "bridged_at": NOON + 3.5}
    return [
        (policy, lead_of(1, policy.name, "US", "US-OH"), make_connect(1, NOON)),
        (policy, lead_of(2, policy.name, "US", "US-OH"), make_abandoned(2, NOON, message_at=NOON + 2.0)),
        (policy, lead_of(3, policy.name, "US", "US-CA"), make_connect(3, NOON, **late)),
        (policy, lead_of(4, policy.name, "CA"), make_connect(4, NOON)),
        (policy, lead_of(5, policy.name, "CA"), make_connect(5, NOON, **late)),
        (policy, lead_of(6, policy.name, "CA"), make_attempt(6, NOON, outcome=Outcome.MACHINE, answered_at=NOON)),
    ]


def test_each_law_counts_its_own_calls_by_its_own_clock(tmp_path: Path) -> None:
    """A late agent of a long greeting is late in Canada and in time in California; no country thins out another."""
    rows = {row["rule"]: row for row in legal_rows(tmp_path, calls())}
    federal = rows["US.abandonment.safe-harbor"]
    assert (federal["unit"], federal["name"], federal["ruleset"]) == ("campaign", "spring", "US")
    assert (federal["live_answers"], federal["abandonments"], federal["late_connects"]) == (3, 1, 0)
    assert (federal["window"], federal["starts_at"], federal["cap_rate"]) == ("30d-blocks", "greeting_end", 0.03)
    assert (federal["is_over_cap"], federal["without_message"]) == (True, 0)
    assert (federal["force"], federal["grade"]) == ("law", "secondary")
    assert "16 CFR 310.4" in federal["source"]
    assert (rows["US-CA.abandonment"]["live_answers"], rows["US-CA.abandonment"]["abandonments"]) == (1, 0)
    canada = rows["CA.abandonment.telemarketing"]
    assert (canada["unit"], canada["name"]) == ("seller", "Example Telecom")
    assert (canada["from"], canada["to"]) == ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z")
    assert (canada["live_answers"], canada["abandonments"], canada["late_connects"]) == (2, 1, 1)
    assert (canada["machines"], canada["people_estimated"]) == (1, 0.01)
    assert canada["rate_low"] < canada["rate"] < canada["rate_high"]
    assert (canada["rolling_24h_live_answers"], canada["rolling_24h_abandonments"]) == (2, 1)
    assert set(rows) == {"US.abandonment.safe-harbor", "US-CA.abandonment", "CA.abandonment.telemarketing"}


def test_a_known_address_counts_beside_the_number(tmp_path: Path) -> None:
    """A person with a number of Ohio who lives in California is called in both."""
    lead = lead_of(1, "spring", "US", "US-OH", address="US-CA")
    rows = legal_rows(tmp_path, [(POLICY, lead, make_connect(1, NOON))])
    assert {row["ruleset"] for row in rows} == {"US", "US-CA"}


def test_a_seller_counts_over_all_its_campaigns_where_the_law_does(tmp_path: Path) -> None:
    """In Canada two campaigns of one seller are one; a campaign of another seller is not in it."""
    others = [replace(POLICY, name="summer"), replace(POLICY, name="rival", seller="Rival Telecom")]
    kept = [
        (policy, lead_of(index, policy.name, "CA"), make_connect(index, NOON))
        for index, policy in enumerate([POLICY, *others], start=1)
    ]
    rows = legal_rows(tmp_path, kept, "--campaign", "spring")
    assert [(row["name"], row["live_answers"]) for row in rows] == [("Example Telecom", 2)]


def test_the_house_counts_where_no_law_does(tmp_path: Path) -> None:
    """In Korea no rule on abandonment was found: the house's is applied, and labelled so."""
    (row,) = legal_rows(tmp_path, [(POLICY, lead_of(1, "spring", "KR"), make_connect(1, NOON))])
    assert (row["ruleset"], row["rule"], row["force"], row["grade"]) == (
        "HOUSE",
        "HOUSE.abandonment",
        "house",
        "unverified",
    )


def test_windows_outside_the_span_are_left_out(tmp_path: Path) -> None:
    """A window is counted whole when it shares an instant with the span, and not at all otherwise."""
    connect = make_connect(1, NOON)
    kept = [
        (POLICY, lead_of(1, "spring", "GB"), connect),
        (POLICY, lead_of(2, "spring", "GB"), make_connect(2, NOON + 2 * 86400.0)),
    ]
    rows = legal_rows(tmp_path, kept, "--from", "2026-03-12T23:00", "--to", "2026-03-12", "--zone", "America/Toronto")
    assert [(row["ruleset"], row["from"][:10], row["live_answers"]) for row in rows] == [("GB", "2026-03-12", 1)]


def test_the_table_names_rule_force_grade_and_source(tmp_path: Path) -> None:
    """Below the campaign's own windows stand those of the laws, with what each rule rests on."""
    shown = report(tmp_path, calls())
    assert shown.index("rate = abandonments / live answers") < shown.index("as the law counts it")
    section = shown[shown.index("as the law counts it") :]
    assert "law, secondary" in section
    assert "1 / 3" in section
    assert "CA.abandonment.telemarketing: no agent within 2 s of answer; window calendar-month" in section
    assert "CRTC Unsolicited Telecommunications Rules" in section
    assert "It is no legal advice." in section


def test_the_laws_counts_alone_in_any_format(tmp_path: Path) -> None:
    """--legal gives them as a table of their own, for CSV too; without it CSV holds the campaign's windows only."""
    rows = list(csv.DictReader(io.StringIO(report(tmp_path, calls(), "--legal", "--format", "csv"))))
    assert [row["rule"] for row in rows] == [
        "US.abandonment.safe-harbor",
        "US-CA.abandonment",
        "CA.abandonment.telemarketing",
    ]
    assert rows[0]["abandonments"] == "1"
