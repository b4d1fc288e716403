"""The documentation says what is true: its commands run, its links lead somewhere, and no command is left out."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dialer.cli.main import EPILOG, app
from dialer.errors import DialerError
from tests.acceptance.pages import PAGES, Command, Workshop, anchors, blocks, commands, links, prose
from tests.architecture.tree import ROOT

EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
README = ROOT / "README.md"


def name(page: Path) -> str:
    """A page's path in the project, for the name of a test."""
    return str(page.relative_to(ROOT))


def tree(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the command line with its words; groups included."""
    for word, command in group.commands.items():
        yield (*path, word), command
        if hasattr(command, "commands"):
            yield from tree(command, (*path, word))


COMMANDS = list(tree(typer.main.get_command(app)))


def exists(command: Command) -> bool:
    """Whether what a command that is not run refers to exists."""
    if command.words[0] != "make":
        return True
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return set(command.words[1:]) <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """In a folder as after a clone, in the page's order, each with the exit code and the lines that the page shows."""
    found = commands(page)
    assert [command.text for command in found if not command.is_run and not exists(command)] == []
    workshop = Workshop(tmp_path)
    try:
        for command in found:
            if command.is_run:
                workshop.run(command)
    finally:
        workshop.close()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the project, and a heading of it where it says so."""
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, heading = link.partition("#")
        target = page if path == "" else (page.parent / path).resolve()
        assert target.exists(), f"{link}: no such file"
        assert heading == "" or heading in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_paths_and_targets_of_a_page_exist(page: Path) -> None:
    """A path of the source that a page names exists, and so does every target of make."""
    paths = re.findall(r"`((?:dialer|tests|campaigns|benchmarks|scripts|docs)/[\w./-]+)`", prose(page))
    assert [path for path in paths if not (ROOT / path).exists()] == []
    targets = [Command(text=f"make {target}", line=0) for target in re.findall(r"`make ([a-z-]+)`", prose(page))]
    assert [target.text for target in targets if not exists(target)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_toml_of_a_page_is_toml(page: Path) -> None:
    """Each block of TOML can be read."""
    for block in blocks(page):
        if block.language == "toml":
            tomllib.loads(block.text)


def test_every_command_of_dialer_is_documented() -> None:
    """README or docs name each command of `dialer` with all its words."""
    names = [" ".join(path) for path, command in COMMANDS if not hasattr(command, "commands")]
    assert len(names) > 15
    assert [each for each in names if not re.search(rf"dialer {each}\b", EVERYTHING)] == []


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_explains_itself(path: tuple[str, ...], command: Any) -> None:
    """Each command has a sentence of help, and so has each of its options; an argument has a name that says enough."""
    assert command.help
    assert command.help.split("\n")[0].endswith(".")
    options = [option for option in command.params if option.param_type_name == "option"]
    assert [option.name for option in options if not option.help] == []


def test_no_page_names_a_command_that_does_not_exist() -> None:
    """What follows `dialer` in a command of a page is one of its commands."""
    known = {path[0] for path, _ in COMMANDS} | {"--help", "--version"}
    used = [command for page in PAGES for command in commands(page) if command.words[:1] == ["dialer"]]
    assert len(used) > 10
    assert [command.text for command in used if command.words[1] not in known] == []


def test_every_exit_code_is_documented() -> None:
    """docs/operations.md has a row for each exit code that `dialer --help` names, and none else; each error has one."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert documented == {int(code) for code in re.findall(r"\d+", EPILOG)}
    assert {error.exit_code for error in (DialerError, *DialerError.__subclasses__())} <= documented


def test_the_readme_names_the_two_commands() -> None:
    """`make demo` and `make test` stand in the README as commands of their own."""
    assert {"make demo", "make test"} <= {command.text for command in commands(README)}


def test_the_index_lists_every_page() -> None:
    """docs/README.md links each page of docs, and README.md the index."""
    listed = set(links(ROOT / "docs" / "README.md"))
    assert {page.name for page in PAGES[1:]} - {"README.md"} <= listed
    assert "docs/README.md" in links(README)
