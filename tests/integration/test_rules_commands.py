"""`dialer rules`: the rulesets as the command line shows them."""

import json
from contextlib import chdir
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dialer.cli.main import app

OWN = """
code = "KR"
name = "Our own rules"
version = "3"

[[hours]]
purposes = ["telemarketing"]
days = "mon-fri"
open = ["10:00-18:00"]
force = "house"
grade = "primary"
source = "board decision of 2026-05-04"

[[override]]
rule = "HOUSE.attempts.day"
reason = "people asked to be tried until reached"
approved_by = "compliance officer"
"""


def dialer(folder: Path, *words: str, code: int = 0) -> str:
    """Run a command in a folder; give what it printed."""
    with chdir(folder):
        result = CliRunner().invoke(app, words, env={"COLUMNS": "150"})
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration that names a ruleset of its own."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "house.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "config.toml").write_text('[compliance]\nrules = ["house.toml"]\n', encoding="utf-8")
    return tmp_path


def test_the_list_counts_rules_by_force(folder: Path) -> None:
    """Each ruleset with its version, digest and unconfirmed points; the operator's beside the built-in one."""
    listed = json.loads(dialer(folder, "rules", "list", "--json"))
    by_origin = {(each["code"], each["origin"]): each for each in listed["rulesets"]}
    assert by_origin["KR", "house.toml"]["rules"] == {"house": 1}
    assert by_origin["KR", "built in"]["rules"]["law"] > 10
    assert by_origin["HOUSE", "built in"]["rules"].keys() == {"house"}
    assert by_origin["IN", "built in"]["rules"]["house"] == 1  # hours that nobody verified
    assert len(by_origin["KR", "built in"]["digest"]) == 64
    assert listed["overrides"][0]["rule_id"] == "HOUSE.attempts.day"
    text = dialer(folder, "rules", "list")
    assert "Republic of Korea" in text
    assert (
        "left out: HOUSE.attempts.day: people asked to be tried until reached (approved by compliance officer" in text
    )
    assert "None of this is legal advice" in text


def test_the_list_needs_no_configuration(tmp_path: Path) -> None:
    """In an empty folder it is the built-in law."""
    listed = json.loads(dialer(tmp_path, "rules", "list", "--json"))
    assert {each["origin"] for each in listed["rulesets"]} == {"built in"}
    assert {"US", "US-FL", "GB", "CA", "AU", "KR", "JP", "EU", "DE", "FR", "ES", "IT", "NL", "IN", "SG", "BR"} <= {
        each["code"] for each in listed["rulesets"]
    }


def test_a_ruleset_is_shown_with_what_each_rule_rests_on(folder: Path) -> None:
    """Words, force, grade and source of each rule; all rulesets of the code; no advice."""
    text = dialer(folder, "rules", "show", "kr")
    assert "KR.hours.telemarketing\n    says     Mon-Sun 08:00-21:00; a separate consent for the night" in text
    assert "source   Network Act (정보통신망법) art. 50(3)" in text
    assert "own.KR.hours.telemarketing\n    says     Mon-Fri 10:00-18:00; Sat-Sun never" in text
    assert "None of this is legal advice" in text


def test_an_unverified_law_is_shown_as_a_house_rule(tmp_path: Path) -> None:
    """The word says both what it is applied as and what nobody verified."""
    assert "force    house: unverified law" in dialer(tmp_path, "rules", "show", "IN")


def test_parents_and_regions_are_named(tmp_path: Path) -> None:
    """The rules of a state are beside the federal ones; a region shows the ruleset that covers it."""
    assert "also     the rules of US" in dialer(tmp_path, "rules", "show", "US-FL")
    assert "US United States (federal floor)" in dialer(tmp_path, "rules", "show", "PR")


def test_an_override_is_shown_at_its_rule(folder: Path) -> None:
    """With the reason and who approved it."""
    assert "left out people asked to be tried until reached (approved by compliance officer; house.toml)" in dialer(
        folder, "rules", "show", "HOUSE"
    )


def test_a_ruleset_for_machines_has_every_field(tmp_path: Path) -> None:
    """Every built-in ruleset can be shown; days are dates and spans times."""
    shown = json.loads(dialer(tmp_path, "rules", "show", "FR", "--json"))
    (france,) = shown["rulesets"]
    rules = {rule["rule_id"]: rule for rule in france["rules"]}
    assert rules["FR.hours.telemarketing"]["week"]["mon"] == ["10:00-13:00", "14:00-20:00"]
    assert rules["FR.consent.telemarketing"]["since"] == "2026-08-11"
    assert (rules["FR.consent.telemarketing"]["force"], rules["FR.consent.telemarketing"]["grade"]) == (
        "law",
        "primary",
    )
    assert "legal advice" in shown["notice"]


def test_an_unknown_code_names_the_nearest(tmp_path: Path) -> None:
    """Wrong usage, and what it means: nobody is called where there is no ruleset."""
    text = dialer(tmp_path, "rules", "show", "US-FX", code=2)
    assert "nobody is called there; nearest: US-FL" in text


def test_rulesets_are_compared_field_by_field(tmp_path: Path) -> None:
    """Added, removed and changed rules of two files, or of a file and a code."""
    text = (files("dialer.compliance.jurisdictions") / "KR.toml").read_text(encoding="utf-8")
    changed = text.replace("max_age_days = 31", "max_age_days = 15").replace('id = "insurance"', 'id = "planners"')
    (tmp_path / "new.toml").write_text(changed, encoding="utf-8")
    printed = dialer(tmp_path, "rules", "diff", "KR", "new.toml")
    assert "! registry.telemarketing\n    max_age_days\n      - 31\n      + 15\n" in printed
    assert "- duty.insurance: " in printed
    assert "+ duty.planners: " in printed
    changes = json.loads(dialer(tmp_path, "rules", "diff", "KR", "new.toml", "--json"))["changes"]
    assert [(change["change"], change["rule"]) for change in changes] == [
        ("changed", "registry.telemarketing"),
        ("removed", "duty.insurance"),
        ("added", "duty.planners"),
    ]
    (tmp_path / "same.toml").write_text(text, encoding="utf-8")
    assert "no rule differs" in dialer(tmp_path, "rules", "diff", "KR", "same.toml")


def test_two_jurisdictions_are_compared_rule_by_rule(tmp_path: Path) -> None:
    """Rules are paired whatever their jurisdiction."""
    printed = dialer(tmp_path, "rules", "diff", "US-FL", "US-WA")
    assert "- attempts.subject: at most 3 attempts in 24 hours for each person and subject" in printed


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    """With the place, as everywhere."""
    (tmp_path / "wrong.toml").write_text('code = "KR"\nname = "x"\nversion = 1\n', encoding="utf-8")
    assert "wrong.toml:3: version: expected a string" in dialer(tmp_path, "rules", "diff", "KR", "wrong.toml", code=3)


def test_check_finds_what_is_wrong_in_a_ruleset(folder: Path) -> None:
    """`dialer check` reads the rulesets that the configuration names."""
    (folder / "house.toml").write_text(OWN.replace("mon-fri", "mon-fry"), encoding="utf-8")
    text = dialer(folder, "check", "config.toml", code=3)
    assert text.count("house.toml:8: hours[0].days: expected days of the week") == 1
