"""The source tree as the architecture tests see it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ("domain", "queueing", "pacing", "compliance", "engine")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    """Every Python file under the named folders of the repository, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of one file, nested ones included."""
    return (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def place(path: Path, node: ast.stmt | ast.expr) -> str:
    """Where a node stands: `file:line`."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def imported_roots(path: Path) -> dict[str, str]:
    """Top-level names of all absolute imports of one file, each with the place of its first import."""
    found: dict[str, str] = {}
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name.partition(".")[0], place(path, node))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.setdefault(node.module.partition(".")[0], place(path, node))
    return found
