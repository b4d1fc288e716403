"""What the project declares, pins and imports is the same set of packages, and it depends on no particular machine."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.architecture.tree import ROOT, imported_roots, python_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"dialer", "tests", "benchmarks", "campaigns", "scripts"}
DATA_ONLY = {"tzdata"}  # read by the standard library's zoneinfo, never imported
TEXT = {".py", ".md", ".toml", ".txt", ".sh", ".yml", ".yaml", ".json", ".cfg", ".service", ""}
OUTSIDE = re.compile(r"(?<![\w.:/-])/(?:home|root|work|mnt)/[\w.-]+")
ADDRESS = re.compile(r"(?<!no-emit-)(?:index-url|find-links|trusted-host)|\w://")


def normal(name: str) -> str:
    """A distribution's name in normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """The distributions that a list of requirements names."""
    return {normal(re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]) for requirement in requirements}


def third_party(*folders: str) -> dict[str, str]:
    """Distributions imported under the folders, each with one place that imports it."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for path in python_files(*folders):
        for root, where in imported_roots(path).items():
            if root not in sys.stdlib_module_names and root not in OWN:
                owner = normal(owners[root][0]) if root in owners else f"(not installed: {root})"
                found.setdefault(owner, where)
    return found


def text_files() -> list[Path]:
    """Every text file that belongs to the project."""
    folders = ("dialer", "tests", "benchmarks", "campaigns", "docs", "deploy", "scripts", ".ci")
    inside = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in TEXT]
    beside = [path for path in ROOT.iterdir() if path.suffix in TEXT and path.name != "config.toml"]
    return sorted(path for path in inside + beside if path.is_file() and "__pycache__" not in path.parts)


def test_the_package_imports_what_it_declares() -> None:
    """Each dependency, also of the extra `fast`, is imported somewhere in the package, and nothing undeclared is."""
    imported, declared = third_party("dialer"), names(PROJECT["dependencies"])
    extra = names(PROJECT["optional-dependencies"]["fast"])
    assert {name: where for name, where in imported.items() if name not in declared | extra} == {}
    assert declared | extra == (declared | extra) & (imported.keys() | DATA_ONLY)


def test_what_an_extra_names_may_be_missing() -> None:
    """It is imported in one place, which does without it."""
    found = [path for path in python_files("dialer") if "rphonenumbers" in imported_roots(path)]
    assert [path.name for path in found] == ["parsing.py"]
    assert "except ImportError" in found[0].read_text(encoding="utf-8")


def test_tests_and_benchmarks_import_what_is_declared() -> None:
    """Tests, benchmarks and list makers use runtime and development dependencies only."""
    declared = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    imported = third_party("tests", "benchmarks", "campaigns")
    assert {name: where for name, where in imported.items() if name not in declared} == {}


def test_everything_declared_is_pinned_with_hashes() -> None:
    """constraints.txt pins every declared dependency, each pin with at least one SHA-256."""
    blocks = re.findall(r"^(\S+)==\S+((?: \\\n +--hash=sha256:[0-9a-f]{64})*)", constraints(), flags=re.MULTILINE)
    assert [name for name, hashes in blocks if not hashes] == []
    declared = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert declared - {normal(name) for name, _ in blocks} == set()


def test_the_pins_name_no_place() -> None:
    """Neither the pins nor any command says where packages come from: pip's own configuration does."""
    assert "://" not in constraints()
    recipes = [ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"]
    assert [path.name for path in recipes if ADDRESS.search(path.read_text(encoding="utf-8"))] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """No text of the project points into somebody's home or working folder."""
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in text_files()
        for match in OUTSIDE.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_relative_links_stay_inside() -> None:
    """A link in a page leads to a file of the repository."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in text_files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists() or not (page.parent / target).resolve().is_relative_to(ROOT)
    ]
    assert broken == []


def constraints() -> str:
    """The pins."""
    return (ROOT / "constraints.txt").read_text(encoding="utf-8")
