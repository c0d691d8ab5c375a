"""The BGPVPN API beside networking-bgpvpn 25.0.0: the same Neutron, the same MariaDB, the same rows, in one run.

Two Neutrons (uWSGI, two processes each) serve one database; one loads networking-bgpvpn with its database-only driver,
the other loads us. Rows are put in by SQL, requests are made one after another by one client. Of each request: the
quickest answer, what it costs in processor time (the API's processes and MariaDB together, a mean: other work on the
machine does not count), and the SQL statements that MariaDB counted. Ours writes OVN too where an association does.

Eight clients at once: each side by turns, several times, and the median counts. `--posts` measures nothing else.

Run: python -m benchmarks.api [--write docs/api-speed.md] [--sizes 10,100,5000]; ends with 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.neutron.cloud import Answer, Cloud, Process, User
from tests.neutron.many import OURS, THEIRS, Filler, bgpvpn_id

from benchmarks.api_table import CROWD_ROUNDS, Crowd, Figure, aims, crowd_aims, crowd_lines, page
from isthmus.model.intent import WRITES

ROOT = Path(__file__).parent.parent
UPSTREAM = ROOT / ".venv-upstream/bin"
BGPVPNS, PROJECT = "bgpvpn/bgpvpns", "bench"
SCHEMAS = {"ours": OURS, "theirs": THEIRS}
CLIENTS, CREATES = 8, 200
RUNS_MAX, SECONDS_MAX = 15, 10.0
"""A request is repeated until either is reached."""
PATIENCE_S = 120.0
"""Where a list takes longer, what reads as much is not asked too: a page and an association, of networking-bgpvpn."""


class Upstream(Cloud):
    """A second Neutron on the first one's database and OVN, with networking-bgpvpn."""

    def __init__(self, first: Cloud) -> None:
        super().__init__(first.home / "upstream", bin_=UPSTREAM)
        self.sockets = first.sockets

    def start(self, **isthmus: Any) -> None:
        for folder in ("etc", "log", "state", "lock", "tmp"):
            (self.home / folder).mkdir(parents=True)
        self.write_configuration(isthmus)
        self.manage("--subproject", "networking-bgpvpn", "upgrade", "heads")
        self.start_api()

    def settings(self, isthmus: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found = super().settings(isthmus)
        found["DEFAULT"]["host"] = "upstream"  # the key of its rows in the OVN hash ring
        provider = "BGPVPN:Dummy:benchmarks.upstream_driver.EveryExtension:default"
        return found | {"service_providers": {"service_provider": provider}}


class Patient(User):
    """Waits as long as it takes: minutes, in some cases."""

    timeout = 1800


@dataclass
class Side:
    """One plugin under measurement, and what was seen: figures by request and number of BGPVPNs."""

    name: str
    cloud: Cloud
    admin: User
    api: Process
    mariadb: Process
    seen: dict[tuple[str, int], Figure] = field(default_factory=dict)

    def measure(self, what: str, many: int, call: Callable[[], Answer], undo: Callable[[Answer], None]) -> None:
        times, counts, used, status, began = [], [], 0.0, 0, time.perf_counter()
        while len(times) < RUNS_MAX and (not times or time.perf_counter() - began < SECONDS_MAX):
            self._listen()
            busy, start = self.processor_seconds(), time.perf_counter()
            answer = call()
            times.append(time.perf_counter() - start)
            used += self.processor_seconds() - busy
            counts.append(self._heard())
            status = answer.status
            undo(answer)
        figure = Figure(status, min(times), used / len(times), int(statistics.median(counts)))
        self.seen[what, many] = figure
        print(f"{self.name:8} {many:5} {what:45} {figure}", flush=True)

    def processor_seconds(self) -> float:
        """Of this side's API and of MariaDB, in user and system mode, since they began."""
        ticks = 0
        for session in (self.api.running, self.mariadb.running):
            assert session is not None
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    words = stat.read_text().rpartition(")")[2].split()
                    if int(words[3]) == session.pid:
                        ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _listen(self) -> None:
        self.cloud.sql("TRUNCATE mysql.general_log")
        self.cloud.sql("SET GLOBAL general_log = 1")

    def _heard(self) -> int:
        """Statements since then, without the heartbeats that Neutrons write beside requests."""
        self.cloud.sql("SET GLOBAL general_log = 0")
        query = (
            "SELECT COUNT(*) FROM mysql.general_log WHERE argument NOT LIKE %s AND"
            " (argument LIKE 'SELECT%%FROM%%' OR argument REGEXP '^(INSERT|UPDATE|DELETE)')"
        )
        return int(self.cloud.sql(query, "%ovn_hash_ring%")[0][0])


def side(name: str, cloud: Cloud, first: Cloud) -> Side:
    admin = Patient(cloud.endpoint, PROJECT, "admin")
    return Side(name, cloud, admin, cloud.process("api"), first.process("mariadb"))


@dataclass(frozen=True, slots=True)
class Things:
    """What the measured associations are with."""

    lone_network: str
    routed_network: str
    crowded: list[str]


def make_things(owner: User) -> Things:
    lone = owner.network({"ip_version": 4, "cidr": "10.1.0.0/24"})
    routed = owner.network({"ip_version": 4, "cidr": "10.2.0.0/24"})
    router = owner.make("routers", name="plugged")
    assert owner.plug(router["id"], routed["subnet_ids"][0]).status == 200
    return Things(lone["id"], routed["id"], [owner.make("networks", name="crowd")["id"] for _ in range(5)])


def measure(side: Side, many: int, things: Things) -> None:
    """Every request of the table, with `many` BGPVPNs there."""
    admin = side.admin
    some = bgpvpn_id(1)

    def delete(path: str) -> Callable[[Answer], None]:
        def undo(answer: Answer) -> None:
            assert answer.status == 201, answer
            made = next(iter(answer.body.values()))["id"]
            admin.delete(f"{path}/{made}")

        return undo

    def nothing(_answer: Answer) -> None:
        pass

    def post(path: str, resource: str, **body: Any) -> Callable[[], Answer]:
        return lambda: admin.call("POST", path, {resource: {"project_id": PROJECT} | body})

    def get(path: str, **query: Any) -> Callable[[], Answer]:
        return lambda: admin.call("GET", path, **query)

    associations = f"{BGPVPNS}/{some}/network_associations"
    lone = post(associations, "network_association", network_id=things.lone_network)
    routed = post(associations, "network_association", network_id=things.routed_network)
    side.measure("show", many, get(f"{BGPVPNS}/{some}"), nothing)
    side.measure("filter by name", many, get(BGPVPNS, name=f"vpn-{many}"), nothing)
    side.measure("list", many, get(BGPVPNS), nothing)
    side.measure("list of associations of one", many, get(associations), nothing)
    side.measure("create BGPVPN", many, post(BGPVPNS, "bgpvpn", name="new"), delete(BGPVPNS))
    side.measure("associate network", many, lone, delete(associations))
    if side.seen["list", many].seconds < PATIENCE_S:
        side.measure("list, limit=20", many, get(BGPVPNS, limit=20), nothing)
        side.measure("associate network behind a router", many, routed, delete(associations))


def crowd(side: Side, things: Things, seen: Crowd) -> None:
    """Clients at once: each makes BGPVPNs, then associates each with a network that the others associate too."""
    users = [Patient(side.cloud.endpoint, PROJECT, "admin") for _ in range(CLIENTS)]

    def make(number: int) -> list[Answer]:
        bodies = [{"bgpvpn": {"name": f"crowd-{number}-{turn}"}} for turn in range(CREATES // CLIENTS)]
        return [users[number].call("POST", BGPVPNS, body) for body in bodies]

    def associate(number: int) -> list[Answer]:
        paths = [f"{BGPVPNS}/{bgpvpn}/network_associations" for bgpvpn in made[number]]
        networks = [things.crowded[turn % 5] for turn in range(len(paths))]
        bodies = [{"network_association": {"network_id": network}} for network in networks]
        return [users[number].call("POST", path, body) for path, body in zip(paths, bodies, strict=True)]

    def at_once(what: str, work: Callable[[int], list[Answer]]) -> list[list[Answer]]:
        busy, began = side.processor_seconds(), time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(work, range(CLIENTS)))
        count, took = sum(map(len, answers)), time.perf_counter() - began
        seen.add(
            what, count / took, (side.processor_seconds() - busy) / count, [a.status for of in answers for a in of]
        )
        return answers

    answers = at_once("POST of a BGPVPN", make)
    made = [[a.body["bgpvpn"]["id"] for a in of if a.status == 201] for of in answers]
    at_once("POST of an association", associate)
    print(f"{side.name}: {seen}", flush=True)


def crowds(sides: Sequence[Side], things: Things) -> dict[str, Crowd]:
    """By turns; one round before that counts for nothing: both APIs load something at their first requests."""
    found = {side.name: Crowd() for side in sides}
    for turn in range(CROWD_ROUNDS + 1):
        for side in sides:
            crowd(side, things, found[side.name] if turn else Crowd())
            clear(side)
    return found


def run(home: Path, sizes: list[int], alone: bool, posts: bool) -> tuple[list[Side], dict[str, Crowd]]:
    first = Cloud(home)
    second = Upstream(first)
    try:
        first.start(reconcile_interval_s=3600)
        first.write_in_form(WRITES)
        second.start()
        sides = [side("ours", first, first), side("theirs", second, first)]
        things = make_things(first.user(PROJECT))
        filler = Filler(first, PROJECT)
        first.sql("SET GLOBAL log_output = 'TABLE'")
        measured, at_once = sides[: 1 if alone else 2], dict[str, Crowd]()
        for many in sizes:
            filler.fill_things(many)
            for which in measured:
                filler.fill(SCHEMAS[which.name], many)
                if not posts:
                    measure(which, many, things)
            at_once = at_once or crowds(measured, things)
            if posts:
                break
        return sides, at_once
    finally:
        second.stop()
        first.stop()


def clear(side: Side) -> None:
    """The crowd's BGPVPNs go."""
    side.cloud.sql(f"DELETE FROM {SCHEMAS[side.name].bgpvpns} WHERE name LIKE 'crowd-%%'")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--sizes", default="10,100,5000")
    parser.add_argument(
        "--posts", action="store_true", help="only eight clients at once, with as many as the first size"
    )
    parser.add_argument("--alone", action="store_true", help="measure ours only, and print what is seen")
    chosen = parser.parse_args()
    sizes = [int(size) for size in chosen.sizes.split(",")]
    home = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))  # unix socket paths have at most 107 bytes
    try:
        (ours, theirs), at_once = run(home, sizes, chosen.alone, chosen.posts)
    finally:
        shutil.rmtree(home)
    if chosen.alone:
        return 0
    met = crowd_aims(at_once["theirs"], at_once["ours"])
    if chosen.posts:
        print("\n".join(crowd_lines(at_once["theirs"], at_once["ours"], met)))
        return 0 if all(aim.met for aim in met) else 1
    met = aims(theirs.seen, ours.seen, sizes) + met
    text = page(theirs.seen, ours.seen, sizes, at_once["theirs"], at_once["ours"], met)
    print(text)
    if chosen.write:
        chosen.write.write_text(text)
    return 0 if all(aim.met for aim in met) else 1


if __name__ == "__main__":
    sys.exit(main())
