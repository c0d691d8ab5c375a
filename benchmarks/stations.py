"""The stations a change passes on its way from an API call to a packet, and when it passed each of them.

Each station is watched by a tool that prints a line when it happens: the databases of OVN by `ovsdb-client monitor`,
br-vpn by `ovs-ofctl monitor`, BGP on the WAN by tcpdump (UPDATE messages only). They look from outside; nothing of the
product takes part.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from isthmus.lab.fault import PartFailed
from isthmus.lab.lab import Lab
from isthmus.lab.plan import WAN, ovs_env
from isthmus.lab.process import within

Reader = Callable[[str], "tuple[str, float | None] | None"]
"""The station a line tells of, and the moment if the line says it."""

POLL_S = 0.01

UPDATES = "tcp port 179 and tcp[((tcp[12] & 0xf0) >> 2) + 18] = 2"
"""The octet after marker and length is the type; 2 is UPDATE (RFC 4271 section 4.1)."""

TCPDUMP = re.compile(r"^(\d+\.\d+) .*IP (\d+\.\d+\.\d+\.\d+)\.\d+ > (\d+\.\d+\.\d+\.\d+)\.\d+:")


@dataclass(frozen=True, slots=True)
class Watch:
    """A command whose lines are read."""

    command: tuple[str, ...]
    read: Reader
    rundir: str = ""


class Stations:
    """Watches for as long as the block lasts."""

    def __init__(self, lab: Lab, watches: Sequence[Watch]) -> None:
        self._lab, self._watches = lab, watches
        self._seen: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._running: list[tuple[subprocess.Popen[str], threading.Thread]] = []

    def __enter__(self) -> Self:
        for watch in self._watches:
            process = subprocess.Popen(
                ["stdbuf", "-oL", *watch.command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # where ovs-ofctl tells what it monitors
                text=True,
                env={**os.environ, **self._lab.processes.environment(ovs_env(self._lab.places.of(watch.rundir)))},
            )
            thread = threading.Thread(target=self._follow, args=(process, watch.read))
            thread.start()
            self._running.append((process, thread))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process, thread in self._running:
            process.terminate()
            process.wait()
            thread.join()

    def _follow(self, process: subprocess.Popen[str], read: Reader) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            now = time.time()
            found = read(line)
            if found is not None:
                with self._lock:
                    self._seen.append((found[0], found[1] or now))

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()

    def until(self, station: str, since: float, within_s: float = 20.0) -> float:
        """When it was first passed since that moment; waits for it."""
        while (at := self.first(since).get(station)) is None:
            if time.time() - since > within_s:
                raise PartFailed("stations", f"'{station}' within {within_s:.0f} s", "it did not happen")
            time.sleep(POLL_S)
        return at

    def first(self, since: float) -> dict[str, float]:
        """When each station was first passed since that moment."""
        found: dict[str, float] = {}
        for station, at in self._since(since):
            found.setdefault(station, at)
        return found

    def stages(self, order: Sequence[tuple[str, str]], since: float) -> dict[str, float]:
        with self._lock:
            return stages(self._seen, order, since)

    def _since(self, since: float) -> list[tuple[str, float]]:
        with self._lock:
            return sorted((item for item in self._seen if item[1] >= since), key=lambda item: item[1])


def stages(seen: Sequence[tuple[str, float]], order: Sequence[tuple[str, str]], since: float) -> dict[str, float]:
    """How long each stage took; `order` names the stages and the station at the end of each.

    Backwards from when the last station was first passed: what led there is the last time the one before was passed.
    (Forwards one would take an UPDATE that told of something else.) Nothing if a station was not passed.
    """
    last = [at for station, at in seen if station == order[-1][1] and at >= since]
    if not last:
        return {}
    moments = [min(last)]
    for _, station in reversed(order[:-1]):
        before = [at for name, at in seen if name == station and since <= at <= moments[0]]
        if not before:
            return {}
        moments.insert(0, max(before))
    return {name: end - begin for (name, _), begin, end in zip(order, [since, *moments], moments, strict=False)}


LET_IN, LET_IN_NO_MORE = "a-h1 lets in what is for the VM", "a-h1 lets it in no more"
HAS_FLOW, HAS_FLOW_NO_MORE = "b-h1 has the flow", "b-h1 has the flow no more"


IN_NORTHBOUND, IN_SOUTHBOUND = "rows in OVN's northbound", "row in OVN's southbound"
TOLD, PASSED, HEARD = "UPDATE a-h1 to a-rr", "UPDATE a-rr to b-rr", "UPDATE b-rr to b-h1"

BY_BGP = (
    ("reflector of cloud a passes it on", PASSED),
    ("reflector of cloud b passes it on", HEARD),
)


def on_the_way(lab: Lab, address: str) -> list[Watch]:
    """From an address on a-h1, told to the reflectors, to b-h1."""
    names = {str(r.address): r.node for c in lab.topology.clouds for r in c.reflectors}
    names |= {str(site.hypervisor.address): site.node for site in lab.plan.sites if site.node in ("a-h1", "b-h1")}
    return [
        updates(names),
        flows("a-h1", f"nw_dst={address}", {"ADDED": LET_IN, "DELETED": LET_IN_NO_MORE}),
        flows("b-h1", f"nw_dst={address}", {"ADDED": HAS_FLOW, "DELETED": HAS_FLOW_NO_MORE}),
    ]


def rows(lab: Lab, cloud: str, database: str, table: str, column: str, marker: str, station: str) -> Watch:
    """A row with this marker comes or changes in one of OVN's databases."""
    socket = lab.places.northbound(cloud) if database == "OVN_Northbound" else lab.places.southbound(cloud)
    command = ("ovsdb-client", "monitor", f"unix:{socket}", database, table, column)

    def read(line: str) -> tuple[str, float | None] | None:
        return (station, None) if marker in line and " initial " not in line else None

    return Watch(command, read, cloud)


def flows(node: str, marker: str, events: dict[str, str]) -> Watch:
    """A flow of br-vpn with these words comes or goes: `ADDED` and `DELETED` to the name of the station."""
    words = re.compile(rf"event=(\w+) .*{re.escape(marker)}(?![\w.:/])")

    def read(line: str) -> tuple[str, float | None] | None:
        found = words.search(line)
        return (events[found[1]], None) if found and found[1] in events else None

    return Watch(("ovs-ofctl", "-O", "OpenFlow15", "monitor", "br-vpn", "watch:!initial"), read, node)


def updates(names: dict[str, str]) -> Watch:
    """BGP on the WAN; `names` by address. A station is called `UPDATE one to other`."""
    command = ("tcpdump", "-i", "any", "-n", "-l", "-tt", "--immediate-mode", "-Z", "root", UPDATES)

    def read(line: str) -> tuple[str, float | None] | None:
        found = TCPDUMP.search(line)
        if not found or found[2] not in names or found[3] not in names:
            return None
        return f"UPDATE {names[found[2]]} to {names[found[3]]}", float(found[1])

    return Watch(tuple(within(WAN, command)), read)
