"""What chaos has cost, as a table: for a terminal and for a page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isthmus.lab.chaos.traffic import PACE_S, Count


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be lost in a case. Numbers are packets of the stream that lost most."""

    words: str
    lost: int | None = 0
    """None: anything; it is printed for the reader."""
    beyond_plain: bool = False
    """`lost` more than the plain stream that lost most."""


NOTHING = Allowed("no packet")
PRINTED = Allowed("printed", None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a case has seen beside packets, and whether that is as it must be."""

    words: str
    kept: bool = True


def beside(finding: Finding | None, far: Sequence[Count], allowed: Allowed) -> Finding | None:
    """What was found, and what became of the streams to PEs that are not ours: each of them has four."""
    if not far:
        return finding
    words = [finding.words] if finding is not None else []
    for first in range(0, len(far), 4):
        streams = far[first : first + 4]
        words.append(f"{streams[0]['name'].removesuffix(' IPv4')} and back: {_lost(streams)}, {_gap(streams)}")
    kept = allowed.lost is None or _worst(far) <= allowed.lost
    return Finding("; ".join(words), kept and (finding is None or finding.kept))


def noticed(observer: str, silent_s: float, back_s: float) -> Finding:
    """How soon somebody knew that a hypervisor had fallen silent, and that it was back; infinite: not at all."""
    words = f"{observer} sends it nothing after {silent_s:.2f} s, uses it again {back_s:.2f} s after its return"
    return Finding(words, silent_s <= KNOWN_S and back_s <= AGAIN_S)


KNOWN_S = 1.0
"""So long at most others send to a hypervisor that has died: three lost probes, one round to count them, one bundle."""
AGAIN_S = 5.0
"""So long at most one that is back is not used: its next answer, one bundle, and what finding its MAC takes."""


@dataclass(frozen=True, slots=True)
class Result:
    """One case: the streams through the VPN and, beside them, plain OVN between the cloud's hypervisors."""

    title: str
    allowed: Allowed
    vpn: tuple[Count, ...]
    plain: tuple[Count, ...]
    finding: Finding | None = None

    @property
    def kept(self) -> bool:
        """Whether no more was lost than allowed, and what was found is as it must be."""
        return self._lost_little and (self.finding is None or self.finding.kept)

    @property
    def _lost_little(self) -> bool:
        if self.allowed.lost is None:
            return True
        limit = self.allowed.lost + (_worst(self.plain) if self.allowed.beyond_plain else 0)
        return _worst(self.vpn) <= limit


def _worst(counts: Iterable[Count]) -> int:
    return max((one["lost"] for one in counts), default=0)


HEAD = ("case", "VPN, lost of each stream", "longest gap", "plain OVN", "longest gap", "allowed", "")


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    return [HEAD, *(_row(result) for result in results)]


def _row(result: Result) -> tuple[str, ...]:
    asserted = result.allowed.lost is not None or result.finding is not None
    verdict = "MORE" if not result.kept else "kept" if asserted else ""
    found = result.finding.words if result.finding is not None else ""
    return (
        result.title,
        _lost(result.vpn),
        _gap(result.vpn),
        _lost(result.plain),
        _gap(result.plain),
        result.allowed.words,
        "; ".join(word for word in (verdict, found) if word),
    )


def _lost(counts: Sequence[Count]) -> str:
    if not any(one["lost"] for one in counts):
        return f"0 of {sum(one['sent'] for one in counts)}"
    return " ".join(str(one["lost"]) for one in counts) + f" of {counts[0]['sent']} each"


def _gap(counts: Sequence[Count]) -> str:
    longest = max((one["gap"] for one in counts), default=0)
    return f"{longest * PACE_S:.2f} s" if longest else "-"


def text(results: Sequence[Result]) -> str:
    """For a terminal."""
    lines = rows(results)
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


PAGE = """# What trouble costs

Written by `isthmus-lab chaos --write docs/chaos.md`. Under each kind of trouble run numbered UDP packets, {rate} a
second in each stream, counted one by one ({machine}):

* through the VPN, between a VM of each cloud: {streams}
* plain OVN beside them, between two VMs of one network on both hypervisors of cloud a: the same four ways

The trouble is on hypervisor a-h1, which all of them cross, or in cloud a. A window lasts from the trouble until every
agent, session and stream is well again.

FRR 8.4 withdraws EVPN routes the moment a session ends, whatever was agreed on; nothing is lost by it, because other
hypervisors see that whose beacon is withdrawn too has taken nothing back, and that it forwards (ADR 8). A silent
hypervisor is lost to itself; what counts there is that the others know within {known:g} s, and use it again within
{again:g} s of its return.

Beside PEs that are not ours, four streams to and from each PE's customer are counted too: to it and back, IPv4 and
IPv6. What is lost there on the way back after an agent or a reflector was killed is FRR's: it forgets EVPN routes with
the session that they came by, and VPN routes too if the reflector (here FRR) offers to be waited for in no family.
"""


def markdown(parts: Sequence[tuple[str, Sequence[Result]]], streams: Sequence[str], machine: str) -> str:
    """The page; each part has a heading of its own."""
    rate, named = round(1 / PACE_S), ", ".join(streams)
    page = [PAGE.format(rate=rate, machine=machine, streams=named, known=KNOWN_S, again=AGAIN_S)]
    for heading, results in parts:
        head, *body = rows(results)
        page += [f"## {heading}\n", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        page += [*("| " + " | ".join(line) + " |" for line in body), ""]
    return "\n".join(page)
