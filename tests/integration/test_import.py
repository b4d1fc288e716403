"""Lists brought into a real database: the shipped ones, dirty ones, broken ones."""

import csv
import importlib.util
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from dialer.config.campaign import load_campaigns
from dialer.daemon.imports import ImportReport, import_list
from dialer.domain.policy import CampaignPolicy
from dialer.errors import ListError
from dialer.leads.numbers import NOBODY
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.unit.leads.campaigns import campaign
from tests.vaults import make_vault, read_state

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "campaigns" / "lists"
NOW = 1_772_323_200.0
PROGRAM = "from dialer.cli.main import app; app()"


def shipped() -> dict[str, CampaignPolicy]:
    """The campaign of each shipped list, by the list's name."""
    policies = load_campaigns(sorted((ROOT / "campaigns").glob("*.toml")))
    return {Path(file).name: policy for policy in policies for file in policy.list.files}


def snapshot(store: Store, name: str) -> list[object]:
    return list(store.leads(name))


def adds_up(report: ImportReport) -> bool:
    ends = report.rows == report.loaded + report.merged + report.rejected
    return ends and sum(report.reasons.values()) == report.rejected and report.unchanged <= report.merged


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that makes the shipped lists."""
    spec = importlib.util.spec_from_file_location("make_lists", LISTS / "make_lists.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "encoding", "rows", "loaded", "merged", "reasons", "lost"),
    [
        (
            "renewal-kr.csv",
            "cp949",
            5_000,
            4_775,
            146,
            {
                "no_number": 27,
                "precision_lost": 17,
                "malformed_number": 14,
                "bad_priority": 8,
                "not_assigned": 7,
                "too_many_cells": 6,
            },
            {"malformed_number": 24, "not_assigned": 15, "precision_lost": 8},
        ),
        (
            "reminder-jp.csv",
            "cp932",
            1_500,
            1_436,
            37,
            {"no_number": 17, "malformed_number": 8, "precision_lost": 2},
            {"malformed_number": 32, "precision_lost": 8},
        ),
        (
            "survey-us.xlsx",
            None,
            800,
            713,
            45,
            {"no_number": 19, "precision_lost": 10, "malformed_number": 8, "not_assigned": 5},
            {"malformed_number": 2},
        ),
        (
            "survey-uk.csv",
            "utf-8-sig",
            800,
            749,
            25,
            {"malformed_number": 14, "no_number": 8, "precision_lost": 4},
            {"malformed_number": 21, "precision_lost": 6},
        ),
    ],
)
def test_shipped_lists_import_as_documented(
    tmp_path: Path,
    name: str,
    encoding: str | None,
    rows: int,
    loaded: int,
    merged: int,
    reasons: dict[str, int],
    lost: dict[str, int],
) -> None:
    """Every row of the four lists ends as expected; a second import changes nothing, not even a lead's bytes."""
    path = shutil.copy(LISTS / name, tmp_path)
    policy = shipped()[name]
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        report = import_list(path, policy, store, NOW)
        assert adds_up(report)
        assert (report.encoding.name if report.encoding else None) == encoding
        assert (report.rows, report.loaded, report.merged) == (rows, loaded, merged)
        assert (report.reasons, report.lost_numbers) == (reasons, lost)
        before = snapshot(store, policy.name)
        assert len(before) == loaded
        again = import_list(path, policy, store, NOW + 60)
        assert (again.loaded, again.merged, again.unchanged) == (0, loaded + merged, loaded + merged)
        assert (again.rejected, again.digest) == (report.rejected, report.digest)
        assert snapshot(store, policy.name) == before


def test_every_shipped_number_reaches_nobody(tmp_path: Path) -> None:
    """Each number loaded from the shipped lists is from a range kept for fiction or never assigned."""
    british = ("442079460", "441134960", "441174960", "441214960", "441314960", "441614960", "442920180")
    drama = (*british, "447700900", "441632960")
    for name, policy in shipped().items():
        path = shutil.copy(LISTS / name, tmp_path)
        with Store(SqliteDatabase(tmp_path / f"{name}.db"), make_vault()) as store:
            import_list(path, policy, store, NOW)
            numbers = [number for lead in store.leads(policy.name) for number in lead.numbers]
        assert numbers
        for number in numbers:
            digits = number.e164.removeprefix("+")
            if number.region == "US":
                assert digits[4:9] == "55501", number
            elif number.region == "GB":
                assert digits.startswith(drama), number
            else:
                code = int(digits[:2])
                found = [each for each in NOBODY[code] if each.pattern.fullmatch(digits[2:])]
                assert found, number
                assert found[0].kind == number.kind
                assert number.zones == (("Asia/Seoul",) if code == 82 else ("Asia/Tokyo",))


def test_the_shipped_lists_are_what_the_script_makes(tmp_path: Path, maker: ModuleType) -> None:
    """Made anew they are the same: text byte for byte, the workbook cell by cell."""
    maker.make_all(tmp_path)
    for name in ("renewal-kr.csv", "reminder-jp.csv", "survey-uk.csv"):
        assert (tmp_path / name).read_bytes() == (LISTS / name).read_bytes()
    sheets = [
        list(maker.openpyxl.load_workbook(folder / "survey-us.xlsx").active.values) for folder in (tmp_path, LISTS)
    ]
    assert sheets[0] == sheets[1]


def test_rejects_stand_beside_the_list(tmp_path: Path) -> None:
    """With line, reason, explanation and the row as it was; the file goes away when nothing is rejected any more."""
    path = tmp_path / "list.csv"
    path.write_text("name,phone,phone2\na,010-0123-4567,nope\nb,,\n\nc,nope,=1+1\n,,\n", encoding="utf-8")
    rejects = tmp_path / "list.csv.rejects.csv"
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        report = import_list(path, campaign(), store, NOW)
        assert (report.rows, report.loaded, report.rejected) == (3, 1, 2)
        assert report.rejects_path == str(rejects)
        with rejects.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["line", "rejected", "reason", "explanation", "name", "phone", "phone2"]
        assert [row[:3] + row[4:] for row in rows[1:]] == [
            ["2", "number", "malformed_number", "a", "010-0123-4567", "nope"],
            ["3", "row", "no_number", "b", "", ""],
            ["5", "row", "malformed_number", "c", "nope", "=1+1"],
        ]
        path.write_text("name,phone,phone2\na,010-0123-4567,\n", encoding="utf-8")
        assert import_list(path, campaign(), store, NOW).rejects_path is None
    assert not rejects.exists()
    assert sorted(entry.name for entry in tmp_path.glob("*list*")) == ["list.csv"]


def test_rejects_are_for_their_user_alone(tmp_path: Path) -> None:
    """The file of rejects has whole numbers: it is made 0600, in place of an earlier one with any mode."""
    path = tmp_path / "list.csv"
    path.write_text("phone\nnobody\n", encoding="utf-8")
    rejects = tmp_path / "list.csv.rejects.csv"
    rejects.touch(mode=0o644)
    before = os.umask(0)
    try:
        with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
            report = import_list(path, campaign(columns={"number": ("phone",)}), store, NOW)
    finally:
        os.umask(before)
    assert (report.rejects_path, stat.S_IMODE(rejects.stat().st_mode)) == (str(rejects), 0o600)


def test_a_person_met_twice_is_one_lead_with_all_numbers(tmp_path: Path) -> None:
    """Shared numbers unite rows, within the list and with what the campaign has already."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("name,phone,phone2\na,010-0000-0001,010-0000-0002\nA,+82 10 0000 0002,010-0000-0003\n")
    second.write_text("name,phone,phone2\n,010-0000-0003,010-0000-0004\n")
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        report = import_list(first, campaign(), store, NOW)
        assert (report.loaded, report.merged, report.unchanged) == (1, 1, 0)
        report = import_list(second, campaign(), store, NOW)
        assert (report.loaded, report.merged) == (0, 1)
        [lead] = store.leads("try-out")
    assert lead.name == "a"
    assert [number.e164[-1] for number in lead.numbers] == ["1", "2", "3", "4"]


def test_a_dry_run_reports_and_loads_nothing(tmp_path: Path) -> None:
    """The report and the rejects are those of the real import."""
    path = tmp_path / "list.csv"
    path.write_text("name,phone,phone2\na,010-0123-4567,\nb,,\n")
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        report = import_list(path, campaign(), store, NOW, is_dry_run=True)
        assert (report.loaded, report.rejected, report.is_dry_run) == (1, 1, True)
        assert snapshot(store, "try-out") == []
        assert (tmp_path / "list.csv.rejects.csv").exists()
        assert import_list(path, campaign(), store, NOW).loaded == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", b"name,phone,phone2\n" + b"a,010-0123-4567,\n" * 600 + b"b,\0,\n", r":602: a NUL byte"),
        ("list.csv", b"name,phone,phone2\na,010-0123-4567,\n" + b"x" * 10_000_000, r":3: a line or quoted record"),
        ("list.csv", b"name,phone,phone2\n", r"headings but no row under them"),
        ("list.csv", b"name,phone,phone2\n,,\n", r"headings but no row under them"),
        ("list.csv", b"name,phones\na,010-0123-4567\n", r"number: expected 'phone' or 'phone2'"),
        ("list.csv", b"a,b\nc,d\n", r"fit nothing in this file"),
        ("list.jsonl", b'{"name": "a", "phone": "010-0123-4567"}\n{"name": ', r":2: not JSON"),
    ],
)
def test_a_broken_list_loads_nothing(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """However late the fault comes: no lead, no rejects file, no temporary file."""
    path = tmp_path / name
    path.write_bytes(content)
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        with pytest.raises(ListError, match=message) as caught:
            import_list(path, campaign(), store, NOW)
        assert str(path) in str(caught.value)
        assert "Nothing was loaded." in str(caught.value)
        assert snapshot(store, "try-out") == []
    assert [entry.name for entry in tmp_path.glob("*list*")] == [name]


def test_rejects_that_cannot_be_written_stop_the_import_first(tmp_path: Path) -> None:
    """Before a single lead is loaded."""
    path = tmp_path / "list.csv"
    path.write_text("name,phone,phone2\na,010-0123-4567,\n")
    (tmp_path / "list.csv.rejects.csv").mkdir()
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        with pytest.raises(ListError, match=r"rejected rows go to .*list\.csv\.rejects\.csv, which cannot be written"):
            import_list(path, campaign(), store, NOW)
        assert snapshot(store, "try-out") == []


def test_progress_is_told_in_rows_and_shares(tmp_path: Path) -> None:
    """It never runs back and ends with the whole file."""
    path = tmp_path / "list.csv"
    path.write_text("name,phone,phone2\n" + "".join(f"a,010-0000-{n:04},\n" for n in range(1_000)))
    told: list[tuple[int, float]] = []
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as store:
        import_list(path, campaign(), store, NOW, progress=lambda rows, share: told.append((rows, share)))
    assert told == sorted(told)
    assert [rows for rows, _ in told] == [250, 500, 750, 1_000, 1_000]
    assert told[-1][1] == 1.0


def test_all_formats_give_the_same_leads(tmp_path: Path) -> None:
    """CSV, a workbook, JSON lines and Parquet with the same cells make the same leads."""
    import openpyxl
    import pyarrow
    import pyarrow.parquet

    rows = [{"name": f"고객{n}", "phone": f"010-0000-{n:04}", "phone2": ""} for n in range(20)]
    with (tmp_path / "list.csv").open("w", encoding="cp949", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "list.parquet")
    book = openpyxl.Workbook()
    for cells in [list(rows[0]), *(list(row.values()) for row in rows)]:
        book.active.append(cells)
    book.save(tmp_path / "list.xlsx")
    loaded = []
    for ending in ("csv", "jsonl", "parquet", "xlsx"):
        with Store(SqliteDatabase(tmp_path / f"{ending}.db"), make_vault()) as store:
            report = import_list(tmp_path / f"list.{ending}", campaign(), store, NOW)
            assert (report.format, report.loaded) == (ending, 20)
            loaded.append(snapshot(store, "try-out"))
    assert all(leads == loaded[0] for leads in loaded)


def run(folder: Path, *arguments: str, full_view: str = "nobody") -> subprocess.CompletedProcess[str]:
    """Run `dialer leads ...` with the shipped campaigns and a database in `folder`."""
    config = folder / "config.toml"
    config.write_text(
        f"state_dir = {str(folder / 'var')!r}\ncampaigns_dir = {str(ROOT / 'campaigns')!r}\n"
        f"[privacy]\nfull_view = [{full_view!r}]\n"
    )
    command = [sys.executable, "-c", PROGRAM, "leads", *arguments, "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_the_command_line_imports_shows_and_exports(tmp_path: Path) -> None:
    """A list goes in, one lead is looked at, masked leads come out; full numbers need a reason, which is kept."""
    shutil.copy(LISTS / "reminder-jp.csv", tmp_path)
    done = run(tmp_path, "import", "reminder-jp.csv", "--campaign", "reminder-jp", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["loaded"]) == (1_500, 1_436)
    assert "1,500 rows, 100%" in done.stderr
    assert "loaded    0\n" in run(tmp_path, "import", "reminder-jp.csv", "--campaign", "reminder-jp").stdout

    shown = json.loads(run(tmp_path, "show", "1", "--campaign", "reminder-jp", "--json").stdout)
    assert shown["lead_id"] == 1
    assert all("****" in number["number"] for number in shown["numbers"])

    masked = run(tmp_path, "export", "--campaign", "reminder-jp", "--format", "jsonl")
    leads = [json.loads(line) for line in masked.stdout.splitlines()]
    assert Counter("****" in lead["numbers"] for lead in leads) == {True: 1_436}

    refused = run(tmp_path, "export", "--campaign", "reminder-jp", "--unmasked")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--reason" in refused.stderr
    full = ("export", "--campaign", "reminder-jp", "--unmasked", "--reason", "asked by the data officer")
    nobody = run(tmp_path, *full, "--output", "full.csv")
    assert (nobody.returncode, (tmp_path / "full.csv").exists()) == (9, False)
    assert "privacy.full_view" in nobody.stderr
    me = pwd.getpwuid(os.getuid()).pw_name
    done = run(tmp_path, *full, "--output", "full.csv", full_view=me)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "full.csv").stat().st_mode & 0o077 == 0
    for form in ("csv", "jsonl", "parquet"):
        (tmp_path / "others").touch(mode=0o644)
        done = run(tmp_path, *full, "--format", form, "--output", "others", full_view=me)
        assert (done.returncode, (tmp_path / "others").stat().st_mode & 0o077) == (0, 0), done.stderr
    assert "+8190" in (tmp_path / "full.csv").read_text(encoding="utf-8-sig")
    shown = json.loads(run(tmp_path, "show", "1", *full[1:], "--json", full_view=me).stdout)
    assert "****" not in shown["numbers"][0]["number"]
    with read_state(tmp_path / "var") as records:
        kept = [json.loads(body) for (body,) in records._reader.execute("SELECT body FROM evidence ORDER BY seq")]
    assert [(deed["kind"], deed["what"]) for deed in kept[-2:]] == [("export", "leads"), ("view", "lead")]
    assert {(deed["campaign"], deed["reason"]) for deed in kept[-2:]} == {("reminder-jp", "asked by the data officer")}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("import", ".", "--campaign", "reminder-jp"), 4, "a directory, expected a file"),
        (("import", "none.csv", "--campaign", "reminder-jp"), 4, "no such file"),
        (("import", "none.csv", "--campaign", "nobody"), 2, "there: reminder-jp, renewal-kr, survey-en"),
        (("show", "1", "--campaign", "reminder-jp"), 5, "there is none yet"),
    ],
)
def test_mistakes_on_the_command_line_have_their_exit_codes(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """One line on standard error, the documented code, no traceback."""
    done = run(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("dialer: error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
