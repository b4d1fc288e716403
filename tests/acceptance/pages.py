"""The pages of documentation: their fenced blocks, their links, and a folder in which their commands are run.

Lines of a `console` block that begin with `$ ` are commands, what follows is what they print; a `sh` block is a script.
`dialer run` runs beside the commands that follow it, until the page ends. The exit code is 0 unless the lines after a
command say `exit code N`.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.architecture.tree import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent

# Commands that take minutes, change the machine or never end. They are not run: their targets have to exist.
NOT_RUN = ("make", "sudo", "systemctl", "journalctl", "kill", "git", "cd", ".", "rm")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"exit code (\d+)")
_MEASURED = re.compile(r"\d s$")  # a line that ends in a duration differs from run to run


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a page, and what the page says that it prints."""

    text: str
    line: int
    printed: tuple[str, ...] = ()
    exit_code: int = 0

    @property
    def words(self) -> list[str]:
        """The command's words, without a comment."""
        return shlex.split(self.text, comments=True)

    @property
    def is_run(self) -> bool:
        """Whether a test runs it."""
        return self.words[0] not in NOT_RUN


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(language=found[1], text=found[2], line=text.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[Command]:
    """Every command of a page, in order; a script without here-documents is one command for each line."""
    found: list[Command] = []
    for block in blocks(page):
        if block.language == "console":
            found += _session(block)
        elif block.language in ("sh", "bash", "shell"):
            found += _script(block)
    return found


def _session(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")] + [len(lines)]
    for start, end in pairwise(starts):
        text, rest = lines[start][2:], lines[start + 1 : end]
        while text.endswith("\\"):
            text = text[:-1] + rest.pop(0).lstrip("> ")
        code = _CODE.search("\n".join([text, *rest]))
        printed = tuple(line for line in rest if line.strip() and not _CODE.search(line))
        yield Command(text=text, line=block.line + start, printed=printed, exit_code=int(code[1]) if code else 0)


def _script(block: Block) -> Iterator[Command]:
    if "<<" in block.text:
        yield Command(text=block.text, line=block.line)
        return
    for offset, line in enumerate(block.text.splitlines()):
        if line.strip() and not line.startswith("#"):
            yield Command(text=line, line=block.line + offset)


class Workshop:
    """A folder with what a clone has for its user, in which a page's commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dialer"
        shutil.copytree(ROOT / "campaigns", self.folder / "campaigns", ignore=shutil.ignore_patterns("*.rejects.csv"))
        for name in ("config.example.toml", "config.toml"):
            shutil.copy(ROOT / "config.example.toml", self.folder / name)
        self._env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "150"}
        self._daemons: dict[Path, subprocess.Popen[bytes]] = {}

    def run(self, command: Command) -> None:
        """Run one command and hold it to what its page says."""
        words = command.words
        config = self._config(words)
        if words[:2] == ["dialer", "run"]:
            self._start(config)
            return
        if words[0] == "dialer" and words[1] in ("status", "campaign"):
            self._start(config)
        result = subprocess.run(
            ["bash", "-ec", command.text],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = result.stdout + result.stderr
        assert result.returncode == command.exit_code, f"{command.text}: exit code {result.returncode}\n{said}"
        plain = " ".join(said.replace(f"{self.folder}/", "").split())
        missing = [line for line in command.printed if not _is_in(line, plain)]
        assert missing == [], f"{command.text} printed\n{said}"

    def close(self) -> None:
        """Stop the daemons of the page as an operator does; each has to end well."""
        for daemon in self._daemons.values():
            # The first signal drains, the second hangs up what still talks.
            daemon.send_signal(signal.SIGTERM)
            daemon.send_signal(signal.SIGINT)
        codes = [daemon.wait(60) for daemon in self._daemons.values()]
        assert codes == [0] * len(codes)

    def _config(self, words: list[str]) -> Path:
        named = [after for word, after in pairwise(words) if word in ("--config", "-c")]
        return self.folder / (named[0] if named else "config.toml")

    def _start(self, config: Path) -> None:
        """Start the daemon of a configuration and wait until it tells systemd that it is ready."""
        if config in self._daemons:
            return
        address = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, (self.folder / "log").open("ab") as log:
            notices.bind(str(address))
            notices.settimeout(60.0)
            self._daemons[config] = subprocess.Popen(
                [BIN / "dialer", "run", "--config", config],
                cwd=self.folder,
                env={**self._env, "NOTIFY_SOCKET": str(address)},
                stdout=log,
                stderr=log,
            )
            while b"READY=1" not in notices.recv(4096):
                pass
        address.unlink()


def _is_in(line: str, said: str) -> bool:
    """Whether a line of a page was printed: each part between dots, blanks and measured times aside."""
    if _MEASURED.search(line):
        return True
    parts = [" ".join(part.split()) for part in line.split("...")]
    return all(part in said for part in parts)
