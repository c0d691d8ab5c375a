"""docs/interop.md: written from what was seen, and read again by those who check it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.contract.interop.cases import CASES
from tests.contract.interop.opponents import OPPONENTS

PAGE = Path(__file__).parents[3] / "docs" / "interop.md"
HEAD = """\
# With other BGP speakers

Written by `python -m tests.contract.interop --write docs/interop.md`; `make contract` plays every row again and wants
the same words (`test_interop`). One speaker on a loopback, and two sessions of ours to it, as a hypervisor has them:
iBGP, the speaker a route reflector. The first session tells two routes of each family, with RD, label, a target of a
two-octet and one of a four-octet AS, site of origin, encapsulation, router's MAC, MAC mobility and our own claimant
community (ADR 11); the second one hears. "Over IPv6" is about the speaker and our session: the agent dials over IPv4.

How to set each of them up, and what makes a reflector unfit: [operator/mpls.md](operator/mpls.md#reflectors).
"""


@dataclass(frozen=True, slots=True)
class Section:
    """What one speaker did; `rows` in the order of CASES."""

    name: str
    version: str
    rows: tuple[tuple[str, str], ...]

    @property
    def seen(self) -> dict[str, str]:
        return dict(self.rows)


def render(sections: list[Section]) -> str:
    lines = [HEAD, "| | Debian package | families of the session |", "|---|---|---|"]
    packages = {one.name: one.package for one in OPPONENTS}
    lines += [f"| {one.name} | {packages[one.name]} {one.version} | {one.rows[0][1]} |" for one in sections]
    for one in sections:
        lines += ["", f"## {one.name} {one.version}", "", "| case | seen |", "|---|---|"]
        lines += [f"| {case} | {seen} |" for case, seen in one.rows]
    return "\n".join(lines) + "\n"


def read(text: str) -> list[Section]:
    found = []
    for part in text.split("\n## ")[1:]:
        name, version = part.partition("\n")[0].split(" ", 1)
        rows = re.findall(r"^\| (.+?) \| (.+) \|$", part, re.MULTILINE)[1:]
        found.append(Section(name, version, tuple(rows)))
    return found


def missing(name: str, package: str) -> Section:
    """Of a speaker that is not there."""
    return Section(name, "not tried", tuple((case.name, f"not tried: no package {package}") for case in CASES))
