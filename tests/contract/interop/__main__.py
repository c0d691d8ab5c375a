"""Play every case with every speaker, print what is seen, and write the page.

Run: python -m tests.contract.interop [--write docs/interop.md] [--only FRR,BIRD]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.contract.interop.cases import CASES
from tests.contract.interop.opponents import OPPONENTS, Opponent
from tests.contract.interop.page import Section, missing, render


def _section(kind: type[Opponent], directory: Path) -> Section:
    version = kind.version()
    if version is None:
        return missing(kind.name, kind.package)
    rows = []
    for number, case in enumerate(CASES):
        seen = case.play(kind(), directory / f"{kind.package}-{number}")
        print(f"{kind.name:9} {case.name}: {seen}", flush=True)
        rows.append((case.name, seen))
    return Section(kind.name, version, tuple(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--only", default=",".join(one.name for one in OPPONENTS), metavar="NAMES")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if arguments.write and len(wanted) < len(OPPONENTS):
        parser.error("the page has all speakers")
    with tempfile.TemporaryDirectory() as directory:
        sections = [_section(kind, Path(directory)) for kind in OPPONENTS if kind.name in wanted]
    if arguments.write:
        arguments.write.write_text(render(sections))


main()
