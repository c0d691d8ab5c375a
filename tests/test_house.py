"""The house's own rules, checked on every file: sizes, names, and what must never appear."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
DRAWERS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}


def python_files(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from (p for p in sorted((ROOT / room).rglob("*.py")) if "alembic_migrations/versions" not in str(p))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_and_functions_stay_small() -> None:
    faults = []
    for path in python_files("src", "tests", "benchmarks"):
        text = path.read_text()
        if text.count("\n") > FILE_LINES_MAX:
            faults.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines, at most {FILE_LINES_MAX}")
        for function in functions(ast.parse(text)):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > FUNCTION_LINES_MAX:
                faults.append(f"{path.relative_to(ROOT)}: {function.name} has {length} lines")
    assert not faults, "\n".join(faults)


def test_every_room_and_file_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files("src")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, f"no docstring at the head of {silent}"


def test_no_drawer_names() -> None:
    drawers = [str(p.relative_to(ROOT)) for p in python_files("src", "tests") if p.stem in DRAWERS]
    assert not drawers, f"a name that says nothing: {drawers}"


def test_nothing_is_swallowed() -> None:
    """No bare `except`, and `except Exception` only where the file says it is the supervisor."""
    faults = []
    for path in python_files("src"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                faults.append(f"{path.relative_to(ROOT)}:{node.lineno} bare except")
    assert not faults, "\n".join(faults)


def test_tests_never_sleep() -> None:
    """A test polls with a deadline (tests/eventually.py) instead of guessing a duration."""
    sleepy = re.compile(r"\b(time|asyncio)\.sleep\(")
    faults = [
        str(p.relative_to(ROOT))
        for p in python_files("tests")
        if sleepy.search(p.read_text()) and p.name not in {"eventually.py", "test_house.py"}
    ]
    assert not faults, f"sleeps in {faults}"


def test_each_room_has_its_page() -> None:
    rooms = [p.name for p in sorted((ROOT / "src/isthmus").iterdir()) if (p / "__init__.py").exists()]
    missing = [room for room in rooms if not (ROOT / f"docs/design/{room}.md").exists()]
    assert not missing, f"no docs/design page for {missing}"
