"""The blocks of configuration in the guides: what a reader pastes must work."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Those of one page that are marked with the language, in order."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no block marked {language}"
    return [textwrap.dedent(block) for _indent, block in found]
