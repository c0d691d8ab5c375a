"""The house's own rules, checked on every file: sizes, names, and what must never appear."""

from __future__ import annotations

import ast
import re
from collections import Counter
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


AGENT = ("model", "bgp", "rib", "vpn", "fib", "flows", "node", "shell")
TWO_SIDES = {"bgp/events.py", "node/facts.py", "node/effects.py"}
"""What a session hears the node hears of, and what it wants the node asks for: the same words on purpose."""


def names(tree: ast.AST) -> Iterator[str]:
    """Of classes, functions and members."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            members = (one.target for one in node.body if isinstance(one, ast.AnnAssign))
            yield from (one.id for one in members if isinstance(one, ast.Name))


def test_every_test_that_a_page_names_is_there() -> None:
    there = set(re.findall(r"def (test_\w+)", "".join(path.read_text() for path in python_files("tests"))))
    there |= {path.stem for path in python_files("tests")}
    named = {name: page for page in ROOT.glob("docs/**/*.md") for name in re.findall(r"`(test_\w+)`", page.read_text())}
    assert not (missing := {name: str(page) for name, page in named.items() if name not in there}), missing


def test_one_name_is_one_class() -> None:
    homes: dict[str, set[str]] = {}
    for path in python_files(*(f"src/isthmus/{room}" for room in AGENT)):
        file = str(path.relative_to(ROOT / "src/isthmus"))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name.lstrip("_"), set()).add(file)
    twice = {name: files for name, files in homes.items() if len(files) > 1 and not files <= TWO_SIDES}
    assert not twice, f"one name, two meanings: {twice}"


def test_a_word_of_the_glossary_is_used_where_it_says() -> None:
    glossary = (ROOT / "ARCHITECTURE.md").read_text().partition("## Glossary")[2]
    rows = re.findall(r"^\| ([a-z]+) \| .*? \| (.*?) ?\|$", glossary, re.MULTILINE)
    allowed = {word: re.findall(r"`([a-z_/.0-9]+)`", homes) for word, homes in rows if word != "word"}
    assert len(allowed) > 25, "the glossary has lost its table"
    explained = Counter([word for word, _ in rows] + re.findall(r"\*([a-z]+)\*", glossary))
    assert not (twice := [word for word, n in explained.items() if n > 1]), f"one word, explained twice: {twice}"
    faults, seen = [], set[str]()
    for path in python_files(*(f"src/isthmus/{room}" for room in AGENT)):
        file = str(path.relative_to(ROOT / "src/isthmus"))
        for name in names(ast.parse(path.read_text())):
            for part in re.findall(r"[A-Z]?[a-z]+", name):
                word = next((w for w in allowed if part.lower() in (w, f"{w}s", f"{w}ing", f"{w}ed")), None)
                if word is None:
                    continue
                seen.add(word)
                if allowed[word] and not any(file.startswith(home) for home in allowed[word]):
                    faults.append(f"{file}: {name}")
    assert not faults, f"another meaning of a word of the glossary: {sorted(faults)}"
    assert not (unused := allowed.keys() - seen - {"unheard", "staying", "refused"}), f"nobody says {unused}"


CORE = ("model", "bgp", "rib", "vpn", "fib", "flows", "node")
OURS_ALONE = {
    "model/intent/writing.py": "whoever writes a row chooses its form",
    "bgp/message.py": "our own OPEN",
    "bgp/nlri/evpn.py": "our own route, or one as it was decoded",
    "bgp/packing.py": "our own routes, for a session that agreed on them",
    "bgp/session.py": "the session's own steps, in the order of its table",
    "rib/decision.py": "two lists of this file",
    "vpn/exports.py": "who asks without a node",
    "vpn/families.py": "what `refusal` lets pass, asked just before",
    "node/switch.py": "asked only when the switch has been read",
    "node/handover.py": "asked only of a session that is there",
    "node/report_routes.py": "two kinds of one union",
}
"""Where the core asserts something of itself, and why nothing that a tenant, a peer or the cloud says can reach it."""


def test_no_assertion_of_the_core_is_about_what_others_say() -> None:
    """An assertion ends the process, and the next one too: whatever comes from outside is refused with a reason."""
    found = set()
    for path in python_files(*(f"src/isthmus/{room}" for room in CORE)):
        for node in ast.walk(ast.parse(path.read_text())):
            raised = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
            if isinstance(node, ast.Assert) or (isinstance(raised, ast.Name) and raised.id == "AssertionError"):
                found.add(str(path.relative_to(ROOT / "src/isthmus")))
    assert not (new := found - OURS_ALONE.keys()), f"can a fact reach these? say why not in OURS_ALONE: {sorted(new)}"
    assert not (gone := OURS_ALONE.keys() - found), f"no assertion is left in {sorted(gone)}"
