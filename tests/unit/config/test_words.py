"""Whatever is wrong at whatever key of a file: the fault is in the words of these files, never in the parser's."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from math import inf, nan
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from dialer.config.asterisk_file import AsteriskFileTable
from dialer.config.campaign_model import CampaignTable
from dialer.config.faults import ConfigFaults
from dialer.config.gateway_file import LoopbackFileTable
from dialer.config.rulesets_model import RulesetTable
from dialer.config.settings import SettingsTable
from dialer.config.toml_file import TomlFile, TomlModel
from dialer.simulator.scenario import Scenario

Path_ = tuple[str | int, ...]

ROOT = Path(__file__).parents[3]
NUMBERS = (-7, 0, 7, 10**12, 10**30, -0.5, 1.5, 1e300, inf, nan)
TEXTS = ("", " x ", "a b\n", "x" * 5000, "\0", "/dev/null", "+1", "99:99")
ARRAYS = ([], [7], ["x", "x"], [[]], [[7]], [[1.0, 2.0, 3.0]], [{}], [{"x": 7}], [True], list(range(500)))
TABLES = ({}, {"x": 7}, {"": ["x"]}, {"99:99": 7.5}, {"a b": {}}, {"x": {"y": 7}}, {"x": []})
OTHERS = (True, date(2026, 1, 2), time(9, 30), datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC))
VAGUE = {"", "this key", "a value that fits this key"}
WRONG: tuple[object, ...] = (*NUMBERS, *TEXTS, *ARRAYS, *TABLES, *OTHERS)

CAMPAIGN = {"name": "x", "seller": "Example Telecom", "purpose": "survey", "jurisdiction": "KR"}
MODELS: dict[type[TomlModel], dict[str, Any]] = {
    SettingsTable: {},
    AsteriskFileTable: {"name": "west"},
    LoopbackFileTable: {"name": "west", "loopback": {"campaigns": ["survey.toml"]}},
    CampaignTable: CAMPAIGN | {"agents": {"groups": ["g"]}},
    Scenario: {},
    RulesetTable: tomllib.loads((ROOT / "dialer/compliance/jurisdictions/US-CT.toml").read_text(encoding="utf-8")),
}


def models_in(annotation: Any) -> Iterator[tuple[Path_, type[BaseModel]]]:
    """Every table that may stand where an annotation stands, and the way to it: an item's, a free key's, its own."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield (), annotation
        return
    origin = getattr(annotation, "__origin__", None)
    for inner in get_args(annotation):
        for way, model in models_in(inner):
            yield {list: (0, *way), dict: ("x", *way)}.get(origin, way), model


def keys_of(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[Path_]:
    """Every key of a model, tables' keys within; a table that may stand in many places has them in the first."""
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        key: Path_ = (info.alias or name,)
        yield key
        for way, table in models_in(info.annotation):
            yield from ((*key, *way, *below) for below in keys_of(table, seen))


def with_value(values: Any, key: Path_, value: object) -> Any:
    """The same values with another one at a key; tables and arrays on the way are made where they are missing."""
    if not key:
        return value
    part, *below = key
    if isinstance(part, int):
        return [with_value(values[0] if isinstance(values, list) and values else {}, tuple(below), value)]
    table = values if isinstance(values, dict) else {}
    return table | {str(part): with_value(table.get(part), tuple(below), value)}


def without(values: Any, key: Path_) -> Any:
    """The same values without a key."""
    made = with_value(values, key, None)
    table: Any = made
    for part in key[:-1]:
        table = table[part]
    del table[key[-1]]
    return made


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_wrong_value_of_each_key_is_refused_in_our_own_words(tmp_path: Path, model: type[TomlModel]) -> None:
    """Wrong types, sizes, texts and shapes at every key, and every key left out: no sentence is the parser's own."""
    (tmp_path / "survey.toml").touch()
    (tmp_path / "campaigns").mkdir()
    keys = list(dict.fromkeys(keys_of(model, set())))
    documents = [with_value(MODELS[model], key, value) for key in keys for value in WRONG]
    documents += [without(MODELS[model], key) for key in keys]
    theirs: set[str] = set()
    refused = 0
    for document in documents:
        file = TomlFile(path=tmp_path / "x.toml", values=document, lines={(): 1}, digest="")
        try:
            model.model_validate(document, context={"folder": tmp_path})
        except ValidationError as error:
            details = error.errors(include_url=False)
        else:
            continue
        with pytest.raises(ConfigFaults) as caught:
            file.check(model)
        refused += 1
        told = str(caught.value).lower()
        own = {each["msg"].lower() for each in details if each["type"] not in {"expected", "value_error"}}
        kinds = {each["type"] for each in details if each["type"] not in {"expected", "missing"}}
        theirs |= {text for text in own | kinds if text in told}
        theirs |= {fault.expected for fault in caught.value.faults if fault.expected in VAGUE}
    assert theirs == set()
    assert refused > 20 * len(keys)
