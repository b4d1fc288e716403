"""`dialer check` as it is run from a shell."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def dialer(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in the project's folder."""
    command = [str(Path(sys.executable).parent / "dialer"), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def broken(folder: Path) -> tuple[Path, Path]:
    """A configuration and a campaign with two faults each."""
    (folder / "campaigns").mkdir()
    config, campaign = folder / "config.toml", folder / "campaigns" / "x.toml"
    config.write_text("[gateway]\nlinse = 3\ncalls_per_second = 0\n")
    campaign.write_text(
        'name = "x"\nseller = "Example Telecom"\npurpose = "survey"\n[agents]\ngroups = ["g"]\nocupancy_max = 0.9\n'
    )
    return config, campaign


def test_what_is_shipped_is_valid() -> None:
    """The example configuration and the three campaigns check with exit code 0, named one by one."""
    result = dialer("check", "config.example.toml", *sorted((ROOT / "campaigns").glob("*.toml")))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "config.example.toml: valid",
        "campaigns/reminder-jp.toml: valid; campaign reminder-jp, progressive, 1 list",
        "campaigns/renewal-kr.toml: valid; campaign renewal-kr, predictive, 1 list",
        "campaigns/survey-en.toml: valid; campaign survey-en, power, 2 lists",
    ]


def test_without_campaigns_the_whole_folder_is_checked() -> None:
    """Naming only the configuration checks every campaign of its campaigns folder."""
    result = dialer("check", "config.example.toml", "--json")
    names = [campaign["name"] for campaign in json.loads(result.stdout)["campaigns"]]
    assert (result.returncode, names) == (0, ["reminder-jp", "renewal-kr", "survey-en"])


def test_a_campaign_in_the_place_of_the_configuration_is_told_apart() -> None:
    """A campaign named first is one fault, which says which file goes where."""
    first = dialer("check", "campaigns/renewal-kr.toml")
    assert (first.returncode, len(first.stderr.splitlines())) == (3, 1)
    assert "expected the daemon's configuration, found a campaign file" in first.stderr
    assert "dialer check config.toml campaigns/renewal-kr.toml" in first.stderr


def test_what_a_rule_would_refuse_of_every_call_is_said(tmp_path: Path) -> None:
    """A campaign that its own country's rules refuse whoever is called is valid, with a warning that names the rule."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "config.toml").write_text("")
    for name, jurisdiction, extra in (
        ("us", "US", '[pacing]\nmode = "power"\n'),
        ("gb", "GB", '[abandonment]\nstarts_at = "greeting_end"\n'),
        ("mx", "MX", ""),
        ("kr", "KR", ""),
    ):
        (tmp_path / "campaigns" / f"{name}.toml").write_text(
            f'name = "{name}"\nseller = "Example Telecom"\npurpose = "telemarketing"\njurisdiction = "{jurisdiction}"\n'
            f'{extra}[agents]\ngroups = ["g"]\n'
        )
    result = dialer("check", tmp_path / "config.toml")
    warnings = [line for line in result.stdout.splitlines() if line.startswith("warning: ")]
    assert result.returncode == 0
    assert any("campaign us" in line and "US.abandonment" in line and "message none" in line for line in warnings)
    assert any("campaign gb" in line and "starts_at greeting_end, not after answer" in line for line in warnings)
    assert any("campaign mx" in line and "no ruleset for MX" in line for line in warnings)
    assert not any("campaign kr" in line for line in warnings)
    assert json.loads(dialer("check", tmp_path / "config.toml", "--json").stdout)["warnings"] == warnings


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Exit code 3, and on stderr one line for each fault of both files, without a traceback."""
    config, campaign = broken(tmp_path)
    result = dialer("check", config, campaign)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines() == [
        "dialer: error: 4 faults",
        f'{config}:2: gateway.linse: expected a known key, found "linse"; nearest known key: lines',
        f"{config}:3: gateway.calls_per_second: expected at least 0.1, found 0",
        f'{campaign}:1: jurisdiction: expected the country of numbers written without one, such as "KR", found nothing',
        f'{campaign}:6: agents.ocupancy_max: expected a known key, found "ocupancy_max"; '
        "nearest known key: occupancy_max",
    ]


def test_machines_get_the_faults_as_json(tmp_path: Path) -> None:
    """With --json each fault has file, line, key, expected, found and hint on stdout; the exit code is the same."""
    config, campaign = broken(tmp_path)
    result = dialer("check", config, campaign, "--json")
    answer = json.loads(result.stdout)
    assert (result.returncode, result.stderr, answer["is_valid"]) == (3, "", False)
    assert [(fault["file"], fault["line"], fault["key"]) for fault in answer["faults"]] == [
        (str(config), 2, "gateway.linse"),
        (str(config), 3, "gateway.calls_per_second"),
        (str(campaign), 1, "jurisdiction"),
        (str(campaign), 6, "agents.ocupancy_max"),
    ]
    first = answer["faults"][0]
    assert (first["expected"], first["found"], first["hint"]) == (
        "a known key",
        '"linse"',
        "nearest known key: lines",
    )


def test_a_directory_or_an_absent_file_is_told(tmp_path: Path) -> None:
    """A directory in place of the configuration, and a campaign that is not there, are faults with exit code 3."""
    result = dialer("check", tmp_path, tmp_path / "absent.toml")
    assert result.returncode == 3
    assert result.stderr.splitlines()[1:] == [
        f"{tmp_path}: expected a readable TOML file, found a directory",
        f"{tmp_path}/absent.toml: expected a readable TOML file, found nothing; check the path",
    ]


def test_a_broken_world_is_told(tmp_path: Path) -> None:
    """The world that the configuration names is checked with it."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "world.toml").write_text("[answers]\np_live = 2\n")
    (tmp_path / "config.toml").write_text('loopback.world = "world.toml"\n')
    result = dialer("check", tmp_path / "config.toml")
    assert result.returncode == 3
    assert result.stderr.startswith(f"dialer: error: {tmp_path}/world.toml:2: answers.p_live: expected at most 1")


def listed(folder: Path, columns: str, **lists: str) -> tuple[Path, Path]:
    """A valid configuration and campaign, and its lists: their names without `.csv`, and what they hold."""
    (folder / "campaigns").mkdir(exist_ok=True)
    config, campaign = folder / "config.toml", folder / "x.toml"
    config.write_text("")
    for name, text in lists.items():
        (folder / f"{name}.csv").write_text(text)
    files = ", ".join(f'"{name}.csv"' for name in lists)
    campaign.write_text(
        'name = "x"\nseller = "Example Telecom"\npurpose = "survey"\njurisdiction = "GB"\n'
        f'[agents]\ngroups = ["g"]\n[list]\nfiles = [{files}]\ncolumns = {columns}\n'
    )
    return config, campaign


def test_a_list_that_could_not_be_imported_is_a_fault(tmp_path: Path) -> None:
    """A missing column, no row, nothing that fits and bytes that are no text: each has the line that names the list."""
    config, campaign = listed(
        tmp_path,
        '{ number = ["phone"], name = "full name" }',
        good="full name,phone\nPerson 1,07700 900001\n",
        missing="fullname,phone\nPerson 1,07700 900001\n",
        headings="full name,phone\n",
        other="colour,size\nred,3\n",
        binary="phone,full name\n\0\0,x\n",
    )
    result = dialer("check", config, campaign, "--json")
    faults = json.loads(result.stdout)["faults"]
    assert result.returncode == 3
    assert [(fault["file"], fault["line"], fault["key"]) for fault in faults] == [
        (str(campaign), 8, f"list.files[{rank}]") for rank in (1, 2, 3, 4)
    ]
    told = ("did you mean 'fullname'?", "headings but no row", "fit nothing in this file", "NUL byte")
    assert all(text in fault["found"] for text, fault in zip(told, faults, strict=True))
    assert not any("loaded" in fault["found"] or "\n" in fault["found"] for fault in faults)


def test_lists_are_checked_beside_a_campaign_with_faults(tmp_path: Path) -> None:
    """One run tells the faults of one campaign file and of another one's list; nothing is left beside the list."""
    _, faulty = broken(tmp_path)
    config, campaign = listed(tmp_path, '{ number = ["mobile"] }', people="phone\n07700 900001\n")
    result = dialer("check", config, faulty, campaign)
    assert (result.returncode, result.stdout) == (3, "")
    assert f"{faulty}:6: agents.ocupancy_max" in result.stderr
    assert f"{campaign}:8: list.files[0]: expected a list with a row under the columns" in result.stderr
    assert not (tmp_path / "people.csv.rejects.csv").exists()
