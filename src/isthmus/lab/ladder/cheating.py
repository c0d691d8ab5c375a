"""Cloud b cheats: it says what it has no right to say, and sends from where it has no right to send.

A speaker in its underlay (a GoBGP, for FRR cannot be told to lie) is one of its own reflector's clients, and the
reflector passes everything on, for its operator has taken its filter out. Cloud a has only what docs/operator/trust.md
says: its own reflector's filter, and what its hypervisors' files say of the other cloud.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from isthmus.lab import frr, trust
from isthmus.lab.dhcp import NIC
from isthmus.lab.ladder import agents
from isthmus.lab.ladder.climb import Rung, Slipped, until
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import Ear, Frame, inject
from isthmus.lab.ladder.rungs import CORP, both_ways, must_reach, trips
from isthmus.lab.plan import GOBGP_API, WAN, Daemon
from isthmus.lab.progress import Step
from isthmus.lab.topology import Cloud, Reflector, ReflectorKind
from isthmus.model.reason import NotAccepted, Note, NotInstalled

OURS = "64512:101"
"""A VPN of cloud a alone: no target that was agreed on."""
FOREIGN, BESIDE, ASTRAY, FLOOD = "10.66.0.1/32", "10.66.0.2/32", "10.66.0.3/32", "10.67.{}.{}/32"
STRANGER = "192.0.2.66"
COPIES = 5

_LIAR = """\
[global.config]
  as = {asn}
  router-id = "{address}"
  local-address-list = ["{address}"]
[[neighbors]]
[neighbors.config]
  neighbor-address = "{reflector}"
  peer-as = {asn}
  auth-password = "{password}"
[neighbors.transport.config]
  local-address = "{address}"
[neighbors.timers.config]
  connect-retry = 1
  idle-hold-time-after-reset = 1
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "l2vpn-evpn"
"""


@dataclass(frozen=True, slots=True)
class Liar:
    """Whoever speaks for cloud b now."""

    ground: Ground
    node: str
    next_hop: str

    def says(self, prefix: str, *targets: str, next_hop: str = "") -> None:
        self._run(self._words("add", prefix, targets, next_hop or self.next_hop))

    def floods(self, count: int, *targets: str) -> None:
        lines = [self._words("add", FLOOD.format(n // 250, n % 250 + 1), targets, self.next_hop) for n in range(count)]
        self._run("\n".join(lines))

    def takes_back_everything(self) -> None:
        self._run(f"{self._gobgp} global rib del all -a evpn")

    @property
    def _gobgp(self) -> str:
        host, _, port = GOBGP_API.rpartition(":")
        return f"gobgp -u {host} -p {port}"

    def _words(self, what: str, prefix: str, targets: tuple[str, ...], next_hop: str) -> str:
        route = f"prefix {prefix} etag 0 rd {self.next_hop}:4242 rt {' '.join(targets)} gw 0.0.0.0 label 4242"
        seems = f"router-mac 02:78:00:00:42:42 encap vxlan nexthop {next_hop}"
        return f"{self._gobgp} global rib {what} -a evpn {route} {seems}"

    def _run(self, lines: str) -> None:
        self.ground.lab.processes.run(f"liar in {self.node}", ["sh", "-e"], node=self.node, stdin=lines)


def cheats(ground: Ground, step: Step) -> None:
    red = [*ground.of("a-red")]
    joined = trips(both_ways(red, ground.of("b-red")))
    must_reach(step, joined)
    with liar(ground, step) as lies:
        lies.says(FOREIGN, OURS)
        lies.says(BESIDE, CORP, OURS)
        lies.says(ASTRAY, CORP, next_hop=str(ground.lab.site("a-h2").hypervisor.address))
        lies.says(f"{red[0].address(4)}/32", CORP)
        lies.floods(trust.ROUTES_PER_TARGET + 20, CORP)
        node = red[0].site_node
        until(step, "every lie to be refused, counted and named", lambda: _believed(ground, node, red[0].address(4)))
        must_reach(step, [*joined, *trips(both_ways(red[:1], red[1:]))])
    _frames(ground, step)
    until(step, "nothing of it to be left", lambda: _left(ground, node), within_s=30.0)
    must_reach(step, joined)
    step.result("foreign target, foreign next hop, host route, flood, frames from elsewhere")


def _believed(ground: Ground, node: str, address: str | None) -> str | None:
    """Which lie the hypervisor believes, or does not name."""
    said = agents.status(ground.lab, node)
    (peer,) = said["peers"]
    routes: dict[str, list[dict[str, Any]]] = {}
    for route in said["routes"]:
        routes.setdefault(route["prefix"], []).append(route)
    if FOREIGN in routes:
        return f"{FOREIGN} has passed the border"
    beside = routes.get(BESIDE, [])
    if {(tuple(r["route_targets"]), r["note"]) for r in beside} != {((CORP,), Note.TARGETS_LEFT_OUT.value)}:
        return f"{BESIDE} is {beside}"
    for view in said["views"]:
        if OURS in view["import_targets"] and any(r["view"] == view["view"] for r in beside):
            return f"{BESIDE} is in a view of {OURS}"
    if [r["why"] for r in routes.get(ASTRAY, [])] != [NotAccepted.FOREIGN_NEXT_HOP.value]:
        return f"{ASTRAY} is {routes.get(ASTRAY)}"
    host = [r for r in routes.get(f"{address}/32", []) if r["route_distinguisher"].endswith(":4242")]
    if not host or any(r["installed"] or not r["why"] for r in host):
        return f"the host route for {address} is {host}"
    counted = peer["not_taken"]
    for why in (NotAccepted.FOREIGN_NEXT_HOP, NotAccepted.TARGET_FULL):
        if not counted.get(why.value):
            return f"counted are {counted}"
    full = [one for one in said["limits"] if one["limit"] == "routes_per_target" and one["state"] == "FULL"]
    if [one["of"].split()[-1] for one in full] != [CORP] or full[0]["taken"] != trust.ROUTES_PER_TARGET:
        return f"full is {full}"
    hidden = any(r["why"] == NotInstalled.HIDDEN_BY_ROUTER.value for r in host)
    return None if hidden or all(not r["best"] for r in host) else f"the host route is {host}"


def _left(ground: Ground, node: str) -> str | None:
    said = agents.status(ground.lab, node)
    there = [r["prefix"] for r in said["routes"] if r["route_distinguisher"].endswith(":4242")]
    counted = said["peers"][0]["not_taken"]
    return f"{len(there)} routes, {counted}" if there or counted else None


def _frames(ground: Ground, step: Step) -> None:
    """With the right number for the right machine, but from where no tunnel of any cloud begins."""
    target = ground.vms["a-red1"]
    node = target.site_node
    said = agents.status(ground.lab, node)
    vni = next(port["vni"] for port in said["ports"] if port["port"] == target.port_id)
    mac = bytes.fromhex(said["router_mac"].replace(":", ""))
    endpoint, address = str(ground.lab.site(node).hypervisor.address), target.address(4)
    assert address is not None
    with _address(ground, WAN, f"{STRANGER}/32", "lo"), ExitStack() as ears:
        good, bad = (
            ears.enter_context(Ear(target.node, NIC, marker)) for marker in (b"from-a-cloud", b"from-elsewhere")
        )
        inject(WAN, endpoint, [Frame(vni, mac, address, "10.11.0.10", b"from-a-cloud")])
        if not good.heard(5.0):
            raise Slipped("a frame from an underlay to arrive (the control)", "it did not")
        inject(WAN, endpoint, [Frame(vni, mac, address, "10.11.0.10", b"from-elsewhere")] * COPIES, source=STRANGER)
        if bad.heard(1.0):
            raise Slipped(f"frames from {STRANGER} to go nowhere", f"one was seen at {bad.where}")

    def wrong() -> str | None:
        now = _strangers(ground, node) - said["switch"]["dropped_strangers"]
        return None if now >= COPIES else f"{now} of {COPIES} are counted"

    until(step, "the frames to be counted", wrong, within_s=5.0)


def _strangers(ground: Ground, node: str) -> int:
    return int(agents.status(ground.lab, node)["switch"]["dropped_strangers"])


# Who lies


@contextmanager
def liar(ground: Ground, step: Step) -> Iterator[Liar]:
    """Cloud b's reflector passes on whatever it hears, and here is somebody to be heard."""
    cloud = ground.lab.topology.cloud("b")
    (one, *_) = cloud.reflectors
    next_hop = str(cloud.hypervisors[0].address)
    lies = Liar(ground, one.node, next_hop)
    match one.kind:
        case ReflectorKind.GOBGP:
            ground.lab.processes.run("b's filter", ["sh", "-e"], node=one.node, stdin=_gobgp_policy("as-it-is"))
            try:
                yield lies
            finally:
                lies.takes_back_everything()
                policy = _gobgp_policy("agreed as-it-is")
                ground.lab.processes.run("b's filter", ["sh", "-e"], node=one.node, stdin=policy)
        case ReflectorKind.FRR:
            address = str(cloud.underlay[66])
            with _filter_out(ground, cloud, one), _address(ground, one.node, f"{address}/32", "eth0"):
                yield from _speaker(ground, step, cloud, one, address, lies)


def _gobgp_policy(names: str) -> str:
    host, _, port = GOBGP_API.rpartition(":")
    return f"gobgp -u {host} -p {port} global policy export set {names} default accept\n"


def _speaker(ground: Ground, step: Step, cloud: Cloud, one: Reflector, address: str, lies: Liar) -> Iterator[Liar]:
    """A GoBGP beside the reflector, until the block ends."""
    processes = ground.lab.processes
    file = processes.places.of(one.node) / "liar.toml"
    words = {"asn": cloud.asn, "address": address, "reflector": one.address, "password": trust.password(cloud)}
    file.write_text(_LIAR.format(**words))
    name = f"{one.node}-liar"
    argv = ("gobgpd", "-f", str(file), "--api-hosts", GOBGP_API, "--pprof-disable", "-p")
    processes.start(Daemon(name=name, node=one.node, argv=argv))

    def wrong() -> str | None:
        state = frr.sessions(one, processes).get(address, "unknown")
        return None if state == "Established" else f"the liar's session is {state}"

    try:
        until(step, "the liar to be heard", wrong, within_s=20.0)
        yield lies
    finally:
        processes.kill(name)


@contextmanager
def _filter_out(ground: Ground, cloud: Cloud, one: Reflector) -> Iterator[None]:
    """What an operator types who passes on everything, and what puts the filter back."""
    others = [str(peer.address) for _, peer in ground.lab.topology.reflectors_beside(cloud)]

    def filtered(name: str) -> None:
        lines = ["route-map ANYTHING permit 10", "exit", f"router bgp {cloud.asn}"]
        lines += ["address-family l2vpn evpn", *(f"neighbor {peer} route-map {name} out" for peer in others)]
        frr.configure(one, ground.lab.processes, *lines)

    filtered("ANYTHING")
    try:
        yield
    finally:
        filtered("AGREED")


@contextmanager
def _address(ground: Ground, node: str, address: str, device: str) -> Iterator[None]:
    """A further address of a node."""
    processes = ground.lab.processes
    processes.run("address", ["ip", "addr", "add", address, "dev", device], node=node)
    try:
        yield
    finally:
        processes.run("address", ["ip", "addr", "del", address, "dev", device], node=node)


RUNG = Rung(21, "cloud b cheats, and everything of it is refused, counted and named", cheats)
