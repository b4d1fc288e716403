"""A gateway's file checked from a shell, without starting the gateway: `dialer gateway check` and `dialer check`."""

import json
from pathlib import Path

import pytest

from dialer.config.asterisk_file import PASSWORD_VARIABLE
from tests.integration.daemon_process import dialer, write_campaign
from tests.servers.certificates import make_certificates

ASTERISK = 'name = "west"\n[asterisk]\npassword_file = "ari.password"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a campaign and a password for Asterisk, and none in the environment."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "list.csv").write_text("name,phone\nPerson 1,07700 900001\n", encoding="utf-8")
    write_campaign(tmp_path, "survey", mode="power")
    (tmp_path / "ari.password").write_text("secret\n", encoding="utf-8")
    (tmp_path / "ari.password").chmod(0o600)
    return tmp_path


def written(folder: Path, text: str, name: str = "gateway.toml") -> Path:
    """A file of this text."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_valid_file_is_said_to_be_so_with_what_it_is_for(folder: Path) -> None:
    """Exit code 0, and one line with the kind of gateway, its name, its lines and its broker."""
    path = written(folder, ASTERISK)
    done = dialer("gateway", "check", "--config", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: valid; gateway west, asterisk, 60 lines, broker 127.0.0.1:1883\n"
    simulated = written(folder, 'name = "north"\n[loopback]\ncampaigns = ["campaigns/survey.toml"]\n')
    assert "valid; gateway north, loopback, 60 lines" in dialer("gateway", "check", "--config", simulated).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ASTERISK + "trunks = 1\n",
            ':4: asterisk.trunks: expected a known key, found "trunks"; nearest known key: trunk',
        ),
        ('name = "west"\n', "asterisk.password_file: expected the password of Asterisk's user"),
        (ASTERISK.replace("ari.", "gone."), ":3: asterisk.password_file: expected an existing file"),
        (ASTERISK + '[broker]\nca_file = "gone.crt"\n', ":5: broker.ca_file: expected an existing file"),
        (ASTERISK + '[broker]\nca_file = "ari.password"\n', "broker.ca_file: expected certificates in PEM form"),
        (
            ASTERISK + '[broker]\nca_file = "ca.crt"\ncert_file = "ca.crt"\nkey_file = "ari.password"\n',
            "broker.cert_file: expected a certificate",
        ),
        ('name = "n"\n[loopback]\ncampaigns = ["campaigns/bad.toml"]\n', "bad.toml:1: nam: expected a known key"),
        ('name = "n"\n[loopback]\nworld = "bad.toml"\ncampaigns = ["campaigns/survey.toml"]\n', "/bad.toml:1: nam: "),
    ],
)
def test_what_would_end_a_start_is_said(folder: Path, text: str, said: str) -> None:
    """The same faults as at a start, one a line, with exit code 3: key, password, certificates, campaigns, world."""
    make_certificates(folder)
    for bad in (folder / "bad.toml", folder / "campaigns" / "bad.toml"):
        bad.write_text('nam = "x"\n', encoding="utf-8")
    path = written(folder, text)
    done = dialer("gateway", "check", "--config", path, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["is_valid"], answer["gateway"]) == (3, "", False, None)
    assert any(said in fault["message"] for fault in answer["faults"])
    started = dialer("gateway", "loopback" if "[loopback]" in text else "asterisk", "--config", path)
    assert started.returncode == 3
    assert started.stderr.splitlines()[-1].removeprefix("dialer: error: ") == answer["faults"][-1]["message"]


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    """With its path and what to do about it."""
    done = dialer("gateway", "check", "--config", folder / "gone.toml")
    assert done.returncode == 3
    assert (
        done.stderr
        == f"dialer: error: {folder}/gone.toml: expected a readable TOML file, found nothing; check the path\n"
    )


def test_what_is_allowed_and_seldom_meant_is_a_warning(folder: Path) -> None:
    """A user without a password, and TLS's port without encryption: exit code 0, and a line with the key to set."""
    path = written(folder, ASTERISK + '[broker]\nuser = "gateway-west"\nport = 8883\n')
    done = dialer("gateway", "check", "--config", path)
    assert done.returncode == 0
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    assert [("broker.password_file" in line, "broker.ca_file" in line) for line in warnings] == [
        (True, False),
        (False, True),
    ]
    config = written(folder, "[broker]\nport = 8883\n[gateways.west]\nlines = 5\n", "config.toml")
    assert any("broker.ca_file" in line for line in dialer("check", config).stdout.splitlines())


def test_the_configuration_is_checked_with_the_gateway_that_it_names(folder: Path) -> None:
    """`dialer check` reads the Asterisk's file that the daemon would use, and the certificates of the broker."""
    config = written(folder, '[gateway]\nasterisk = "gateway.toml"\n', "config.toml")
    written(folder, ASTERISK + "lime = 1\n")
    done = dialer("check", config)
    assert (done.returncode, "asterisk.lime: expected a known key" in done.stderr) == (3, True)
    config = written(folder, '[broker]\nca_file = "ari.password"\n[gateways.west]\nlines = 5\n', "config.toml")
    done = dialer("check", config)
    assert (done.returncode, "broker.ca_file: expected certificates" in done.stderr) == (3, True)


def test_the_files_of_gateway_and_daemon_are_told_apart(folder: Path) -> None:
    """One in the place of another is one fault that names the command to use."""
    done = dialer("check", written(folder, ASTERISK))
    assert done.returncode == 3
    assert "expected the daemon's configuration, found a gateway's file" in done.stderr
    assert "dialer gateway check --config" in done.stderr
    for name, text, found in (
        ("config.toml", "[gateways.north]\nlines = 5\n", "the daemon's configuration"),
        ("x.toml", 'name = "x"\nseller = "Example"\n', "a campaign file"),
    ):
        done = dialer("gateway", "check", "--config", written(folder, text, name))
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
        assert f"expected a gateway's file, found {found}" in done.stderr and "`dialer check " in done.stderr
