"""A hypervisor whose switch forwards in a kernel, as the lab plans it; nothing is started."""

from __future__ import annotations

import struct
import tomllib
from pathlib import Path

import pytest

from isthmus.lab import hypervisor
from isthmus.lab.guests import channel, guest, stand_in, untracked
from isthmus.lab.guests import switch as guests
from isthmus.lab.plan import FIRST_SLOT, SLOTS, slot
from isthmus.lab.topology import Datapath, locate, read
from tests.lab import build

PLAN = build.plan(text=locate("kernel").read_text())
SITE = next(site for site in PLAN.sites if site.in_guest)
BESIDE = next(site for site in PLAN.sites if not site.in_guest)


def test_the_kernel_is_the_world_with_one_such_hypervisor() -> None:
    world = read(locate("world").read_text(), "world")
    assert PLAN.topology.pes == world.pes
    said = [(cloud.name, one.name, one.datapath) for cloud in PLAN.topology.clouds for one in cloud.hypervisors]
    assert [datapath for *_, datapath in said].count(Datapath.KERNEL) == 1
    assert said[0] == ("a", "h1", Datapath.KERNEL)


def test_all_of_it_but_its_cables_runs_in_the_guest() -> None:
    for name in ("ovsdb", "vswitchd", "controller", "agent", "untracked"):
        daemon = PLAN.daemon(f"{SITE.node}-{name}")
        assert daemon.argv[: len(stand_in.HOLD)] == stand_in.HOLD
        assert daemon.node == SITE.node
    assert PLAN.daemon(f"{SITE.node}-guest").argv[0] == guest.KERNEL
    assert PLAN.daemon(f"{BESIDE.node}-vswitchd").argv[0] == "ovs-vswitchd"


def test_its_nics_are_its_cables_and_slots_for_machines() -> None:
    nics = [word for word in PLAN.daemon(f"{SITE.node}-guest").argv if word.startswith("vec")]
    told = [dict(option.split("=") for option in nic.partition(":")[2].split(",")) for nic in nics]
    slots = [slot(number) for number in range(FIRST_SLOT, FIRST_SLOT + SLOTS)]
    assert [nic["ifname"] for nic in told] == ["nic", "ctl", "ex", *slots]
    assert len({nic["mac"] for nic in told}) == len(told)
    assert [nic["gro"] for nic in told] == ["0"] * FIRST_SLOT + ["1"] * SLOTS, "machines send more than a frame"
    ends = {end.device for veth in PLAN.network.veths for end in veth if end.node == SITE.node}
    assert ends == {"nic", "ex", "ctl", "lab"}


def test_the_underlays_address_is_on_its_nic_and_there_is_no_br_phy() -> None:
    assert "ip addr add 172.30.1.11/24 dev nic" in list(guests.network(SITE))
    words = hypervisor.bridges(SITE, PLAN.places)
    assert "br-phy" not in words
    assert {word for word in words if word.startswith("datapath_type")} == {"datapath_type=system"}
    assert 'external_ids:ovn-bridge-datapath-type="system"' in words


def test_its_agents_file_says_nothing_of_the_datapath_and_leads_to_the_southbound_database_by_the_cable() -> None:
    said = tomllib.loads(hypervisor.agent_configuration(SITE, PLAN.places))
    assert "datapath_type" not in said["ovsdb"]
    assert said["southbound"]["endpoints"] == [f"tcp:{channel.LAB}:6642"]
    assert f"6642={PLAN.places.southbound('a')}" in PLAN.daemon(f"{SITE.node}-sockets").argv


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", 6, kind, 8 + len(body), 7) + body


CT = b"\xff\xff\x00\x18\x00\x00\x23\x20\x00\x23" + bytes(14)
REG_LOAD = b"\xff\xff\x00\x18\x00\x00\x23\x20\x00\x07" + bytes(14)


def flow(actions: bytes) -> bytes:
    """Of OpenFlow 1.5: forty octets, an empty match of eight, one instruction."""
    return message(14, bytes(40) + bytes(8) + struct.pack("!HHI", 4, 8 + len(actions), 0) + actions)


@pytest.mark.parametrize(
    ("octets", "passes"),
    [
        (flow(REG_LOAD), True),
        (flow(CT), False),
        (flow(REG_LOAD + CT), False),
        (flow(b"\0" * 4 + CT), True),  # no action begins there
        (message(34, bytes(8) + flow(CT)), False),
        (message(34, bytes(8) + flow(REG_LOAD)), True),
        (message(13, bytes(16) + CT), True),  # a packet-out
        (message(0, b""), True),
    ],
    ids=["no ct", "ct", "ct further on", "octets like ct", "ct, bundled", "no ct, bundled", "no flow", "hello"],
)
def test_only_flows_that_track_connections_are_kept_from_its_switch(octets: bytes, passes: bool) -> None:
    assert untracked.kept(octets) is passes


def test_the_filter_of_a_nic_is_what_the_kernel_reads() -> None:
    assert len(guest.INWARD) % 8 == 0
    assert guest.Nic("slot3", "02:00:00:00:00:01", large=True).words(Path("/x")).endswith("bpffile=/x/inward.bpf")
