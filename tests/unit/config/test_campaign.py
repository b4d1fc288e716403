"""Campaign files: what each key becomes."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from dialer.config.campaign import load_campaign, load_campaigns
from dialer.config.faults import ConfigFaults
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AbandonmentUnit,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    ClockStart,
    CompliancePolicy,
    DispositionPolicy,
    EraseAfter,
    HoursPolicy,
    ListConsentPolicy,
    ListPolicy,
    MissedCallback,
    NumberOrder,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetentionPolicy,
    RetryPolicy,
    RetryRule,
    ShadowPolicy,
    Window,
)
from tests.unit.config.conftest import AGENTS, HEAD, Load

ROOT = Path(__file__).parents[3]

EVERY_KEY = """
name = "full"
seller = "Example Telecom"
purpose = "debt"
jurisdiction = "JP"
languages = ["ja", "en-GB"]
caller_id = "+12025550100"
started = false

[list]
files = ["people.csv"]
columns = { number = ["a", "b"], name = "c", segment = "d", priority = "p", consent_at = "e" }
encoding = "cp949"
order = ["segment: x, y", "due asc", "priority asc", "attempts desc"]

[pacing]
mode = "power"
ratio = 2
ring_timeout_s = 30
lines = 12
shadow = "power:2.5"
detector = false

[abandonment]
target = 0.01
cap = 0.02
window = "calendar-month"
threshold_s = 1.5
starts_at = "answer"
message = "sorry.wav"
message_says = ["seller_name", "no_sales"]
time_zone = "Asia/Tokyo"
unit = "seller"
amd_checked = 500
amd_people = 5

[hours]
weekdays = ["13:00-18:00", "09:30-12:00"]
wednesday = []
friday = ["00:00-24:00"]
sunday = ["10:00-10:01"]

[retry]
attempts_max = 5
vary_hour = false
no_answer = { after = "27h", times = 1 }
busy = { after = "10m", times = 2 }
machine = { after = "1d", times = 3 }
rejected = { after = "1h30m", times = 4 }
congestion = { after = "90s", times = 5 }
abandoned = { after = "3d", times = 6 }
abandoned_by_callee = { after = "2d", times = 7 }
cancelled = { after = "1h", times = 8 }
unknown = { after = "72h", times = 9 }

[numbers]
order = "fixed-first"
attempts_each = 2
next_after = "0s"

[callbacks]
missed = "retry"
wait = "5m"
retry_after = "2h"

[agents]
groups = ["g", "h"]
wrap_up_max_s = 30
min_gap_s = 3
occupancy_max = 0.9

[script]
file = "script.md"

[compliance]
subject = "loans"
audience = "business"
voice = "recorded"
exceptions = ["business", "existing_customer"]

[consent]
text = "consent.txt"
method = "web form"
source = "own customers"
recipients = ["Example Partner"]
written = true

[retention]
erase_after = "90 days"

[dispositions]
sale = { final = true, success = true }
no = { final = true, do_not_call = "seller" }
later = { schedule = true }
other = { retry_after = "1d", right_party = false }
wrong = { number = "invalid" }
robot = { machine = true }
declined = { final = true, refusal = true }
"""

WEEK = (((34_200, 43_200), (46_800, 64_800)),) * 2

FULL = CampaignPolicy(
    name="full",
    seller="Example Telecom",
    purpose="debt",
    jurisdiction="JP",
    languages=("ja", "en-GB"),
    caller_id="+12025550100",
    is_started=False,
    list=ListPolicy(
        files=("people.csv",),
        columns={"number": ("a", "b"), "name": ("c",), "segment": ("d",), "priority": ("p",), "consent_at": ("e",)},
        encoding="cp949",
        order=("segment: x, y", "due asc", "priority asc", "attempts desc"),
    ),
    pacing=PacingPolicy(
        mode=PacingMode.POWER,
        ratio=2.0,
        ring_timeout_s=30.0,
        lines=12,
        shadow=ShadowPolicy(mode=PacingMode.POWER, ratio=2.5),
        has_detector=False,
    ),
    abandonment=AbandonmentPolicy(
        target_rate=0.01,
        cap_rate=0.02,
        window=Window.CALENDAR_MONTH,
        threshold_s=1.5,
        starts_at=ClockStart.ANSWER,
        message="sorry.wav",
        time_zone="Asia/Tokyo",
        unit=AbandonmentUnit.SELLER,
        amd_checked=500,
        amd_people=5,
        message_says=("seller_name", "no_sales"),
    ),
    hours=HoursPolicy(week=(*WEEK, (), WEEK[0], ((0, 86_400),), (), ((36_000, 36_060),))),
    retry=RetryPolicy(
        rules={
            Outcome.NO_ANSWER: RetryRule(after_s=97_200.0, times=1),
            Outcome.BUSY: RetryRule(after_s=600.0, times=2),
            Outcome.MACHINE: RetryRule(after_s=86_400.0, times=3),
            Outcome.REJECTED: RetryRule(after_s=5_400.0, times=4),
            Outcome.CONGESTION: RetryRule(after_s=90.0, times=5),
            Outcome.ABANDONED: RetryRule(after_s=259_200.0, times=6),
            Outcome.ABANDONED_BY_CALLEE: RetryRule(after_s=172_800.0, times=7),
            Outcome.CANCELLED: RetryRule(after_s=3_600.0, times=8),
            Outcome.UNKNOWN: RetryRule(after_s=259_200.0, times=9),
        },
        attempts_max=5,
        is_hour_varied=False,
    ),
    numbers=NumbersPolicy(order=NumberOrder.FIXED_FIRST, attempts_each=2, next_after_s=0.0),
    callbacks=CallbackPolicy(missed=MissedCallback.RETRY, wait_s=300.0, retry_after_s=7_200.0),
    agents=AgentsPolicy(groups=("g", "h"), wrap_up_max_s=30.0, min_gap_s=3.0, occupancy_max=0.9),
    script="script.md",
    compliance=CompliancePolicy(
        subject="loans", audience="business", voice="recorded", exceptions=("business", "existing_customer")
    ),
    consent=ListConsentPolicy(
        text_hash=hashlib.sha256(b"I agree.").hexdigest(),
        method="web form",
        source="own customers",
        recipients=("Example Partner",),
        is_written=True,
    ),
    retention=RetentionPolicy(erase_after=EraseAfter.DAYS, days=90),
    dispositions={
        "sale": DispositionPolicy(name="sale", is_final=True, is_success=True),
        "no": DispositionPolicy(name="no", is_final=True, is_do_not_call=True),
        "later": DispositionPolicy(name="later", is_schedule=True),
        "other": DispositionPolicy(name="other", is_right_party=False, retry_after_s=86_400.0),
        "wrong": DispositionPolicy(name="wrong", is_right_party=False, is_number_invalid=True),
        "robot": DispositionPolicy(name="robot", is_right_party=False, is_machine=True),
        "declined": DispositionPolicy(name="declined", is_final=True, is_refusal=True),
    },
)


def write(folder: Path, text: str, name: str = "x.toml") -> Path:
    """Write a campaign file, and beside it the files that the full one names."""
    for beside in ("people.csv", "sorry.wav", "script.md"):
        (folder / beside).touch()
    (folder / "consent.txt").write_text("I agree.", encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def in_folder(policy: CampaignPolicy, folder: Path, text: str) -> CampaignPolicy:
    """The same policy with absolute paths and the digest of its text."""
    return dataclasses.replace(
        policy,
        list=dataclasses.replace(policy.list, files=tuple(str(folder / name) for name in policy.list.files)),
        abandonment=dataclasses.replace(policy.abandonment, message=str(folder / "sorry.wav")),
        script=str(folder / "script.md"),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def test_every_key_is_honoured(tmp_path: Path) -> None:
    """Each key of a campaign file becomes the policy's field that it names."""
    assert load_campaign(write(tmp_path, EVERY_KEY)) == in_folder(FULL, tmp_path, EVERY_KEY)


def unchanged(policy: Any, default: Any, prefix: str = "") -> list[str]:
    """The fields of a policy that have the same value in another."""
    same = []
    for field in dataclasses.fields(policy):
        left, right = getattr(policy, field.name), getattr(default, field.name)
        if dataclasses.is_dataclass(left) and dataclasses.is_dataclass(right):
            same += unchanged(left, right, f"{prefix}{field.name}.")
        elif left == right:
            same.append(prefix + field.name)
    return same


def test_every_field_of_the_policy_can_be_set(tmp_path: Path, load: Load) -> None:
    """Every field differs between a full and a minimal file, but the same seller and what only preview may set."""
    least = load("")
    assert unchanged(FULL, least) == ["seller", "pacing.preview_timeout_s"]
    preview = load('[pacing]\nmode = "preview"\npreview_timeout_s = 20\n')
    assert preview.pacing == PacingPolicy(mode=PacingMode.PREVIEW, preview_timeout_s=20.0)


def test_defaults_are_those_of_the_policies(load: Load) -> None:
    """A file with the required keys alone means the defaults of the domain's policies."""
    policy = load("")
    assert policy.list == ListPolicy()
    assert policy.pacing == PacingPolicy()
    assert policy.abandonment == AbandonmentPolicy()
    assert policy.retry == RetryPolicy()
    assert policy.numbers == NumbersPolicy()
    assert policy.callbacks == CallbackPolicy()
    assert policy.agents == AgentsPolicy(groups=("g",))
    assert policy.compliance == CompliancePolicy(subject="survey")
    assert policy.consent == ListConsentPolicy()
    assert policy.retention == RetentionPolicy()
    assert (policy.languages, policy.caller_id, policy.script, policy.is_started) == ((), None, None, True)


def test_without_hours_the_house_hours_hold(load: Load) -> None:
    """A campaign without [hours] calls on weekdays 09:00-20:00, on Saturday 10:00-17:00, never on Sunday."""
    assert load("").hours.week == (*(((32_400, 72_000),),) * 5, ((36_000, 61_200),), ())


def test_with_hours_a_day_not_named_is_closed(load: Load) -> None:
    """[hours] replaces the house hours as a whole."""
    assert load('[hours]\ntuesday = ["10:00-11:00"]').hours.week == ((), ((36_000, 39_600),), (), (), (), (), ())


def test_without_dispositions_the_house_words_hold(load: Load) -> None:
    """A campaign without [dispositions] has six words, which mean what they say."""
    words = load("").dispositions
    assert list(words) == ["done", "refused", "do_not_call", "callback", "wrong_number", "machine"]
    assert [word for word, policy in words.items() if policy.is_refusal] == ["refused"]
    assert words["done"].is_success and words["do_not_call"].is_do_not_call and words["callback"].is_schedule
    assert words["wrong_number"].is_number_invalid and words["machine"].is_machine


def test_paths_are_relative_to_the_file(tmp_path: Path, load: Load) -> None:
    """A script in another folder is found from the campaign's folder, and its path is kept absolute."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "a.md").touch()
    assert load('[script]\nfile = "scripts/../scripts/a.md"').script == str(tmp_path / "scripts" / "a.md")


def test_several_files_are_loaded_in_the_order_given(tmp_path: Path) -> None:
    """Policies come in the order of their files."""
    paths = [write(tmp_path, HEAD.replace('"x"', f'"{name}"') + AGENTS, f"{name}.toml") for name in "cab"]
    assert [policy.name for policy in load_campaigns(paths)] == ["c", "a", "b"]


def test_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """One broken file refuses all, and the error names the faults of each file in order."""
    good = write(tmp_path, HEAD + AGENTS, "good.toml")
    syntax = write(tmp_path, "name = \n", "syntax.toml")
    values = write(tmp_path, HEAD.replace("KR", "XX") + AGENTS + "min_gap_s = 601\n", "values.toml")
    with pytest.raises(ConfigFaults) as caught:
        load_campaigns([syntax, good, values, tmp_path / "absent.toml"])
    places = [(Path(fault.file).name, fault.line, fault.key) for fault in caught.value.faults]
    assert places == [
        ("syntax.toml", 1, ""),
        ("values.toml", 4, "jurisdiction"),
        ("values.toml", 7, "agents.min_gap_s"),
        ("absent.toml", None, ""),
    ]


def test_two_files_may_not_share_a_name(tmp_path: Path) -> None:
    """The second file of a name is refused at its name, with the place of the first."""
    first = write(tmp_path, HEAD + AGENTS, "first.toml")
    second = write(tmp_path, "# a comment\n" + HEAD + AGENTS, "second.toml")
    with pytest.raises(ConfigFaults) as caught:
        load_campaigns([first, second])
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.hint) == (str(second), 2, f"{first}:1 has it already")


def test_the_shipped_campaigns_load() -> None:
    """The three examples are valid, start on load, and call in the daytime of a weekday."""
    paths = sorted((ROOT / "campaigns").glob("*.toml"))
    policies = {policy.name: policy for policy in load_campaigns(paths)}
    assert {name: (policy.pacing.mode, policy.agents.groups) for name, policy in policies.items()} == {
        "reminder-jp": (PacingMode.PROGRESSIVE, ("reminders",)),
        "renewal-kr": (PacingMode.PREDICTIVE, ("renewals",)),
        "survey-en": (PacingMode.POWER, ("survey",)),
    }
    morning_s, afternoon_s = 11 * 3600, 15 * 3600
    for policy in policies.values():
        assert policy.is_started
        for at_s in (morning_s, afternoon_s):
            assert any(start_s <= at_s < end_s for start_s, end_s in policy.hours.week[0])


@pytest.mark.parametrize("mode", ["progressive", "preview"])
def test_two_settings_are_taken_where_they_have_no_effect(load: Load, mode: str) -> None:
    """docs/campaigns.md names them: a target of a mode that steers to none, callbacks that no disposition promises."""
    policy = load(
        f'[pacing]\nmode = "{mode}"\n[abandonment]\ntarget = 0.01\n[callbacks]\nwait = "5m"\n'
        "[dispositions]\ndone = { final = true }\n"
    )
    assert (policy.abandonment.target_rate, policy.callbacks.wait_s) == (0.01, 300.0)
