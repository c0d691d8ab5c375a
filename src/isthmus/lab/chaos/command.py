"""`isthmus-lab chaos`: build the lab, join two clouds, let packets run, and count what each kind of trouble costs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from isthmus.lab import lab as whole
from isthmus.lab import machine, topology
from isthmus.lab.chaos import table, traffic
from isthmus.lab.chaos.cases import CASES, Case, unwell
from isthmus.lab.chaos.foreign import FOREIGN
from isthmus.lab.chaos.traffic import Count, Flow
from isthmus.lab.fault import PartFailed, Refusal
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import world
from isthmus.lab.ladder.ground import Ground, Machine
from isthmus.lab.ladder.rungs import join
from isthmus.lab.progress import Progress, Step

WELL_WITHIN_S = 120.0
POLL_S = 0.1
NETS = tuple(net for net in grounds.NETS if net.name == "red")
HERE, BESIDE, THERE = "a-red1", "a-red2", "b-red1"


class Streams:
    """The process that sends and counts; see traffic.py."""

    def __init__(self, lab: Lab, flows: Sequence[Flow]) -> None:
        command = [str(lab.programs.python_bin / "python"), "-m", traffic.__name__, json.dumps(flows)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **lab.processes.environment({})},
        )
        if self._line() != "ready":
            raise PartFailed("streams", "sockets in every VM", "it ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._process.communicate(timeout=10)

    def mark(self) -> None:
        """Count from here on."""
        self._say("mark")

    def look(self) -> list[Count]:
        """What became of everything since the mark."""
        self._say("look")
        counts: list[Count] = json.loads(self._line())
        return counts

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PartFailed("streams", "to go on", f"they ended with {self._process.wait()}")
        return line.strip()


TOPOLOGIES = {
    "two-clouds": "FRR 8.4 reflects",
    "two-clouds-gobgp": "GoBGP 3.10 reflects, which keeps EVPN routes over restarts",
    "two-reflectors": "two FRR 8.4 reflect in each cloud",
    "world": "PEs that are not ours (FRR 8.4 on Linux), with streams to their customers; FRR 8.4 reflects",
}


def chaos(out: TextIO, *, names: Sequence[str], only: str | None, write: Path | None, keep: bool) -> bool:
    """One lab after the other, each from nothing; whether every case kept its limits. Raises Refusal, PartFailed."""
    cases = [case for case in (*CASES, *FOREIGN) if only is None or only in case.title]
    if not cases:
        raise Refusal(
            f"no case has '{only}' in its title (there are: {'; '.join(c.title for c in (*CASES, *FOREIGN))})"
        )
    parts: list[tuple[str, list[table.Result]]] = []
    paths = {name: topology.locate(name) for name in names or TOPOLOGIES}
    for path in paths.values():  # before an hour's work is lost with the last of them
        machine.check(topology.read(path.read_text(), str(path)))
    for name, path in paths.items():
        with Progress(out) as progress:
            lab = whole.up(path.read_text(), str(path), agents=True, progress=progress)
            results = _lab(lab, cases, progress)
            parts.append((TOPOLOGIES.get(name, name), results))
            progress.line("")
            progress.line(table.text(results))
            if not keep:
                progress.line(whole.down())
    if write is not None:
        where = f"{os.cpu_count()} cores shared with other work, userspace datapath"
        write.write_text(table.markdown(parts, [one["name"] for one in parts[0][1][0].vpn], where))
    return all(result.kept for _, results in parts for result in results)


def _lab(lab: Lab, cases: Sequence[Case], progress: Progress) -> list[table.Result]:
    ground = Ground(lab)
    with progress.step("two networks, four VMs, one VPN"):
        grounds.build(ground, NETS)
        if lab.topology.pes:
            world.join(ground)
            world.serve(ground)
        else:
            join(ground)
    with watched(ground) as streams:
        return [run(lab, case, streams, progress) for case in cases_of(lab) if case in cases and case.fits(lab)]


def cases_of(lab: Lab) -> Sequence[Case]:
    """Among PEs that are not ours, what concerns them; the rest was tried without."""
    return FOREIGN if lab.topology.pes else CASES


def watched(ground: Ground) -> Streams:
    """Streams between two VMs of both clouds, of two of one network, and to every customer behind a PE."""
    here = ground.vms[HERE]
    far = (one for side in world.customers(ground, "red") for one in side)
    there = (ground.vms[THERE], ground.vms[BESIDE], *far)
    return Streams(ground.lab, [flow for one in there for flow in flows(here, one)])


def flows(one: Machine, other: Machine) -> list[Flow]:
    """Both ways, both versions."""
    pairs = ((one, other), (other, one))
    return [_flow(a, b, version) for version in (4, 6) for a, b in pairs]


def _flow(source: Machine, target: Machine, version: int) -> Flow:
    here, there = source.address(version), target.address(version)
    assert here is not None and there is not None
    return Flow(
        name=f"{source.node} to {target.node} IPv{version}",
        source=source.node,
        address=here,
        target=target.node,
        to=there,
    )


def run(lab: Lab, case: Case, streams: Streams, progress: Progress) -> table.Result:
    """Once all is well; until all is well again."""
    with progress.step(case.title) as step:
        until_well(lab, step)
        streams.mark()
        _until_calm(streams, step)
        streams.mark()
        finding = case.act(lab, lab.site("a-h1"))
        until_well(lab, step)
        counts = _until_calm(streams, step)
        vpn, plain, far = tuple(counts[:4]), tuple(counts[4:8]), counts[8:]
        finding = table.beside(finding, far, case.far)
        result = table.Result(case.title, case.allowed, vpn, plain, finding)
        found = finding.words if finding is not None else ""
        step.result(f"VPN {[one['lost'] for one in vpn]}, plain {[one['lost'] for one in plain]} {found}")
        return result


def until_well(lab: Lab, step: Step) -> None:
    """Every agent, and every PE that is not ours with its sessions."""
    deadline = time.monotonic() + WELL_WITHIN_S
    while (wrong := _asked(lab)) is not None:
        step.note(wrong[:80])
        if time.monotonic() > deadline:
            raise PartFailed("the lab", f"all to be well within {WELL_WITHIN_S:.0f} s", wrong)
        time.sleep(POLL_S)


def _asked(lab: Lab) -> str | None:
    try:
        return unwell(lab) or world.unconnected(lab.topology)
    except OSError as error:
        return f"an agent does not answer: {error}"


def _until_calm(streams: Streams, step: Step) -> list[Count]:
    """What became of everything since the mark, once nothing is lost any more."""
    deadline = time.monotonic() + WELL_WITHIN_S
    before = streams.look()
    while True:
        counts = streams.look()
        fresh = sum(one["lost"] for one in counts) - sum(one["lost"] for one in before)
        if not fresh:
            return counts
        step.note(f"{fresh} packets were lost in the last second")
        if time.monotonic() > deadline:
            raise PartFailed("the streams", f"to run again within {WELL_WITHIN_S:.0f} s", f"{counts}")
        before = counts
