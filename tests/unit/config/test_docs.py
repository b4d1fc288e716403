"""The references in docs/ name every key, and their examples are valid."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from dialer.config.campaign import DEFAULT_DISPOSITIONS, load_campaign
from dialer.config.campaign_model import CampaignTable, DispositionTable, RetryRuleTable
from dialer.config.gateway_file import LoopbackFileTable, SimulatedTable, load_loopback_gateway
from dialer.config.rulesets_model import RulesetTable, RuleTable
from dialer.config.settings import SettingsTable, load_settings
from tests.unit.config.conftest import AGENTS, HEAD

ROOT = Path(__file__).parents[3]
CAMPAIGNS = (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")
RULESETS = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8")
MQTT = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level; tables by their name, the rest by its title."""
    parts = re.split(r"(?m)^## `?\[?([^\]`\n]+)\]?`?$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(text: str) -> set[str]:
    """The keys that stand in the first column of tables with the column "default"."""
    tables = re.findall(r"(?m)^\| key \|.*\n\|[-|]+\n((?:\|.*\n)+)", text)
    return {key for table in tables for key in re.findall(r"(?m)^\| `(\w+)`", table)}


def table_of(annotation: object) -> type[BaseModel] | None:
    """The model of a key that is a table of its own."""
    options = getattr(annotation, "__args__", (annotation,))
    return next((each for each in options if isinstance(each, type) and issubclass(each, BaseModel)), None)


@pytest.mark.parametrize(("model", "text"), [(CampaignTable, CAMPAIGNS), (SettingsTable, CONFIGURATION)])
def test_every_key_is_documented_in_its_section(model: type[BaseModel], text: str) -> None:
    """Each table has a section whose table names exactly its keys."""
    parts = sections(text)
    plain = set()
    for field, info in model.model_fields.items():
        name, table = info.alias or field, table_of(info.annotation)
        if name == "dispositions":
            assert documented(parts[name]) == set(DispositionTable.model_fields)
        elif name == "retry":
            assert table is not None
            assert documented(parts[name]) == {*table.model_fields, *RetryRuleTable.model_fields}
        elif table is not None:
            section = parts[name] if name in parts else parts[f"{name}.NAME"]  # one table, or one for each name
            assert documented(section) == set(table.model_fields), name
        else:
            plain.add(name)
    assert documented(parts["Top of the file"]) == plain


def test_every_table_of_a_ruleset_is_documented() -> None:
    """docs/compliance.md has a row for each kind of rule that names each of its keys."""
    rows = dict(re.findall(r"(?m)^\| `\[\[(\w+)\]\]` \| (.*) \|.*\|$", RULESETS))
    tables = {}
    for name, info in RulesetTable.model_fields.items():
        (table,) = (*getattr(info.annotation, "__args__", ()), None)[:1]
        if isinstance(table, type) and issubclass(table, RuleTable):
            tables[name] = table
    assert rows.keys() == tables.keys()
    for name, table in tables.items():
        own = set(table.model_fields) - set(RuleTable.model_fields)
        assert own - set(re.findall(r"`(\w+)`", rows[name])) == set(), name


def test_the_least_campaign_is_valid(tmp_path: Path) -> None:
    """The first TOML example of the campaign reference loads when its list is there."""
    example = re.findall(r"```toml\n(.*?)```", CAMPAIGNS, re.DOTALL)[0]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "renewal-kr.csv").touch()
    (tmp_path / "x.toml").write_text(example, encoding="utf-8")
    assert load_campaign(tmp_path / "x.toml").name == "first"


def test_the_house_words_are_those_of_the_reference(tmp_path: Path) -> None:
    """The dispositions that the reference prints are those that a file without any gets."""
    example = re.findall(r"```toml\n(.*?)```", CAMPAIGNS, re.DOTALL)[1]
    (tmp_path / "with.toml").write_text(HEAD + AGENTS + example)
    (tmp_path / "without.toml").write_text(HEAD + AGENTS)
    given = load_campaign(tmp_path / "with.toml").dispositions
    assert given == load_campaign(tmp_path / "without.toml").dispositions
    assert list(given) == list(DEFAULT_DISPOSITIONS)


def test_the_examples_of_engine_and_gateway_are_valid(tmp_path: Path) -> None:
    """Both files of docs/mqtt.md can be read as they are, once what they name is there; they fit together."""
    config, gateway = re.findall(r"```toml\n(.*?)```", MQTT, re.DOTALL)
    (tmp_path / "campaigns").mkdir()
    for name in ("broker.password", "gateway-north.password", "broker-ca.crt", "campaigns/survey.toml"):
        (tmp_path / name).write_text("secret\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(gateway, encoding="utf-8")
    settings, north = load_settings(tmp_path / "config.toml"), load_loopback_gateway(tmp_path / "gateway.toml")
    assert settings.broker is not None
    assert north.name in [trunk.name for trunk in settings.trunks]
    assert (settings.broker.host, settings.broker.port) == (north.broker.host, north.broker.port)
    acl = (ROOT / "deploy" / "mosquitto" / "dialer.acl").read_text(encoding="utf-8")
    assert {settings.broker.user, north.broker.user} <= set(re.findall(r"(?m)^user (\S+)$", acl))


def test_every_key_of_a_loopback_gateway_is_documented() -> None:
    """docs/mqtt.md has a row for each key and table of its file."""
    rows = " ".join(re.findall(r"(?m)^\| (`.*?) \|", MQTT))
    wanted = {*LoopbackFileTable.model_fields, *SimulatedTable.model_fields}
    assert [key for key in wanted if not re.search(rf"`\[?{key}\]?`", rows)] == []
