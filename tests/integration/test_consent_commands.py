"""`dialer consent` as its user meets it: whole files or nothing, masked numbers, and a "no" that acts at once."""

import json
import signal
from pathlib import Path

from tests.integration.daemon_process import dialer, prepare, running
from tests.vaults import open_state, read_state

HEAD = "number,purposes,obtained_at,method,source,text,night,recipients\n"
KOREAN = "+82 10-0000-0001"


def write(folder: Path, *rows: str) -> Path:
    """Write a file of consents."""
    path = folder / "consents.csv"
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def prepared(folder: Path) -> Path:
    """A configuration with an imported list and two consents; gives the configuration."""
    config = prepare(folder)
    lists = dialer("leads", "import", folder / "campaigns" / "list.csv", "--campaign", "survey", "--config", config)
    assert lists.returncode == 0, lists.stderr
    path = write(
        folder,
        "+44 7700 900001,survey; telemarketing,2025-01-02T10:00:00Z,web form,own shop,I agree,no,",
        f"{KOREAN},telemarketing,2020-02-03,paper,fair,I agree,yes,Example Post",
    )
    result = dialer("consent", "import", path, "--seller", "Example", "--config", config)
    assert result.returncode == 0, result.stderr
    assert "2 consents" in result.stdout
    return config


def test_an_import_again_changes_nothing(tmp_path: Path) -> None:
    """And says so, in text and in JSON."""
    config = prepared(tmp_path)
    arguments = ("consent", "import", tmp_path / "consents.csv", "--seller", "Example", "--config", config)
    assert "unchanged  2" in dialer(*arguments).stdout
    assert json.loads(dialer(*arguments, "--json").stdout)["tally"]["unchanged"] == 2


def test_a_wrong_row_refuses_the_file(tmp_path: Path) -> None:
    """With its line and exit code 4; nothing of the file is kept, and no number is told."""
    config = prepare(tmp_path)
    path = write(
        tmp_path,
        "+44 7700 900001,survey,2025-01-02,web form,,,,",
        "+44 7700 900002,survey,2199-01-02,web form,,,,",
    )
    result = dialer("consent", "import", path, "--seller", "Example", "--config", config)
    assert (result.returncode, result.stdout) == (4, "")
    assert f"{path}:3: obtained_at: expected an instant of the past" in result.stderr
    assert "900002" not in result.stderr
    with read_state(tmp_path / "state") as store:
        assert store.consents("Example", "+447700900001") == []


def test_a_seller_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A misspelt one would hold consents that no campaign ever finds."""
    config = prepare(tmp_path)
    result = dialer("consent", "import", write(tmp_path), "--seller", "Exmaple", "--config", config)
    assert result.returncode == 2
    assert "there: Example" in result.stderr


def test_show_tells_every_record_masked(tmp_path: Path) -> None:
    """With when to ask again, in text and in JSON; a number without any has none."""
    config = prepared(tmp_path)
    shown = dialer("consent", "show", KOREAN, "--seller", "Example", "--config", config)
    assert "+82-10-****-0001 and Example: 1 consents" in shown.stdout
    assert "Example Post" in shown.stdout
    assert "00000001" not in shown.stdout.replace("-", "")
    found = json.loads(dialer("consent", "show", KOREAN, "--seller", "Example", "--config", config, "--json").stdout)
    assert found["consents"][0]["confirm_by"] == "2022-02-03 Asia/Seoul"
    assert found["is_do_not_call"] is False
    nobody = dialer("consent", "show", "+44 7700 900123", "--seller", "Example", "--config", config)
    assert "0 consents" in nobody.stdout


def test_due_lists_who_must_be_asked_again(tmp_path: Path) -> None:
    """Overdue ones first, masked; those whose law does not ask for it are not in it."""
    config = prepared(tmp_path)
    result = dialer("consent", "due", "--seller", "Example", "--config", config)
    assert "2022-02-03 overdue" in result.stdout
    assert "+82-10-****-0001" in result.stdout
    assert "+44" not in result.stdout
    (row,) = json.loads(dialer("consent", "due", "--seller", "Example", "--config", config, "--json").stdout)
    assert (row["by"], row["is_overdue"], row["leads"], row["every_years"]) == ("2022-02-03", True, [], 2)
    wrong = dialer("consent", "due", "--seller", "Example", "--within", "soon", "--config", config)
    assert (wrong.returncode, "expected a span such as 30d" in wrong.stderr) == (2, True)


def test_a_revocation_without_a_daemon_is_kept(tmp_path: Path) -> None:
    """For every number of the person that the seller's lists know, in journal and evidence; it stays."""
    config = prepared(tmp_path)
    path = tmp_path / "campaigns" / "more.csv"
    path.write_text("name,phone\nB,07700 900001; 07700 900555\n", encoding="utf-8")
    assert dialer("leads", "import", path, "--campaign", "survey", "--config", config).returncode == 0
    arguments = ("--seller", "Example", "--reason", "asked on paper", "--config", config)
    result = dialer("consent", "revoke", "+44 7700 900555", *arguments)
    assert result.returncode == 0, result.stderr
    assert "Example: 2 numbers of this person are on the do-not-call list" in result.stdout
    shown = dialer("consent", "show", "+44 7700 900001", "--seller", "Example", "--config", config).stdout
    assert "DO NOT CALL" in shown
    assert "asked on paper" in shown
    again = dialer("consent", "import", tmp_path / "consents.csv", "--seller", "Example", "--config", config)
    assert "unchanged  2" in again.stdout
    with open_state(tmp_path / "state") as store:
        assert store.evidence_head()[0] == 1
        assert [type(entry.event).__name__ for entry in store.entries()] == ["PersonRefused"]
        leads = store.claim("survey", 1000, 1e10).leads
        assert len(leads) == 199
        assert not any(number.e164 == "+447700900001" for lead in leads for number in lead.numbers)


def test_a_revocation_needs_a_reason_and_a_number(tmp_path: Path) -> None:
    """Both are wrong usage."""
    config = prepare(tmp_path)
    common = ("--seller", "Example", "--config", config)
    assert dialer("consent", "revoke", "+44 7700 900001", *common, "--reason", " ").returncode == 2
    result = dialer("consent", "revoke", "07700 900001", *common, "--reason", "no")
    assert result.returncode == 2
    assert "900001" not in result.stderr
    result = dialer("consent", "revoke", "+44 7700 900001", *common, "--reason", "called from 07700 900001")
    assert result.returncode == 2
    assert "telephone number" in result.stderr


def test_a_revocation_acts_on_a_running_daemon(tmp_path: Path) -> None:
    """It goes through the daemon: no call to the person starts from then on, and the daemon says that it knows."""
    config = prepare(tmp_path, speed=20.0)
    numbers = [f"+4477009{rank:05d}" for rank in range(0, 200, 50)]
    with running(config) as daemon:
        daemon.wait_log("attempt")
        for number in numbers:
            result = dialer("consent", "revoke", number, "--seller", "Example", "-r", "said so", "--config", config)
            assert result.returncode == 0, result.stderr
        path = write(tmp_path, "+44 7700 900070,survey,2025-01-02,web form,own shop,I agree,no,")
        assert dialer("consent", "import", path, "--seller", "Example", "--config", config).returncode == 0
        for _ in range(10):
            daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        assert "+44770" not in json.dumps(daemon.log)
    with read_state(tmp_path / "state") as store:
        refusals = {
            number: entry.at
            for entry in store.entries()
            if type(entry.event).__name__ == "PersonRefused"
            for number in entry.event.numbers  # type: ignore[union-attr]
        }
        assert set(refusals) == set(numbers)
        placed = [(each.number, each.placed_at) for each in store.attempts(None, 0.0, 1e11)]
        assert placed
        assert [number for number, at in placed if at > refusals.get(number, 1e12)] == []
