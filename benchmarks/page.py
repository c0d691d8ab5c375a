"""docs/figures.md: a section for each command, which writes its own and leaves the others as they are.

A section begins with its heading (`## …`) and ends at the next one. The page's order is the one below, whichever
command ran first.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "figures.md"

WIDTH = 120

HEAD = """# Figures

Written by the commands named under each heading, each its own part; run them again for yours. `make bench` runs all
but the ladder, one after the other.
"""

ROUTES = "BGP bytes to flows committed: `python -m benchmarks.routes`"
CLOUDS = "Two clouds: `python -m benchmarks.clouds`"
LABELLED = "MPLS beside VXLAN: `python -m benchmarks.labelled`"
BEFORE = "Beside the build before: `python -m benchmarks.before`"
SPEAKERS = "Beside others: `python -m benchmarks.speakers`"
ASKED = "Asked for targets: `python -m benchmarks.asked`"
SWARM = "Behind real reflectors: `python -m benchmarks.swarm`"
LADDER = "The ladder: `make demo | tee demo.log`, then `python -m benchmarks.ladder demo.log`"
ORDER = (ROUTES, BEFORE, CLOUDS, LABELLED, SPEAKERS, SWARM, ASKED, LADDER)


def sections(page: str) -> dict[str, str]:
    """The text under each heading; what stands before the first is not ours to keep."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return {title.strip(): text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def with_section(page: str, title: str, text: str) -> str:
    """The page with that section new; sections that nobody writes any more go."""
    found = {name: body for name, body in sections(page).items() if name in ORDER} | {title: text.strip()}
    ordered = [f"## {name}\n\n{found[name]}\n" for name in ORDER if name in found]
    return "\n".join([HEAD, *ordered])


def write(title: str, text: str, page: Path = PAGE) -> None:
    assert title in ORDER, f"the page has no section '{title}'"
    before = page.read_text() if page.exists() else ""
    page.write_text(with_section(before, title, wrapped(text)))


def wrapped(text: str) -> str:
    """Paragraphs in lines of the house's length; tables, headings and what is indented as they are."""
    blocks = [block if block[0] in "|#* " else textwrap.fill(block, WIDTH) for block in text.strip().split("\n\n")]
    return "\n\n".join(blocks)
