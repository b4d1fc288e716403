"""gateway.toml of the loopback gateway: defaults, paths, faults."""

from pathlib import Path

import pytest

from dialer.config.faults import ConfigFaults
from dialer.config.gateway_file import load_loopback_gateway


def load(folder: Path, text: str) -> object:
    """Load a gateway.toml of this text, beside a campaign file."""
    (folder / "survey.toml").touch()
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    return load_loopback_gateway(folder / "gateway.toml")


def test_a_name_and_a_campaign_are_enough(tmp_path: Path) -> None:
    """Everything else has a default: no agents, the broker of this machine, sixty lines."""
    (tmp_path / "survey.toml").touch()
    (tmp_path / "gateway.toml").write_text('name = "north"\n[loopback]\ncampaigns = ["survey.toml"]', encoding="utf-8")
    settings = load_loopback_gateway(tmp_path / "gateway.toml")
    assert (settings.name, settings.lines, settings.simulated.agents) == ("north", 60, 0)
    assert (settings.broker.host, settings.broker.port, settings.broker.user) == ("127.0.0.1", 1883, None)
    assert settings.simulated.campaigns == (tmp_path / "survey.toml",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[loopback]\ncampaigns = ["survey.toml"]', "name"),
        ('name = "a/b"\n[loopback]\ncampaigns = ["survey.toml"]', "name"),
        ('name = "a"', "loopback"),
        ('name = "a"\n[loopback]\ncampaigns = []', "loopback.campaigns"),
        ('name = "a"\n[loopback]\ncampaigns = ["gone.toml"]', "loopback.campaigns[0]"),
        ('name = "a"\nline = 5\n[loopback]\ncampaigns = ["survey.toml"]', "line"),
        ('name = "a"\n[loopback]\ncampaigns = ["survey.toml"]\n[broker]\nhost = "mqtt://b"', "broker.host"),
        ('name = "a"\n[loopback]\ncampaigns = ["survey.toml"]\n[broker]\npassword = "x"', "broker.password"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str) -> None:
    """Each fault by its key."""
    with pytest.raises(ConfigFaults) as caught:
        load(tmp_path, text)
    assert key in [fault.key for fault in caught.value.faults]
