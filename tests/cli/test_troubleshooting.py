"""The operators' page names every cause, and every command on it can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from isthmus.cli.main import parser
from isthmus.cli.verdict import Cause

PAGE = (Path(__file__).parents[2] / "docs/operator/troubleshooting.md").read_text()
COMMANDS = sorted({c for c in re.findall(r"`(isthmus [^`]*)`", PAGE) if "…" not in c} - {"isthmus why"})


def test_every_cause_has_its_row() -> None:
    missing = [cause.name for cause in Cause if f"`{cause.name}`" not in PAGE]
    assert missing == []
    about_why = PAGE.partition("## What `isthmus why` can name")[2].partition("\n## ")[0]
    assert about_why, "the page has a section for them"
    named = {
        word for row in about_why.splitlines() if row.startswith("| `") for word in re.findall(r"`([A-Z_]+)`", row)
    }
    assert named - {cause.name for cause in Cause} == set(), "no cause of that name"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_typed(command: str) -> None:
    words = shlex.split(command.replace("<", "'").replace(">", "'"))
    assert parser().parse_args(words[1:]).command == words[1]
