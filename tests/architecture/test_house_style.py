"""Size, finish and honesty of the source, as far as a machine can judge them."""

import ast
import re
from pathlib import Path

from tests.architecture.tree import ROOT, functions, parse, place, python_files

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
SKIPS = {"skip", "skipif", "xfail", "importorskip"}
PATCHES = {"setattr", "delattr", "setitem", "delitem", "patch"}


def called_name(call: ast.Call) -> str:
    """The last part of the name that a call calls; empty when it has none."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def is_zero(call: ast.Call) -> bool:
    """Whether a call's first argument is the literal 0: `asyncio.sleep(0)` yields, it does not wait."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def calls_in(path: Path) -> list[ast.Call]:
    """Every call expression of one file."""
    return [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]


def test_files_are_short() -> None:
    """No Python file is longer than 500 lines."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files("dialer", "tests", "benchmarks", "campaigns")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """No function of the package is longer than 60 lines."""
    long = [
        f"{place(path, node)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in python_files("dialer")
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_nothing_is_left_unfinished() -> None:
    """No module carries a note of unfinished work or a body that only says it is not written."""
    notes = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in python_files("dialer", "benchmarks", "campaigns")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert notes == []


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{place(path, node)} {node.name}"
        for path in python_files("tests")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_public_method_says_what_it_means() -> None:
    """Each method of the package whose name has no leading underscore has a docstring."""
    silent = [
        f"{place(path, method)} {owner.name}.{method.name}"
        for path in python_files("dialer")
        for owner in ast.walk(parse(path))
        if isinstance(owner, ast.ClassDef)
        for method in owner.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and not method.name.startswith("_")
        and not ast.get_docstring(method)
    ]
    assert silent == []


def test_no_test_waits_for_the_wall_clock() -> None:
    """No test calls a sleep function, except `sleep(0)`, which only yields."""
    sleeps = [
        place(path, call)
        for path in python_files("tests")
        for call in calls_in(path)
        if called_name(call) == "sleep" and not is_zero(call)
    ]
    assert sleeps == []


def test_no_test_replaces_parts_of_the_program() -> None:
    """Tests take the program as it is: no mocks, no patched attributes."""
    mocks = [
        place(path, node)
        for path in python_files("tests")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node).replace(".", " ").split()
    ]
    patches = [
        place(path, call)
        for path in python_files("tests")
        for call in calls_in(path)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("monkeypatch", "mocker")
        and call.func.attr in PATCHES
    ]
    assert mocks + patches == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """What a test needs is there: nothing is skipped."""
    skips = [
        place(path, node)
        for path in python_files("tests")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in SKIPS and ast.unparse(node.value).startswith("pytest")
    ]
    assert skips == []


def test_the_core_iterates_over_no_set() -> None:
    """Sets have no order: the core never loops over a set display, a set comprehension or `set(...)`."""

    def is_set(node: ast.expr) -> bool:
        by_name = isinstance(node, ast.Call) and called_name(node) in ("set", "frozenset")
        return by_name or isinstance(node, ast.Set | ast.SetComp)

    loops = [
        place(path, node.iter)
        for path in python_files("dialer/domain", "dialer/queueing", "dialer/pacing", "dialer/compliance")
        + python_files("dialer/engine")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter)
    ]
    assert loops == []
