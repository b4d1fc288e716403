"""What a campaign file may not say, key by key."""

from pathlib import Path

import pytest

from dialer.config.campaign import load_campaign
from dialer.config.faults import ConfigFaults
from tests.unit.config.conftest import AGENTS, HEAD, Refuse


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('languages = ["Korean!"]', "languages[0]"),
        ('[abandonment]\nmessage_says = ["seller_name"]', "abandonment.message_says"),
        ('[compliance]\naudience = "pets"', "compliance.audience"),
        ('[compliance]\nvoice = "robot"', "compliance.voice"),
        ('[compliance]\nexceptions = ["friend"]', "compliance.exceptions[0]"),
        ('[compliance]\nexceptions = ["press", "press"]', "compliance.exceptions[1]"),
        ('[compliance]\nexceptions = ["business"]', "compliance.exceptions[0]"),
        ('[compliance]\nexceptions = ["charity"]', "compliance.exceptions[0]"),
        ('[compliance]\nvoice = "recorded"\nexceptions = ["solicitation"]', "compliance.exceptions[0]"),
        ("[consent]", "consent"),
        ('[list]\ncolumns = { number = "n", consent_at = "c" }\n[consent]\ntext = "absent.txt"', "consent.text"),
        ('[retention]\nerase_after = "90d"', "retention.erase_after"),
        ('[retention]\nerase_after = "0 days"', "retention.erase_after"),
        ("[dispositions]\na = { final = true, success = true, refusal = true }", "dispositions.a.refusal"),
        ("[dispositions]\na = { machine = true, refusal = true }", "dispositions.a.refusal"),
        ('caller_id = "02-1234"', "caller_id"),
        ('started = "yes"', "started"),
        ("[list]\nfiles = 3", "list.files"),
        ('[list]\ncolumns = { name = "n" }', "list.columns.number"),
        ('[list]\ncolumns = { number = "n", Name = "n" }', "list.columns.Name"),
        ('[list]\ncolumns = { number = "n", segmant = "n" }', "list.columns.segmant"),
        ("[list]\ncolumns = { number = [] }", "list.columns.number"),
        ('[list]\ncolumns = { number = [" n"] }', "list.columns.number[0]"),
        ('[list]\nencoding = "klingon"', "list.encoding"),
        ('[list]\nencoding = "base64"', "list.encoding"),
        ("[list]\norder = []", "list.order"),
        ('[list]\norder = ["priority"]', "list.order[0]"),
        ('[list]\norder = ["priority desc", "priority asc"]', "list.order[1]"),
        ('[list]\norder = ["segment: a,, b"]', "list.order[0]"),
        ('[list]\ncolumns = { number = "n" }\norder = ["segment: a"]', "list.order[0]"),
        ('[pacing]\nmode = "fast"', "pacing.mode"),
        ('[pacing]\nmode = "predictive"\nratio = 2', "pacing.ratio"),
        ('[pacing]\nmode = "power"\nratio = 0.9', "pacing.ratio"),
        ('[pacing]\nmode = "power"\nratio = 10.1', "pacing.ratio"),
        ("[pacing]\npreview_timeout_s = 30", "pacing.preview_timeout_s"),
        ("[pacing]\nring_timeout_s = 14.9", "pacing.ring_timeout_s"),
        ("[pacing]\nring_timeout_s = 121", "pacing.ring_timeout_s"),
        ('[pacing]\nring_timeout_s = "22"', "pacing.ring_timeout_s"),
        ("[pacing]\nlines = 0", "pacing.lines"),
        ('[pacing]\nshadow = "predicitve"', "pacing.shadow"),
        ('[pacing]\nshadow = "preview"', "pacing.shadow"),
        ('[pacing]\nshadow = "power"', "pacing.shadow"),
        ('[pacing]\nshadow = "power:0.9"', "pacing.shadow"),
        ('[pacing]\nshadow = "power:nan"', "pacing.shadow"),
        ('[pacing]\nshadow = "predictive:2"', "pacing.shadow"),
        ('[pacing]\nshadow = "progressive"', "pacing.shadow"),
        ('[pacing]\nmode = "power"\nshadow = "power:1.50"', "pacing.shadow"),
        ('[pacing]\nmode = "preview"\nshadow = "predictive"', "pacing.shadow"),
        ("[abandonment]\ntarget = 0.031", "abandonment.target"),
        ("[abandonment]\ntarget = -0.01", "abandonment.target"),
        ("[abandonment]\ncap = 1", "abandonment.cap"),
        ("[abandonment]\ncap = 0", "abandonment.cap"),
        ("[abandonment]\nthreshold_s = nan", "abandonment.threshold_s"),
        ("[abandonment]\nthreshold_s = -1", "abandonment.threshold_s"),
        ('[abandonment]\nunit = "caller"', "abandonment.unit"),
        ("[abandonment]\namd_people = 0\namd_checked = 0", "abandonment.amd_checked"),
        ("[abandonment]\namd_checked = 500", "abandonment.amd_checked"),
        ("[abandonment]\namd_people = 5", "abandonment.amd_people"),
        ("[abandonment]\namd_checked = 5\namd_people = 6", "abandonment.amd_people"),
        ('[abandonment]\nwindow = "7d"', "abandonment.window"),
        ("[abandonment]\nthreshold_s = 11", "abandonment.threshold_s"),
        ('[abandonment]\nstarts_at = "greeting"', "abandonment.starts_at"),
        ('[abandonment]\nmessage = "absent.wav"', "abandonment.message"),
        ('[abandonment]\ntime_zone = "Asia/Soul"', "abandonment.time_zone"),
        ("[hours]", "hours"),
        ("hours = { monday = [] }", "hours"),
        ('[hours]\nweekdays = "09:00-12:00"', "hours.weekdays"),
        ('[hours]\nweekdays = ["9:00-12:00"]', "hours.weekdays[0]"),
        ('[hours]\nweekdays = ["09:00-09:00"]', "hours.weekdays[0]"),
        ('[hours]\nweekdays = ["12:00-09:00"]', "hours.weekdays[0]"),
        ('[hours]\nweekdays = ["09:00-24:01"]', "hours.weekdays[0]"),
        ('[hours]\nweekdays = ["09:60-11:00"]', "hours.weekdays[0]"),
        ('[hours]\nweekdays = ["09:00-11:00", "10:59-12:00"]', "hours.weekdays[1]"),
        ("[retry]\nattempts_max = 0", "retry.attempts_max"),
        ('[retry]\nno_answer = { after = "27h" }', "retry.no_answer.times"),
        ("[retry]\nno_answer = { times = 1 }", "retry.no_answer.after"),
        ('[retry]\nbusy = { after = "10 m", times = 1 }', "retry.busy.after"),
        ("[retry]\nbusy = { after = 600, times = 1 }", "retry.busy.after"),
        ('[retry]\nbusy = { after = "9s", times = 1 }', "retry.busy.after"),
        ('[retry]\nbusy = { after = "91d", times = 1 }', "retry.busy.after"),
        ('[retry]\nbusy = { after = "", times = 1 }', "retry.busy.after"),
        ('[retry]\nconnected = { after = "1d", times = 1 }', "retry.connected"),
        ('[retry]\ninvalid = { after = "1d", times = 1 }', "retry.invalid"),
        ('[numbers]\norder = "random"', "numbers.order"),
        ("[numbers]\nattempts_each = 0", "numbers.attempts_each"),
        ('[numbers]\nnext_after = "10m\\n"', "numbers.next_after"),
        ('[callbacks]\nmissed = "forget"', "callbacks.missed"),
        ('[callbacks]\nretry_after = "1h"', "callbacks.retry_after"),
        ('[callbacks]\nwait = "25h"', "callbacks.wait"),
        ("[agents]\ngroups = []", "agents.groups"),
        ('[agents]\ngroups = ["a", "a"]', "agents.groups[1]"),
        ('[agents]\ngroups = ["a"]\nwrap_up_max_s = 0', "agents.wrap_up_max_s"),
        ('[agents]\ngroups = ["a"]\noccupancy_max = 0.4', "agents.occupancy_max"),
        ('[agents]\ngroups = ["a"]\nmin_gap_s = inf', "agents.min_gap_s"),
        ('[script]\nfile = "absent.md"', "script.file"),
        ('[script]\nfile = "."', "script.file"),
        ("[script]", "script.file"),
        ("[dispositions]", "dispositions"),
        ("[dispositions]\na = {}", "dispositions.a"),
        ('[dispositions]\n"A b" = { final = true }', 'dispositions."A b"'),
        ("[dispositions]\na = { final = true, schedule = true }", "dispositions.a.schedule"),
        ('[dispositions]\na = { machine = true, retry_after = "1d" }', "dispositions.a.retry_after"),
        ('[dispositions]\na = { number = "invalid", schedule = true }', "dispositions.a.schedule"),
        ('[dispositions]\na = { schedule = true, do_not_call = "seller" }', "dispositions.a.do_not_call"),
        ('[dispositions]\na = { final = true, do_not_call = "all" }', "dispositions.a.do_not_call"),
        ("[dispositions]\na = { final = true, machine = true, success = true }", "dispositions.a.success"),
        ("[dispositions]\na = { machine = true, right_party = true }", "dispositions.a.right_party"),
        ('[dispositions]\na = { number = "wrong" }', "dispositions.a.number"),
    ],
)
def test_a_wrong_value_is_refused_at_its_key(refuse: Refuse, text: str, key: str) -> None:
    """Each value out of range, of another type or without effect is one fault at its key, on its line."""
    (fault,) = refuse(text)
    assert fault.key == key
    assert fault.line == 4 + len(text.split("\n"))


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[pacing]\nrong_timeout_s = 22", "pacing.rong_timeout_s", "ring_timeout_s"),
        ("[retry]\nno_anser = {}", "retry.no_anser", "no_answer"),
        ('[retry]\nbusy = { aftr = "1h", after = "1h", times = 1 }', "retry.busy.aftr", "after"),
        ("[dispositions]\na = { final = true, do-not-call = true }", "dispositions.a.do-not-call", "do_not_call"),
        ("[pacng]", "pacng", "pacing"),
    ],
)
def test_an_unknown_key_names_the_nearest(refuse: Refuse, text: str, key: str, nearest: str) -> None:
    """A misspelt key or table is refused with the key it is nearest to."""
    (fault,) = refuse(text)
    assert (fault.key, fault.hint) == (key, f"nearest known key: {nearest}")


def test_missing_keys_point_to_their_table(refuse: Refuse) -> None:
    """A required key that is absent is told on the line of its table."""
    (fault,) = refuse("# a comment\n[agents]\nmin_gap_s = 1")
    assert (fault.key, fault.line, fault.found) == ("agents.groups", 6, "nothing")


def test_all_faults_of_a_file_come_at_once(refuse: Refuse) -> None:
    """Faults in several tables are told together, in the order of their lines."""
    faults = refuse('[retry]\nattempts_max = 0\nbusy = 3\n[pacing]\nmode = 1\nlines = "x"\n[hours]\nsunday = ["x"]\n')
    assert [(fault.line, fault.key) for fault in faults] == [
        (6, "retry.attempts_max"),
        (7, "retry.busy"),
        (9, "pacing.mode"),
        (10, "pacing.lines"),
        (12, "hours.sunday[0]"),
    ]


def test_a_fault_in_a_list_has_the_line_of_its_item(refuse: Refuse) -> None:
    """In an array over several lines the fault is told where its item stands."""
    (fault,) = refuse('[list]\norder = [\n  "callback",\n  "shufle",\n]')
    assert (fault.line, fault.hint) == (8, 'nearest known item: "shuffle"')


def test_a_wrong_choice_names_the_nearest_value(refuse: Refuse) -> None:
    """A misspelt word among a few known ones is refused with the one it is nearest to."""
    (fault,) = refuse('[pacing]\nmode = "predctive"')
    assert fault.hint == "nearest known value: predictive"
    assert fault.expected == 'one of "preview", "progressive", "power" or "predictive"'


def test_the_united_kingdom_is_gb(tmp_path: Path) -> None:
    """A country code that people often mistake is refused with the right one."""
    path = tmp_path / "x.toml"
    path.write_text(HEAD.replace('"KR"', '"UK"') + AGENTS)
    with pytest.raises(ConfigFaults) as caught:
        load_campaign(path)
    (fault,) = caught.value.faults
    assert (fault.line, fault.key, fault.hint) == (4, "jurisdiction", "did you mean GB?")


def test_text_from_a_file_cannot_reach_the_terminal_raw(refuse: Refuse) -> None:
    """Control characters in keys and values are escaped, and long values are cut."""
    (key, value) = refuse('"\\u001b[31m" = 1\nlanguages = ["\\u009b2J' + "x" * 500 + '"]')
    assert "\x1b" not in str(key) and "\x9b" not in str(value)
    assert len(str(value)) < 300
