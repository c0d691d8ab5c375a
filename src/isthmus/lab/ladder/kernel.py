"""The rungs of a hypervisor whose switch forwards in a kernel (topologies/kernel.toml), on top of the world's.

What is seen here the kernel does by code of its own, which no test of the userspace datapath passes through: tunnel
devices, labels, segmentation of packets that are larger than a frame, "too big".
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path

from isthmus.lab import hypervisor
from isthmus.lab.dhcp import NIC
from isthmus.lab.guests import guest
from isthmus.lab.guests import switch as guests
from isthmus.lab.ladder import agents, gre, probe
from isthmus.lab.ladder.climb import Rung, Slipped, until
from isthmus.lab.ladder.errors import HEADERS
from isthmus.lab.ladder.ground import Ground, Machine
from isthmus.lab.ladder.keeping import none_lost, stream
from isthmus.lab.ladder.probe import Ear, Frame
from isthmus.lab.ladder.rungs import CORP, VERSIONS, both_ways, client, must_reach, send, trips
from isthmus.lab.ladder.world import customers
from isthmus.lab.network import namespace_of
from isthmus.lab.pe import PeKind
from isthmus.lab.plan import WAN, Site, switch
from isthmus.lab.process import within
from isthmus.lab.progress import Step
from isthmus.lab.vm import Vm

PORTS = ("vxlan_sys_4789", "gre_sys")
"""Of the kernel's datapath: those of our two tunnel ports."""
MODULE = "mpls_gso"
STRAY, GOOD = b"isthmus-stray", b"isthmus-good"
COPIES = 3
SILENCE_S = 1.0
CLASSES = {0: 0, 46 << 2: 5, 40 << 2: 5, 10 << 2 | 1: 1}
"""Of the octet that has DSCP and ECN, and what the label has of it."""


def _site(ground: Ground) -> Site:
    return next(site for site in ground.lab.plan.sites if site.in_guest)


def _here(ground: Ground) -> Vm:
    """Its machine in the VPN of `red`."""
    node = _site(ground).node
    return next(one for one in ground.of("a-red", "b-red") if one.site_node == node)


def _behind(ground: Ground, kind: PeKind) -> Machine:
    """The customer's host in the same VPN behind a PE of that kind."""
    names = {pe.name for pe in ground.lab.topology.pes if pe.kind is kind}
    return next(one for side in customers(ground, "red") for one in side if one.node.partition("-")[0] in names)


def in_the_kernel(ground: Ground, step: Step) -> None:
    """Both tunnel ports are the kernel's, and packets meet their flows there."""
    site = _site(ground)
    said = guests.run(site, ["ovs-dpctl", "show"])
    missing = [name for name in PORTS if name not in said]
    if missing or "system@ovs-system" not in said:
        raise Slipped(f"the kernel's datapath to have {', '.join(PORTS)}", said)
    found = re.search(r"hit:(\d+)", said)
    step.result(f"{found[1] if found else 0} packets met a flow in it")


def nothing_else(ground: Ground, step: Step) -> None:
    """What nobody announced: by VXLAN, by GRE. Behind each that goes nowhere comes a good one, which arrives."""
    here, site = _here(ground), _site(ground)
    endpoint = str(site.hypervisor.address)
    before = agents.status(ground.lab, site.node)
    strays = _strays(ground, before)
    wanted = {"dropped_inbound": 0, "dropped_labelled": 0}
    with ExitStack() as ears:
        lurking = [Ear(one.node, NIC, STRAY) for one in ground.vms.values() if one.site_node == site.node]
        lurking.append(Ear(f"{site.cloud.name}-internet", "br-ext", STRAY))
        for ear in lurking:
            ears.enter_context(ear)
        arrives = ears.enter_context(Ear(here.node, NIC, GOOD))
        for what, (stray, good, counter) in strays.items():
            for _ in range(COPIES):
                stray()
            good()
            if not arrives.heard(5.0):
                raise Slipped(f"a good packet behind {what} to arrive", "it did not")
            if counter is not None:
                wanted[counter] += COPIES
        heard = [ear.where for ear in lurking if ear.heard(SILENCE_S / len(lurking))]
    if heard:
        raise Slipped("what nobody announced to go nowhere", f"it was seen at {', '.join(heard)}")
    until(step, "all of it to be counted", partial(_uncounted, ground, site, before, wanted), within_s=10.0)
    step.result(f"{len(strays)} kinds, endpoint {endpoint}")


def _uncounted(ground: Ground, site: Site, before: dict[str, object], wanted: dict[str, int]) -> str | None:
    now = agents.status(ground.lab, site.node)["switch"]
    was: dict[str, int] = before["switch"]  # type: ignore[assignment]
    grown = {name: now[name] - was[name] for name in wanted}
    less = any(grown[name] < sent for name, sent in wanted.items())  # other PEs' packets may be among them
    return f"counted are {grown}, sent were {wanted}" if less else None


Stray = tuple[Callable[[], None], Callable[[], None], str | None]


def _strays(ground: Ground, said: dict[str, object]) -> dict[str, Stray]:
    """Each kind: what sends one, what sends its good twin, and what counts it."""
    here, site = _here(ground), _site(ground)
    endpoint, other = str(site.hypervisor.address), ground.vms["a-hub1"]
    ports: list[dict[str, object]] = said["ports"]  # type: ignore[assignment]
    told = {str(one["address"]): one for one in ports if one["port"] == here.port_id}
    own = {version: str(here.address(version)) for version in VERSIONS}
    labels = {version: int(str(told[own[version]]["label"])) for version in VERSIONS}
    vni, mac = int(str(told[own[4]]["vni"])), bytes.fromhex(str(said["router_mac"]).replace(":", ""))
    far = {4: "10.11.0.10", 6: "2001:db8:b1::77"}

    def packet(version: int, marker: bytes = STRAY, to: str = "") -> bytes:
        return gre.datagram(far[version], to or own[version], marker)

    def by_gre(payload: bytes) -> Callable[[], None]:
        return lambda: gre.inject(WAN, endpoint, [payload])

    def by_vxlan(number: int, to: str, marker: bytes) -> Callable[[], None]:
        return lambda: probe.inject(WAN, endpoint, [Frame(number, mac, to, far[4], marker)])

    mpls, (four, six) = gre.header(gre.MPLS), (gre.label(labels[version]) for version in VERSIONS)
    above = gre.label(labels[4], bottom=False)
    inside, outside = str(other.address(4)), str(site.cloud.internet_host)
    counted = {
        "a label of nobody's": mpls + gre.label(labels[4] + 7777) + packet(4),
        "explicit null": mpls + gre.label(0) + packet(4),
        "two labels": mpls + above + four + packet(4),
        "IPv6 behind IPv4's label": mpls + four + packet(6),
        "IPv4 behind IPv6's label": mpls + six + packet(4),
        "another machine's address": mpls + four + packet(4, to=inside),
        "an address outside": mpls + four + packet(4, to=outside),
        "IPv4 without a label": gre.header(gre.IPV4) + packet(4),
        "IPv6 without a label": gre.header(gre.IPV6) + packet(6),
        "labels for many receivers": gre.header(gre.MULTICAST) + four + packet(4),
    }
    uncounted = {
        "a key": gre.header(gre.MPLS, key=labels[4]) + four + packet(4),
        "Ethernet in GRE": gre.header(gre.ETHERNET) + mac + bytes(6) + b"\x08\x00" + packet(4),
    }
    good = {version: by_gre(mpls + gre.label(labels[version]) + packet(version, GOOD)) for version in VERSIONS}
    found: dict[str, Stray] = {}
    for number, (what, payload) in enumerate(counted.items()):
        found[what] = (by_gre(payload), good[VERSIONS[number % 2]], "dropped_labelled")
    for what, payload in uncounted.items():
        found[what] = (by_gre(payload), good[4], None)
    well = by_vxlan(vni, own[4], GOOD)
    for what, number, to in (
        ("a VNI of nobody's", vni + 7777, own[4]),
        ("another machine's address by VXLAN", vni, inside),
        ("an address outside by VXLAN", vni, outside),
    ):
        found[what] = (by_vxlan(number, to, STRAY), well, "dropped_inbound")
    return found


def classes(ground: Ground, step: Step) -> None:
    """The class of what a machine sends is its label's, as the carrier's PE gets it."""
    here, there = _here(ground), _behind(ground, PeKind.CARRIER)
    pe = there.node.partition("-")[0]
    for version, (tos, wanted) in product(VERSIONS, CLASSES.items()):
        marker = f"isthmus-class-{version}-{tos}".encode()
        with Ear(pe, guest.UNDERLAY, marker) as ear:
            probe.inside(here.node, partial(_say, str(there.address(version)), version, tos, marker))
            frame = ear.next(5.0)
        if frame is None:
            raise Slipped(f"a packet with the octet {tos:#x} to come to {pe}", "none did")
        entry = int.from_bytes(frame[38:42], "big")
        if entry >> 9 & 7 != wanted:
            raise Slipped(f"class {wanted} for the octet {tos:#x}, IPv{version}", f"{entry >> 9 & 7}: {frame.hex()}")


def _say(address: str, version: int, tos: int, marker: bytes) -> None:
    family, level, option = (
        (socket.AF_INET, socket.IPPROTO_IP, socket.IP_TOS)
        if version == 4
        else (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(level, option, tos)
        sender.sendto(marker, (address, gre.DISCARD))


def no_hole(ground: Ground, step: Step) -> None:
    """What has one hop left behind its router arrives: a label of TTL 1 would be dropped without a word."""
    here, there = _here(ground), _behind(ground, PeKind.CARRIER)
    for version in VERSIONS:
        said = _ping(here, there, version, "-t", "2")
        if " 0 received" in said or "received" not in said:
            raise Slipped(f"{there.node} to answer what {here.node} sends with a TTL of 2, IPv{version}", said)


def large_packets(ground: Ground, step: Step) -> None:
    """What a machine leaves to its NIC to cut (TSO) goes into both kinds of tunnel in pieces that fit."""
    here, seen = _here(ground), []
    others = [ground.of("b-red")[0], _behind(ground, PeKind.CARRIER), _behind(ground, PeKind.FABRIC)]
    for there, version in product(others, VERSIONS):
        with Ear(here.node, NIC, b"") as ear:
            send(here, there, version)
            seen.append(_largest(ear))
        if seen[-1] < 2 * guest_mtu(here):
            raise Slipped(f"{here.node} to send packets larger than a frame to {there.node}", f"{seen[-1]} octets")
        send(there, here, version)
    step.result(f"packets of up to {max(seen):,} octets")


def guest_mtu(one: Vm) -> int:
    said = subprocess.run(within(one.node, ["cat", f"/sys/class/net/{NIC}/mtu"]), capture_output=True, text=True)
    return int(said.stdout)


def _largest(ear: Ear) -> int:
    """Of those that wait to be read."""
    found = 0
    while (frame := ear.next(0.05)) is not None:
        found = max(found, len(frame))
    return found


def too_big(ground: Ground, step: Step) -> None:
    """What the way does not carry is answered by the machine's router, and by whatever tunnel it would go."""
    here, fits = _here(ground), ground.lab.topology.vpn_mtu(_site(ground).cloud)
    assert fits is not None, "the lab's WAN carries less than its clouds"
    for kind, (version, header) in product(PeKind, HEADERS.items()):
        there = _behind(ground, kind)
        for family in ("-4", "-6"):
            subprocess.run(within(here.node, ["ip", family, "route", "flush", "cache"]), check=True)
        said = _ping(here, there, version, "-M", "do", "-s", str(fits + 1 - header))
        if not re.search(rf"(Frag needed and DF set|Packet too big).*mtu ?= ?{fits}", said):
            raise Slipped(f"{here.node} to be told that at most {fits} octets pass to {there.node}", said)


def by_labels(ground: Ground, step: Step) -> None:
    """Two clouds behind labels instead of VXLAN: this kernel's and userspace's at the two ends. This end asks the other
    behind labels whether it is there, and knows when it is not."""
    here, site = _here(ground), _site(ground)
    there = next(one for one in ground.of("b-red", "a-red") if one.cloud != here.cloud)
    far = ground.lab.site(there.site_node)
    endpoint = str(far.hypervisor.address)
    _families(ground, "--family", "vpnv4", "--family", "vpnv6")
    try:
        until(step, "the way there to have labels", partial(_unlabelled, ground, site, there))
        must_reach(step, trips(both_ways([here], [there])))
        for version in VERSIONS:
            send(here, there, version)
            send(there, here, version)
        for state, silent in (("down", True), ("up", False)):
            words = ["ip", "-n", namespace_of(WAN), "link", "set", far.node, state]
            ground.lab.processes.run(f"cable of {far.node}", words)
            expected = f"{endpoint} to be {'silent' if silent else 'there again'} for {site.node}"
            until(step, expected, partial(_other_than, ground, site, endpoint, silent))
        must_reach(step, trips(both_ways([here], [there])))
    finally:
        _families(ground, "--no-family")


def _families(ground: Ground, *words: str) -> None:
    for cloud in ground.lab.topology.clouds:
        client(ground, cloud.name, "bgpvpn", "attribute", "set", "corp", *words)


def _unlabelled(ground: Ground, site: Site, there: Vm) -> str | None:
    wanted = {str(there.address(version)) for version in VERSIONS}
    routes = agents.status(ground.lab, site.node)["routes"]
    used = [one for one in routes if one["prefix"].partition("/")[0] in wanted and CORP in one["route_targets"]]
    ways = {one["prefix"]: one["labels"] for one in used if one["installed"]}
    return None if len(ways) == len(wanted) and all(ways.values()) else f"in use are {ways}"


def _other_than(ground: Ground, site: Site, endpoint: str, silent: bool) -> str | None:
    said = agents.status(ground.lab, site.node)["switch"]["endpoints_silent"]
    return None if (endpoint in said) is silent else f"silent are {said}"


def agent_away(ground: Ground, step: Step) -> None:
    """Exchanged, then killed: what the kernel forwards does not notice."""
    here, site = _here(ground), _site(ground)
    others = [ground.of("b-red")[0], _behind(ground, PeKind.CARRIER)]
    for act, words in ((hypervisor.exchange_agent, "exchanged"), (hypervisor.crash_agent, "killed")):
        with ExitStack() as streams:
            counted = [streams.enter_context(stream(here.node, there)) for there in others]
            act(site, ground.lab.processes)
            until(step, "the agent to be whole", partial(_not_whole, ground, site))
        for one in counted:
            none_lost(one, f"the agent was {words}")


def _not_whole(ground: Ground, site: Site) -> str | None:
    try:
        said = agents.status(ground.lab, site.node)
    except OSError as error:
        return str(error)
    return None if all(peer["in_sync"] for peer in said["peers"]) else "not in sync"


def needs_named(ground: Ground, step: Step) -> None:
    """What labels need of the kernel, and is not there, stands in the agent's log."""
    site = _site(ground)
    log = ground.lab.places.log(f"{site.node}-agent")
    began = len(log.read_text())
    port = ["add-port", "br-ex", "theirs", "--", "set", "Interface", "theirs", "type=gre", "options:remote_ip=flow"]
    guests.run(site, ["rmmod", MODULE])
    try:
        guests.run(site, ["env", f"OVS_RUNDIR={ground.lab.places.of(site.node)}", "ovs-vsctl", *port])
        for words in (f"has no module {MODULE}", "carries labels, so no Ethernet (theirs)"):
            until(step, f"the log to say: {words}", partial(_unsaid, log, began, words))
    finally:
        guests.run(site, ["modprobe", "-d", "/mnt", MODULE])
        gone = ["ovs-vsctl", "--if-exists", "del-port", "theirs"]
        guests.run(site, ["env", f"OVS_RUNDIR={ground.lab.places.of(site.node)}", *gone])


def the_device(ground: Ground, step: Step) -> None:
    """With a GRE device of the machine's own the switch gets one for Ethernet, and no error. Then no way with labels
    is in use; and when it has gone and the switch is started anew, all are."""
    here, site = _here(ground), _site(ground)
    there = _behind(ground, PeKind.CARRIER)
    _switch_again(ground, site, "ip link add others type gre external && ip link set others up")
    try:
        until(step, "no way with labels to be in use", partial(_ways, ground, site, False), within_s=30.0)
    finally:
        _switch_again(ground, site, "ip link del others")
    until(step, "ways with labels to be in use again", partial(_ways, ground, site, True), within_s=30.0)
    must_reach(step, trips(both_ways([here], [there])), within_s=30.0)


def _switch_again(ground: Ground, site: Site, between: str) -> None:
    """ovs-vswitchd ends, its GRE device goes, and it starts."""
    ground.lab.processes.kill(switch(site, ground.lab.places)[1].name)
    script = f"while pgrep -x ovs-vswitchd >/dev/null; do sleep .1; done; ip link del {PORTS[1]}; {between}"
    guests.run(site, ["sh", "-c", script])
    hypervisor.start_switch(site, ground.lab.processes)


def _ways(ground: Ground, site: Site, wanted: bool) -> str | None:
    said = agents.status(ground.lab, site.node)
    here = said["switch"]
    if here["switch"] != "connected" or not here["in_sync"] or here["tunnel_ofport"] is None:
        return f"the switch is not whole: {here['switch']}, {here['flows_installed']} flows"
    routes = [one for one in said["routes"] if one["labels"] and one["best"]]
    used = [one["prefix"] for one in routes if one["installed"]]
    well = routes and bool(used) is wanted is (here["gre_ofport"] is not None)
    return None if well else f"{len(used)} of {len(routes)} are ({', '.join(used)}), the port is {here['gre_ofport']}"


def _unsaid(log: Path, began: int, words: str) -> str | None:
    said = log.read_text()[began:]
    return None if words in said else said[-400:]


def _ping(source: Machine, target: Machine, version: int, *more: str) -> str:
    words = ["ping", "-n", "-c", "2", "-i", "0.5", "-W", "1", *more, str(target.address(version))]
    done = subprocess.run(within(source.node, words), capture_output=True, text=True)
    return (done.stdout + done.stderr)[-400:]


RUNGS = (
    Rung(8, "the kernel forwards: both tunnel ports are in its datapath", in_the_kernel),
    Rung(9, "by VXLAN and behind labels nothing comes in but what was announced; all else is counted", nothing_else),
    Rung(10, "a packet's class is its label's", classes),
    Rung(11, "no hole in a traceroute where labels begin", no_hole),
    Rung(12, "machines leave cutting to their NIC, and TCP passes", large_packets),
    Rung(13, "what the way does not carry is answered", too_big),
    Rung(14, "two clouds by labels, kernel at one end and userspace at the other; silence is noticed", by_labels),
    Rung(15, "the agent is exchanged and killed: no packet is lost", agent_away),
    Rung(16, "what labels need of the kernel and is not there is named", needs_named),
    Rung(17, "where the kernel's GRE device carries Ethernet no way has labels", the_device),
)
