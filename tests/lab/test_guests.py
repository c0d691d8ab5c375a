"""PEs that are not ours, started: two carriers' and two fabrics', behind the clouds' reflectors. One of the fabrics' is
a border leaf, the other is not.

No cloud is built: what is tried is that these PEs do what operators' PEs do, before ours meet them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from isthmus.lab import lab as whole
from isthmus.lab import machine, netns, process, reflectors
from isthmus.lab.crew import Job, work
from isthmus.lab.fault import Refusal
from isthmus.lab.guests import pe as pes
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.world import unconnected
from isthmus.lab.pe import HOST, Pe
from isthmus.lab.progress import Progress
from isthmus.lab.topology import locate, read
from tests.eventually import eventually
from tests.lab.command import run

pytestmark = pytest.mark.lab

TWINS = {"c": "e", "d": "f"}
"""Another PE of each kind."""
PAIRS = pytest.mark.parametrize(
    ("one", "other"), [*TWINS.items(), ("c", "d")], ids=["MPLS in GRE", "VXLAN", "a carrier and a border leaf"]
)


def four() -> str:
    """The world, with each PE twice; the second fabric's is no border leaf."""
    head, c, d = locate("world").read_text().split("[[pe]]\n")
    names = {'"c"': '"e"', '"d"': '"f"', "64514": "64516", "64515": "64517", "db8:c": "db8:e", "db8:d": "db8:f"}
    addresses = {"172.30.3.": "172.30.5.", "172.30.4.": "172.30.6.", ' "10.2': ' "10.4', ' "10.3': ' "10.6'}
    e, f = c, d
    for old, new in (names | addresses).items():
        e, f = e.replace(old, new), f.replace(old, new)
    f = "".join(line for line in f.splitlines(keepends=True) if not line.startswith("mpls"))
    return "[[pe]]\n".join((head, c, d, e, f))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    topology = read(four(), "four.toml")
    try:
        programs = machine.check(topology)
    except Refusal as sentence:
        pytest.skip(str(sentence))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
        whole.down()
        made = whole.make(topology, whole.places_of_environment(), programs)
        whole.claim(made.places, four())
        try:
            with Progress(sys.stdout) as progress:
                work(list(_jobs(made)), progress, made.processes.stop)
            eventually(lambda: _nothing(unconnected(topology)), within=30)
            yield made
        finally:
            whole.down()


def _jobs(lab: Lab) -> Iterator[Job]:
    cables = "namespaces and cables"
    yield Job(cables, (), lambda: netns.apply(lab.plan.network, lab.processes))
    for cloud in lab.topology.clouds:
        for one in cloud.reflectors:
            yield Job(one.node, (cables,), partial(reflectors.start, cloud, one, lab.topology, lab.processes))
    for one in lab.topology.pes:
        yield Job(one.name, (cables,), partial(pes.start, one, lab.topology, lab.processes, lab.programs))


def pe(lab: Lab, name: str) -> Pe:
    found = lab.topology.pe(name)
    assert found is not None
    return found


def trips(lab: Lab, one: str, other: str, *vrfs: str) -> list[Trip]:
    """Between the customers of two PEs, both ways, in both IP versions."""
    found = []
    for vrf in (v for v in pe(lab, one).vrfs if v.name in vrfs):
        there = next(v for v in pe(lab, other).vrfs if v.name == vrf.name)
        for source, target in ((f"{one}-{vrf.name}", there), (f"{other}-{there.name}", vrf)):
            found += [Trip(source, str(a.ip), "the other customer") for a in target.both(HOST)]
    return found


@PAIRS
def test_pes_join_their_customers_in_both_ip_versions(lab: Lab, one: str, other: str) -> None:
    wanted = trips(lab, one, other, "red", "twin")
    assert len(wanted) == 8
    eventually(lambda: _nothing(probe.unreached(wanted)), within=30)


@PAIRS
def test_customers_with_the_same_prefixes_stay_apart_and_spokes_reach_no_spoke(lab: Lab, one: str, other: str) -> None:
    for node in (f"{one}-red", f"{one}-twin", f"{other}-red", f"{other}-twin"):
        if f"{node}-service" not in lab.processes.running():
            grounds.serve(lab, node)
    there = next(v for v in pe(lab, other).vrfs if v.name == "red")
    for address in there.both(HOST):
        for vrf in ("red", "twin"):
            eventually(partial(_answered_by, f"{other}-{vrf}", f"{one}-{vrf}", str(address.ip)))
    assert probe.reached(trips(lab, one, other, "spoke")) == []


@PAIRS
def test_the_largest_packet_the_wan_carries_passes_whole(lab: Lab, one: str, other: str) -> None:
    octets = lab.topology.wan_mtu - max(pe(lab, name).overhead for name in (one, other))
    there = next(v for v in pe(lab, other).vrfs if v.name == "twin")
    for address, header in zip(there.both(HOST), (28, 48), strict=True):
        words = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(octets - header), str(address.ip)]
        eventually(partial(_ends_well, process.within(f"{one}-twin", words)), within=10)


def test_what_is_larger_than_a_fabric_carries_is_answered(lab: Lab) -> None:
    there = next(v for v in pe(lab, "f").vrfs if v.name == "twin")
    for version, gateway in (("-4", "10.31.0.1"), ("-6", "2001:db8:d1::1")):
        # As if nobody had told the customer what his PE carries.
        words = ["ip", version, "route", "replace", "default", "via", gateway, "dev", "eth0"]
        lab.processes.run("route", words, node="d-twin")
    for address, header in zip(there.both(HOST), (28, 48), strict=True):
        words = ["ping", "-n", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do", "-s", str(1351 - header), str(address.ip)]
        done = subprocess.run(process.within("d-twin", words), capture_output=True, text=True)
        assert re.search(r"From .*mtu ?= ?1350", done.stdout + done.stderr), done


def test_a_carrier_forwards_by_labels_and_a_fabric_by_its_router_mac(lab: Lab) -> None:
    c, d = pe(lab, "c"), pe(lab, "d")
    assert re.search(r"encap mpls +\d+ via 172\.30\.5\.11 dev mgre", pes.run(c, ["ip", "route", "show", "vrf", "red"]))
    assert re.search(r"encap mpls +\d+ via fd60::", pes.run(c, ["ip", "-6", "route", "show", "vrf", "red"]))
    neighbours = pes.run(d, ["ip", "neigh", "show", "dev", "br5005"])
    assert f"172.30.6.11 lladdr {pe(lab, 'f').router_mac} extern_learn" in neighbours


def test_neither_a_carrier_nor_a_fabric_hears_of_the_other_through_a_border_leaf(lab: Lab) -> None:
    """FRR would say in each family what its VRF has from the other."""
    c, d, f = pe(lab, "c"), pe(lab, "d"), pe(lab, "f")
    both = pes.run(d, ["ip", "route", "show", "vrf", "red"])
    assert "172.30.3.11" in both and "172.30.6.11" in both, both
    assert str(f.vrfs[0].ipv4) not in pes.run(c, ["ip", "route", "show", "vrf", "red"])
    assert str(c.vrfs[0].ipv4) not in pes.run(f, ["ip", "route", "show", "vrf", "red"])


def test_a_fabric_tells_the_hosts_of_a_stretched_network_one_by_one_with_two_labels(lab: Lab) -> None:
    def routed() -> None:
        probe.unreached(trips(lab, "d", "f", "red"))  # so that its PE has seen it
        routes = pes.run(pe(lab, "f"), ["ip", "route", "show", "vrf", "red"])
        assert re.search(r"^10\.31\.0\.10 .*via 172\.30\.4\.11 dev br5005", routes, re.MULTILINE), routes

    eventually(routed, within=20)


def test_a_command_is_run_in_the_guest_with_its_output_and_its_code(lab: Lab) -> None:
    assert run("exec", "d", "--", "uname", "-r").strip().startswith("6.")
    assert pes.ask(pe(lab, "d"), ["sh", "-c", "cat; echo no >&2; exit 3"], "yes\n") == {
        "code": 3,
        "out": "yes\n",
        "err": "no\n",
    }


def test_a_guest_that_was_killed_starts_again_and_nothing_of_it_is_left(lab: Lab) -> None:
    f = pe(lab, "f")
    assert lab.processes.kill("f")
    assert "f" not in lab.processes.running()
    pes.start(f, lab.topology, lab.processes, lab.programs)
    eventually(lambda: _nothing(unconnected(lab.topology)), within=30)
    wanted = trips(lab, "d", "f", "red")
    eventually(lambda: _nothing(probe.unreached(wanted)), within=30)


def _nothing(found: object) -> None:
    assert not found, found


def _ends_well(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done


def _answered_by(expected: str, source: str, address: str) -> None:
    try:
        name = probe.ask(source, address)["name"]
    except OSError as error:  # the service has only just been started
        name = str(error)
    assert name == expected
