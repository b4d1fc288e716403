"""Ruleset files that are wrong: each fault has its place, and nothing of the law is loaded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dialer.config.faults import ConfigFaults, Fault
from dialer.config.rulesets import load_law, load_ruleset, rules_of
from dialer.domain.law import Force, HoursRule, Override

HEAD = 'code = "KR"\nname = "Ours"\nversion = "1"\n'
TAIL = 'force = "house"\ngrade = "primary"\nsource = "our own policy"\n'
HOURS = '[[hours]]\ndays = "mon-fri"\nopen = ["09:00-18:00"]\n'
AROUND = 1_790_000_000.0


def write(folder: Path, text: str, name: str = "house.toml") -> Path:
    """Write a ruleset file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refuse(folder: Path, *texts: str) -> Sequence[Fault]:
    """Load files of these texts beside the built-in ones, expecting faults."""
    paths = [write(folder, text, f"{rank}.toml") for rank, text in enumerate(texts)]
    with pytest.raises(ConfigFaults) as caught:
        load_law(paths, around=AROUND)
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (HOURS.replace("mon-fri", "mon-fry"), "hours[0].days", "days of the week"),
        (HOURS.replace("mon-fri", "fri-mon"), "hours[0].days", "days of the week"),
        (HOURS.replace("mon-fri", "mon mon"), "hours[0].days", "each day once"),
        (HOURS.replace('"mon-fri"', "5"), "hours[0].days", "days of the week"),
        (HOURS.replace("18:00", "25:00"), "hours[0].open[0]", "a span of the day"),
        (HOURS.replace("18:00", "08:00"), "hours[0].open[0]", "a span of the day"),
        (HOURS.replace('["09:00-18:00"]', "[]"), "hours[0].open", "at least one span"),
        (HOURS.replace('18:00"', '18:00", "17:00-19:00"'), "hours[0].open[1]", "spans that do not overlap"),
        (HOURS + 'holidays = "QQ"\n', "hours[0].holidays", "a calendar"),
        (HOURS + 'holidays = "US-QQ"\n', "hours[0].holidays", "a calendar"),
        (HOURS + 'holidays = "korea"\n', "hours[0].holidays", "a calendar"),
        (HOURS + 'eve = ["10:00-12:00"]\n', "hours[0].eve", "no eve without holidays"),
        (HOURS + 'widened_by = "luck"\n', "hours[0].widened_by", 'one of "night" or "hours"'),
        (HOURS + 'purposes = ["sales"]\n', "hours[0].purposes[0]", "one of"),
        (HOURS + 'since = "2026-01-01"\n', "hours[0].since", "a date without quotes"),
        (HOURS + "since = 2026-01-01T00:00:00\n", "hours[0].since", "a date without quotes"),
        (HOURS + "since = 2026-01-02\nuntil = 2026-01-02\n", "hours[0].until", "a day after since"),
        ('[[attempts]]\nmost = 3\nwindow = "1 day"\nper = "person"\n', "attempts[0].window", "a duration"),
        ('[[attempts]]\nmost = -1\nwindow = "day"\nper = "person"\n', "attempts[0].most", "at least 0"),
        ('[[attempts]]\nmost = 1\nwindow = "day"\nper = "house"\n', "attempts[0].per", "one of"),
        ('[[attempts]]\nmost = 1\nper = "person"\n', "attempts[0].window", '"day", or a duration'),
        ('[[cooldown]]\nafter = "refusal"\nwait = "never"\n', "cooldown[0].wait", "a duration"),
        ('[[cooldown]]\nafter = "conversation"\nwait = "91d"\n', "cooldown[0].wait", "at most 90 days"),
        ('[[cooldown]]\nafter = "conversation"\nwait = "forever"\n', "cooldown[0].wait", "at most 90 days"),
        ('[[redial]]\nwait = "72h"\nwaived_by_agent = true\n', "redial[0].agent_needed", "whether an agent"),
        ("[[ring]]\nmin_s = 15\nrings = 3\n", "ring[0].min_s", "min_s or rings"),
        ("[[ring]]\n", "ring[0].min_s", "min_s or rings"),
        ('[[voice]]\nfree = ["parrot"]\n', "voice[0].free[0]", "one of"),
        (
            '[[abandonment]]\nwindows = []\nthreshold_s = 2\nstarts_at = "answer"\n',
            "abandonment[0].windows",
            "",
        ),
        (
            '[[abandonment]]\ncap = 1\nwindows = ["24h"]\nthreshold_s = 2\nstarts_at = "answer"\n',
            "abandonment[0].cap",
            "less than 1",
        ),
        (
            '[[abandonment]]\nwindows = ["week"]\nthreshold_s = 2\nstarts_at = "answer"\n',
            "abandonment[0].windows[0]",
            "one of",
        ),
        ("[[consent]]\nopt_in = false\nreconfirm_years = 2\n", "consent[0].reconfirm_years", "no reconfirm_years"),
        ('[[consent]]\nopt_in = true\nneeds = ["luck"]\n', "consent[0].needs[0]", "one of"),
        (
            '[[consent]]\nopt_in = true\nexceptions = [{ name = "consent" }]\n',
            "consent[0].exceptions[0].name",
            "an exception from consent",
        ),
        (
            '[[registry]]\nregistry = "r"\nname = "R"\nexempt_by = [{ name = "contract", months = 3 }]\n',
            "registry[0].exempt_by[0].months",
            "no months but",
        ),
        ('[[caller_id]]\nrequired = true\nprefixes = ["140"]\n', "caller_id[0].prefixes[0]", "the first digits"),
        ("[[records]]\nkeep_days = 0\n", "records[0].keep_days", "at least 1"),
        ("[[duty]]\n", "duty[0].text", "what has to be done"),
    ],
)
def test_a_wrong_value_is_refused_at_its_key(tmp_path: Path, text: str, key: str, expected: str) -> None:
    """Times, days, calendars, dates and words that are none are faults at their key."""
    (fault,) = refuse(tmp_path, HEAD + text + TAIL)
    assert fault.key == key
    assert fault.expected.startswith(expected)
    assert fault.line is not None and fault.line > 3


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        (HEAD + HOURS + TAIL + 'sorce = "x"\n', "hours[0].sorce", "source"),
        (HEAD + "[[hour]]\n", "hour", "hours"),
        (HEAD.replace("name", "nam"), "nam", "name"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, key: str, hint: str) -> None:
    """A misspelt key or table is refused with the key it is nearest to."""
    fault = refuse(tmp_path, text)[0]
    assert (fault.key, fault.hint.rpartition(" ")[2]) == (key, hint)


def test_force_grade_and_source_have_no_default(tmp_path: Path) -> None:
    """A rule that does not say what it is and on what it rests is refused."""
    assert [fault.key for fault in refuse(tmp_path, HEAD + HOURS)] == [
        "hours[0].force",
        "hours[0].grade",
        "hours[0].source",
    ]


@pytest.mark.parametrize(
    ("code", "hint"),
    [("UK", "did you mean GB?"), ("us-fl", "did you mean US?"), ("US-florida", ""), ("Europe", "")],
)
def test_a_code_is_one_of_iso_3166(tmp_path: Path, code: str, hint: str) -> None:
    """Or EU, or HOUSE."""
    (fault,) = refuse(tmp_path, HEAD.replace("KR", code))
    assert (fault.key, fault.line) == ("code", 1)


def test_rules_without_a_jurisdiction_are_refused(tmp_path: Path) -> None:
    """Only a file of overrides alone needs no code."""
    (fault,) = refuse(tmp_path, HOURS + TAIL)
    assert fault.key == "code"


def test_rows_of_one_purpose_do_not_overlap(tmp_path: Path) -> None:
    """The fault is at the later row and names the earlier; rows for other purposes, or on other days, may."""
    late = HOURS.replace("09:00-18:00", "17:59-20:00")
    (fault,) = refuse(tmp_path, HEAD + HOURS + TAIL + late + TAIL)
    assert (fault.key, fault.line) == ("hours[1].open", 12)
    assert "0.toml:6" in fault.expected
    for other in (late.replace("mon-fri", "sat"), late + 'purposes = ["debt"]\n', late.replace("17:59", "18:00")):
        assert load_ruleset(write(tmp_path, HEAD + HOURS + TAIL + other + TAIL)).hours


def test_rows_of_one_purpose_make_one_rule(tmp_path: Path) -> None:
    """A split day, and Saturday in a row of its own; purposes with the same rows share a rule."""
    rows = (
        '[[hours]]\npurposes = ["telemarketing", "debt"]\ndays = "mon-fri"\nopen = ["09:00-12:00"]\n'
        + TAIL
        + '[[hours]]\npurposes = ["telemarketing", "debt"]\ndays = "mon"\nopen = ["13:00-18:00"]\n'
        + TAIL.replace("our own policy", "another")
        + '[[hours]]\npurposes = ["debt"]\ndays = "sat"\nopen = ["09:00-12:00"]\n'
        + TAIL
    )
    sales, debt = load_ruleset(write(tmp_path, HEAD + rows)).hours
    morning, afternoon = (32_400, 43_200), (46_800, 64_800)
    assert (sales.rule_id, debt.rule_id) == ("own.KR.hours.telemarketing", "own.KR.hours.debt")
    assert (sales.purposes, debt.purposes) == (("telemarketing",), ("debt",))
    assert sales.week == ((morning, afternoon), *[(morning,)] * 4, (), ())
    assert debt.week == ((morning, afternoon), *[(morning,)] * 4, (morning,), ())
    assert sales.source == "our own policy; another"


def test_rows_of_one_purpose_say_the_same_of_themselves(tmp_path: Path) -> None:
    """One rule has one force and one calendar; with an id of its own a row is another rule."""
    saturday = HOURS.replace("mon-fri", "sat") + 'holidays = "KR"\n'
    (fault,) = refuse(tmp_path, HEAD + HOURS + TAIL + saturday + TAIL)
    assert fault.key == "hours[1].holidays"
    law = load_law([write(tmp_path, HEAD + HOURS + TAIL + saturday + 'id = "sat"\n' + TAIL)], around=AROUND)
    (own,) = [ruleset for ruleset in law.rulesets if ruleset.origin != "built in"]
    assert [rule.rule_id for rule in own.hours] == ["own.KR.hours", "own.KR.hours.sat"]
    assert "KR" in law.holidays


def test_rule_ids_are_unique(tmp_path: Path) -> None:
    """Two rules of one kind and purpose need an id; so do those of two files."""
    ring = "[[ring]]\nmin_s = 20\n" + TAIL
    (fault,) = refuse(tmp_path, HEAD + ring + ring)
    assert (fault.key, fault.found) == ("ring[1].id", "own.KR.ring")
    assert "0.toml:4 has it already" in fault.hint
    (fault,) = refuse(tmp_path, HEAD + ring, HEAD + ring)
    assert fault.file.endswith("1.toml")


def test_an_operators_rules_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    """A file for a jurisdiction that is there adds a ruleset; the built-in one stays as it is."""
    law = load_law([write(tmp_path, HEAD + HOURS + TAIL)], around=AROUND)
    built_in, own = [ruleset for ruleset in law.rulesets if ruleset.code == "KR"]
    assert (built_in.origin, own.name, own.origin) == ("built in", "Ours", str(tmp_path / "house.toml"))
    assert [rule.rule_id for _, rule in rules_of(own)] == ["own.KR.hours"]
    assert load_law(around=AROUND).digest != law.digest


def test_parents_are_there_and_no_circle(tmp_path: Path) -> None:
    """A ruleset inherits from one that is loaded, and not from itself."""
    (fault,) = refuse(tmp_path, HEAD + 'inherits = ["PT"]\n')
    assert (fault.key, fault.found) == ("inherits[0]", '"PT"')
    (fault,) = refuse(tmp_path, HEAD + 'inherits = ["KR"]\n')
    assert fault.expected == "no ruleset that inherits this one"
    faults = refuse(
        tmp_path,
        HEAD.replace("KR", "PT") + 'inherits = ["AT"]\n',
        HEAD.replace("KR", "AT") + 'inherits = ["PT"]\n',
    )
    assert len(faults) == 2


OVERRIDE = '[[override]]\nrule = "KR.hours.telemarketing"\nreason = "we ask each person"\napproved_by = "the officer"\n'


def test_an_override_names_a_rule_with_a_reason(tmp_path: Path) -> None:
    """It is kept with who approved it and the file that says so, and changes the law's digest."""
    path = write(tmp_path, OVERRIDE)
    law = load_law([path], around=AROUND)
    assert law.overrides == (
        Override(
            rule_id="KR.hours.telemarketing",
            reason="we ask each person",
            approved_by="the officer",
            origin=str(path),
        ),
    )
    assert law.digest != load_law(around=AROUND).digest


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (OVERRIDE.replace("KR.hours.tele", "KR.hour.tele"), "override[0].rule"),
        (OVERRIDE + OVERRIDE, "override[1].rule"),
        (OVERRIDE.replace("we ask each person", ""), "override[0].reason"),
        (OVERRIDE.replace("we ask each person", "   "), "override[0].reason"),
        (OVERRIDE.replace('reason = "we ask each person"\n', ""), "override[0].reason"),
        (OVERRIDE.replace('approved_by = "the officer"\n', ""), "override[0].approved_by"),
    ],
)
def test_an_override_that_is_not_whole_is_refused(tmp_path: Path, text: str, key: str) -> None:
    """An unknown rule, the same rule twice, no reason, nobody who approved it."""
    (fault,) = refuse(tmp_path, text)
    assert fault.key == key


def test_every_fault_of_every_file_is_told(tmp_path: Path) -> None:
    """Files are loaded all or none."""
    faults = refuse(tmp_path, HEAD + HOURS, OVERRIDE.replace("KR", "XX"), "no toml")
    assert [fault.file.rpartition("/")[2] for fault in faults] == ["0.toml"] * 3 + ["2.toml", "1.toml"]


def test_an_unverified_rule_of_law_is_applied_as_the_houses(tmp_path: Path) -> None:
    """The file keeps the force that the text would have; the rule is applied as a house rule."""
    text = HEAD + HOURS + 'force = "law"\ngrade = "unverified"\nsource = "hearsay"\n'
    (rule,) = load_ruleset(write(tmp_path, text)).hours
    assert isinstance(rule, HoursRule)
    assert (rule.force, rule.applied_force) == (Force.LAW, Force.HOUSE)


def test_years_that_the_calendars_do_not_reach_are_not_known() -> None:
    """Far from today fewer years are known, never a year without its holidays."""
    first, last = load_law(around=946_684_800.0).holiday_years  # 2000
    assert first > 1998
    assert last == 2003 or last < first


def test_the_digest_is_the_same_for_the_same_law() -> None:
    """Within the same year the law has the same digest."""
    assert load_law(around=AROUND).digest == load_law(around=AROUND + 60).digest
