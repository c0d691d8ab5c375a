"""What `benchmarks.before` runs in each of two trees: one row of its table, once, in a process of its own.

    python -m benchmarks.measured ROW [--profile]

`isthmus` and `tests` are of the tree on PYTHONPATH, this file is the same for both. So it says what happens by doors
that outlive a redesign (facts and effects, the world of the tests, the memory's file) and in octets of its own. Prints
one line of JSON: name of a figure to its value, seconds of processor time unless the name says otherwise.
"""

from __future__ import annotations

import argparse
import cProfile
import dataclasses
import gc
import io
import json
import pstats
import resource
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.build import association, attachment, circuit, port, uuid
from tests.world import REFLECTOR, World

from benchmarks.octets import Route, Said, end_of_rib, updates
from isthmus.node import effects, facts
from isthmus.shell import memory_file
from isthmus.shell.ofctl import bundle

Figures = dict[str, float]
READ_BYTES = 65536
"""At a time from a connection, as the agent does."""
PES = 20
NUMBER_MIN = 16
"""Below it no cloud gives numbers."""


def dotted(number: int, first: int = 10) -> str:
    return f"{first}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


# Bytes to flows


def one_view() -> Figures:
    return _flows(1, 10_000)


def many_views() -> Figures:
    return _flows(1_000, 10)


def _flows(views: int, routes: int) -> Figures:
    """`views` views with `routes` routes each; those of a view come from 20 PEs and share attributes."""
    circuits, ports, stream = {}, [], []
    numbers = range(NUMBER_MIN, NUMBER_MIN + views)
    for v in numbers:
        network = f"neutron-{uuid(v)}"
        circuits[circuit(v)] = _attachment(v, network, vni=5000 + v)
        ports.append(port(uuid(900_000 + v), network, dotted(v, 100)))
    for pe in range(PES):
        for v in numbers:
            mine = [Route(f"{dotted(v * routes + r)}/32", 16, 7001) for r in range(pe, routes, PES)]
            stream += updates(Said(v, f"172.31.0.{pe + 1}", as_path=(64513,)), mine)
    world = _world(circuits, ports)
    node, now, data = world.node, world.now, b"".join(stream)
    gc.collect()
    found: Figures = {}
    _clock(found, "bytes to updates", lambda: node.handle(facts.Received(REFLECTOR, data), now))
    done = _clock(found, "updates to flows wanted", lambda: node.effects(now))
    [wish] = [e for e in done if isinstance(e, effects.ApplyFlows)]
    assert len(wish.put) >= views * routes, f"{len(wish.put)} flows"
    found["bytes to flows wanted"] = sum(found.values())
    _clock(found, "bundle written as text", lambda: bundle(wish))
    return found


# Small facts in a large cloud

ATTACHMENTS, LOCAL, ROUTES, PORTS = 10_000, 20, 20_000, 100
AGAIN = 5
"""How often each fact is told; the median counts."""


def small_facts() -> Figures:
    """Attachments all over the cloud; a machine in each of some networks; routes of these."""
    circuits = {
        circuit(i): _attachment(i, f"neutron-{uuid(i)}", vni=i) for i in range(NUMBER_MIN, NUMBER_MIN + ATTACHMENTS)
    }
    ports = [
        port(uuid(900_000 + k), f"neutron-{uuid(16 + k % LOCAL)}", f"10.1.0.{10 + k // LOCAL}") for k in range(PORTS)
    ]
    world = _world(circuits, ports)
    groups: dict[Said, list[Route]] = {}
    for k in range(ROUTES):
        said = Said(16 + k % LOCAL, f"172.31.{k % 250}.{1 + k % 200}")
        groups.setdefault(said, []).append(Route(f"{dotted(k, 11)}/32", said.target, 7001))
    whole = b"".join(m for said, routes in groups.items() for m in updates(said, routes))
    _feed(world, [whole + end_of_rib()])  # at once: how they came is another row's
    last, ours, endpoints = circuit(15 + ATTACHMENTS), tuple(ports), world.resolved
    some = min(endpoints)

    def intent(row: int, name: int) -> facts.IntentRead:
        changed = dataclasses.replace(circuits[last], revision=row)
        return facts.IntentRead({**circuits, last: changed}, (_renamed(ours[0], name), *ours[1:]))

    def resolved(turn: int) -> facts.NeighboursRead:
        return facts.NeighboursRead(endpoints - frozenset({some} if turn % 2 == 0 else ()))

    told: dict[str, Callable[[int], Any]] = {
        "a foreign row": lambda turn: intent(2 + turn, 1),
        "an endpoint resolved": resolved,
        "a port renamed": lambda turn: intent(2 + AGAIN, 2 + turn),
    }
    found: Figures = {}
    gc.collect()
    for name, fact in told.items():
        found[name] = statistics.median([_tell(world, fact(turn)) for turn in range(AGAIN)])
        with _counting(world) as count:
            _tell(world, fact(AGAIN))
        found[f"{name}: decisions"] = count()
    found["status and report"] = _reported(world)
    return found


def _renamed(one: Any, revision: int) -> Any:
    """What Neutron's rename looks like from a hypervisor: the revision that a build reads, or nothing at all."""
    if any(field.name == "revision" for field in dataclasses.fields(one)):
        return dataclasses.replace(one, revision=revision)
    return dataclasses.replace(one)


def _tell(world: World, fact: Any) -> float:
    """Seconds of the node's own; what it asks for is then done."""
    with _watch() as seconds:
        world.node.handle(fact, world.now)
        done = world.node.effects(world.now)
    for effect in done:
        world._carry_out(effect)
    world.settle()
    return seconds()


@contextmanager
def _counting(world: World) -> Iterator[Callable[[], int]]:
    """How many decisions are made meanwhile: asked of the tables, or counted on the way where they do not count."""
    if hasattr(world.node.tables, "decisions"):
        before = world.node.tables.decisions
        yield lambda: world.node.tables.decisions - before
        return
    from isthmus.vpn import imports

    decide, seen = imports.decide, [0]

    def counted(*words: Any, **named: Any) -> Any:
        seen[0] += 1
        return decide(*words, **named)

    users = [m for name, m in sys.modules.items() if name.startswith("isthmus") and vars(m).get("decide") is decide]
    for module in users:
        module.decide = counted  # type: ignore[attr-defined]
    try:
        yield lambda: seen[0]
    finally:
        for module in users:
            module.decide = decide  # type: ignore[attr-defined]


def _reported(world: World) -> float:
    """What is asked for each second, by the log and by the report."""
    from isthmus.node.bulletin import About, bulletin
    from isthmus.node.report import status
    from isthmus.node.status import Detail

    spent = []
    for _ in range(AGAIN):
        with _watch() as seconds:
            status(world.node, world.now, Detail.STATES)
            bulletin(world.node, About("1", 1, 0.0), world.now, None)
        spent.append(seconds())
    return statistics.median(spent)


# Memory

REMEMBERED, TARGETS, HYPERVISORS, IMPORTED = 100_000, 5_000, 1_000, 50


def memory() -> Figures:
    """Routes of 5,000 BGPVPNs with 20 machines each, on as many of 1,000 hypervisors; 50 of the BGPVPNs are here. So
    hypervisor, target and sequence make nearly every route's attributes its own."""
    world, stream = _cloud(REMEMBERED)
    gc.collect()
    before = _resident()
    with _watch() as seconds:
        _feed(world, stream)
    gc.collect()
    assert world.node.rib.count(REFLECTOR) == REMEMBERED
    flows = sum(1 for key in world.flows if key.table == 20)
    assert flows >= REMEMBERED * IMPORTED // TARGETS, f"{flows} routes are imported"
    return {"bytes of memory": float(_resident() - before), "received and decided": seconds()}


def _cloud(count: int) -> tuple[World, list[bytes]]:
    here = range(NUMBER_MIN, NUMBER_MIN + IMPORTED)
    circuits = {circuit(v): _attachment(v, f"neutron-{uuid(v)}", vni=v) for v in here}
    ports = [port(uuid(900_000 + v), f"neutron-{uuid(v)}", f"100.64.0.{v}") for v in here]
    return _world(circuits, ports), _stream(count)


def _stream(count: int) -> list[bytes]:
    """In reads, each in pieces as TCP has them."""
    whole = bytearray()
    for k in range(count):
        target, turn = 1 + k % TARGETS, k // TARGETS
        number = (turn * 37 + target * 7) % HYPERVISORS
        said = Said(target, f"172.31.{number // 250}.{number % 250 + 1}", sequence=4 + k % 3)
        whole += b"".join(updates(said, [Route(f"{dotted(k, 11)}/32", 16 + target, target)]))
    whole += end_of_rib()
    return [bytes(whole[at : at + READ_BYTES]) for at in range(0, len(whole), READ_BYTES)]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# The agent is exchanged


def exchange_200() -> Figures:
    return _exchange(200_000)


def exchange_500() -> Figures:
    return _exchange(500_000)


def _exchange(count: int) -> Figures:
    """From the last octet that one run reads to the first that the next one could."""
    world, stream = _cloud(count)
    _feed(world, stream)
    node, now = world.node, world.now
    gc.collect()
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="exchange") as directory:
        left = _clock(found, "set down", lambda: node.suspend(now, world.reflectors))
        _clock(found, "written", lambda: memory_file.write(Path(directory), left))
        octets = sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file())
        back = _clock(found, "read", lambda: memory_file.read(Path(directory)))
        assert back is not None
        fresh = _clock(found, "begun", lambda: type(node)(node.config, now + 1, back))
    assert fresh.rib.count(REFLECTOR) == count, fresh.peers[REFLECTOR].reason
    return found | {"deaf": sum(found.values()), "octets handed on": float(octets)}


# Parts


def _attachment(number: int, network: str, vni: int) -> Any:
    one = association(number, networks=(network,), both=(f"64512:{number}",), vni=vni)
    return attachment(number, one, networks=(network,))


def _world(circuits: dict[Any, Any], ports: list[Any]) -> World:
    world = World(peers=(REFLECTOR,))
    world.switch_on()
    world.intent(circuits, ports)
    return world


def _feed(world: World, stream: Any) -> None:
    """As the agent is fed: effects after each read, the switch obeys."""
    for data in stream:
        world.tell(facts.Received(REFLECTOR, data))


def _clock(found: Figures, stage: str, act: Callable[[], Any]) -> Any:
    with _watch() as seconds:
        result = act()
    found[stage] = seconds()
    return result


_profile: list[cProfile.Profile] = []
"""What looks on while something is measured, if anything does."""


@contextmanager
def _watch() -> Iterator[Callable[[], float]]:
    """What is measured: how long it took, and where."""
    for one in _profile:
        one.enable()
    begun = time.process_time()
    spent: list[float] = []
    yield lambda: spent[0]
    spent.append(time.process_time() - begun)
    for one in _profile:
        one.disable()


def profile(row: str) -> str:
    """Where the time goes, by own time; of memory, which lines asked for it."""
    if row == "memory":
        tracemalloc.start()
        world, stream = _cloud(REMEMBERED)
        before = tracemalloc.take_snapshot()
        _feed(world, stream)
        gc.collect()
        lines = tracemalloc.take_snapshot().compare_to(before, "lineno")[:TOP]
        return "\n".join(f"{one.size_diff >> 10:8,} KiB {one.count_diff:9,} blocks  {_place(one)}" for one in lines)
    _profile.append(cProfile.Profile())
    ROWS[row]()
    text = io.StringIO()
    pstats.Stats(_profile[0], stream=text).strip_dirs().sort_stats("tottime").print_stats(TOP)
    return text.getvalue()


def _place(one: tracemalloc.StatisticDiff) -> str:
    frame = one.traceback[0]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"


TOP = 15
ROWS: dict[str, Callable[[], Figures]] = {
    "one-view": one_view,
    "many-views": many_views,
    "small-facts": small_facts,
    "memory": memory,
    "exchange-200": exchange_200,
    "exchange-500": exchange_500,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead (own time, top 15)")
    words = parser.parse_args()
    gc.set_threshold(100_000, 50, 100)  # as the agent does
    if not words.profile:
        print(json.dumps(ROWS[words.row]()))
        return
    print(profile(words.row))


if __name__ == "__main__":
    main()
