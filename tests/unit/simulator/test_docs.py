"""docs/simulation.md says of a world file what is true."""

import re
import tomllib
from collections.abc import Iterator

from pydantic import BaseModel

from dialer.simulator.families import PARAMETERS, DistributionTable
from dialer.simulator.scenario import Scenario, packaged_worlds
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")


def shown(value: object) -> str:
    """Write a default as the page does."""
    if isinstance(value, DistributionTable):
        numbers = value.model_dump(exclude_none=True)
        family = numbers.pop("family")
        listed = ", ".join(f"{number:g}" for number in numbers.values())
        return listed if family == "constant" else f"{family} {listed}"
    if isinstance(value, int | float):
        return f"{value:g}"
    if value is None:
        return "none"
    return '""' if value == "" else "empty"


def keys(table: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a world file with its default."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel) and not isinstance(value, DistributionTable):
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", shown(value)


def test_every_key_and_default_is_documented() -> None:
    """The page's table has exactly the keys of a world file, each with its default."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| \S+ \| (.+?) \| .+ \|$", PAGE, flags=re.MULTILINE)
    assert dict(rows) == dict(keys(Scenario()))


def test_every_family_is_documented() -> None:
    """The page has a row for each family with its parameters."""
    for family, parameters in PARAMETERS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{family}` |"))
        assert [name for name in parameters if f"`{name}`" not in row] == []


def test_every_packaged_world_is_documented() -> None:
    """The page names the packaged worlds and no others."""
    section = PAGE.split("## Packaged worlds")[1].split("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = [name for cell in first_cells for name in re.findall(r"`([a-z0-9-]+)`", cell)]
    assert sorted(named) == sorted(packaged_worlds())


def test_examples_are_valid_worlds() -> None:
    """Every TOML block of the page is a valid world."""
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        Scenario.model_validate(tomllib.loads(block))
