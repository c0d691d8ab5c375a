"""The same 10,000 routes over a TCP session to Isthmus, FRR and GoBGP, each a process of its own, by turns.

    Isthmus   the agent as it is installed, with OVN and Open vSwitch: done when the flows are in the switch
    FRR       bgpd without zebra: done when it counts the routes in its table; it forwards nothing
    GoBGP     gobgpd: the same

Once as EVPN (VXLAN), once as VPNv4 (MPLS in GRE). So Isthmus is asked for more than the others. All octets are made
before the clock starts; it starts with the first one sent. Beside them networking-bagpipe 23, if it is installed
somewhere: see bagpipe.py. Writes its section of docs/figures.md.
Run: [BAGPIPE=<its environment>] python -m benchmarks.speakers [--runs N]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.build import association, attachment
from tests.contract.speakers import ANYBODY, BGPD, LiveSession, frr, gobgp, gobgp_config
from tests.contract.switches import Central, Switch
from tests.eventually import eventually
from tests.ports import free_port
from tests.shell.world import AgentProcess, attach

from benchmarks import bagpipe, page
from benchmarks.families import PES, ROUTES, said
from benchmarks.machine import Run, switch, version
from benchmarks.routes import target
from benchmarks.samples import Sample, ms, table
from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, VPNV4, Family
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.session import Connected, SessionConfig
from isthmus.model.net import IpAddress

RUNS = 10
ASN = 64512
SOURCE = "127.0.9.1"
NETWORK = "neutron-00000000-0000-0000-0000-000000000007"
CIRCUIT = "isthmus-ac-00000000-0000-0000-0000-000000000001"
POLL_S = 0.01
LIMIT_S = 120
TICK = os.sysconf("SC_CLK_TCK")


class Words(NamedTuple):
    """A family as each of them calls it."""

    page: str
    agent: tuple[str, ...]
    frr: str
    gobgp: str
    gobgp_rib: str


WORDS = {
    EVPN: Words("EVPN", ("evpn",), "l2vpn evpn", "l2vpn-evpn", "evpn"),
    VPNV4: Words("VPNv4", ("vpnv4",), "ipv4 vpn", "l3vpn-ipv4-unicast", "vpnv4"),
}


FRR_CONFIG = f"""\
hostname frr
log stdout errors
router bgp {ASN}
 bgp router-id 127.0.0.10
 bgp cluster-id 127.0.0.10
 no bgp default ipv4-unicast
 neighbor {SOURCE} remote-as {ASN}
 neighbor {SOURCE} passive
 neighbor {SOURCE} timers 30 90
 address-family {{family}}
  neighbor {SOURCE} activate
  neighbor {SOURCE} route-reflector-client
 exit-address-family
"""
"""By name: FRR 8.4 was seen to end where VPNv4 and `bgp listen range` meet."""


class Import(NamedTuple):
    """One run: seconds from the first octet sent until all was there, seconds of processor it took."""

    seconds: float
    cpu: float


class Told(NamedTuple):
    """What is sent."""

    family: Family
    routes: list[tuple[PathAttributes, Nlri]]

    @property
    def words(self) -> Words:
        return WORDS[self.family]


class Taken(LiveSession):
    """A session with somebody who dials us."""

    def __init__(self, config: SessionConfig, server: socket.socket) -> None:
        address, port = server.getsockname()
        super().__init__(config, address, port, SOURCE)
        self._server = server

    def _dial(self) -> None:
        self._socket, _ = self._server.accept()
        self.session.handle(Connected(), time.monotonic())


def session(what: Told) -> SessionConfig:
    return SessionConfig(ASN, ASN, IpAddress.parse("10.60.0.1"), (what.family,), hold_time_s=90)


def timed(loader: LiveSession, what: Told, pids: list[int], count: Callable[[], int]) -> Import:
    """Send it all; wait until `count` has risen by that many."""
    eventually(loader.pump_until_up)
    loader.pump()
    before, cpu = count(), _cpu(pids)
    loader.session.send_routes(what.routes)
    begun = time.monotonic()
    loader.flush()
    while count() - before < len(what.routes):
        assert time.monotonic() - begun < LIMIT_S, f"{count() - before} of {len(what.routes)} routes in {LIMIT_S} s"
        time.sleep(POLL_S)
    return Import(time.monotonic() - begun, _cpu(pids) - cpu)


def _cpu(pids: list[int]) -> float:
    """User and system time of these processes (proc(5), fields 14 and 15)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICK


def isthmus(what: Told, directory: Path) -> Import:
    """The agent between a real OVN and a real switch with dummy devices."""
    asked = association(16, networks=(NETWORK,), both=(target(1),))
    intent = attachment(1, asked, networks=(NETWORK,), subnets=("10.1.0.0/24",))
    with Switch() as under_test, Central() as central, socket.create_server(("127.0.0.1", 0)) as server:
        attach(central, CIRCUIT, NETWORK, intent)
        server.settimeout(10)
        with AgentProcess(under_test, central, server.getsockname()[1], families=what.words.agent) as agent:

            def flows() -> int:
                said = under_test.ofctl("dump-aggregate", "br-vpn", "table=20")
                return int(re.findall(r"flow_count=(\d+)", said)[0])

            def bound() -> None:
                assert agent.status()["ports"], "the VM is not there yet"

            eventually(bound)
            switchd = int((under_test.dir.path / "ovs-vswitchd.pid").read_text())
            with Taken(session(what), server) as loader:
                return timed(loader, what, [agent.process.pid, switchd], flows)


def of_frr(what: Told, directory: Path) -> Import:
    with (
        frr(directory, local_as=ASN, peers={}, config=FRR_CONFIG.format(family=what.words.frr)) as peer,
        LiveSession(session(what), peer.address, peer.port, SOURCE) as loader,
    ):

        def routes() -> int:
            said = peer.ask_json(f"show bgp {what.words.frr} summary json")
            return int(said["peers"][SOURCE]["pfxRcd"])

        return timed(loader, what, [peer.process.pid], routes)


def of_gobgp(what: Told, directory: Path) -> Import:
    address = "127.0.0.11"
    port = free_port(address)
    config = gobgp_config(address, port, ASN, {ANYBODY: ASN}, 90).replace("l2vpn-evpn", what.words.gobgp)
    with (
        gobgp(directory, local_as=ASN, peers={}, address=address, port=port, config=config) as peer,
        LiveSession(session(what), peer.address, peer.port, SOURCE) as loader,
    ):

        def routes() -> int:
            return int(re.findall(r"Path: (\d+)", peer.ask(f"global rib summary -a {what.words.gobgp_rib}"))[0])

        return timed(loader, what, [peer.process.pid], routes)


ISTHMUS = "Isthmus, to flows committed in Open vSwitch"
SPEAKERS: dict[str, Callable[[Told, Path], Import]] = {
    ISTHMUS: isthmus,
    "FRR, to its table": of_frr,
    "GoBGP, to its table": of_gobgp,
}
Done = dict[tuple[str, Family], list[Import]]

ABOUT = f"""\
{ROUTES:,} routes of {PES} PEs ({PES} sets of attributes), as EVPN type 5 and as VPNv4, over one TCP session on
loopback, to each by turns. Isthmus is the agent as installed, its clock stops when Open vSwitch has the flows (to
VXLAN, or to MPLS in GRE); FRR (bgpd without zebra) and GoBGP only take the routes into their table and forward
nothing."""

BAGPIPE_ROUTES, BAGPIPE_RUNS, BAGPIPE_AIM = 300, 3, 500
BAGPIPE = """\
networking-bagpipe 23.0.0 (ExaBGP 4.2) by turns in the same run, its OVS driver, {routes} VPNv4 routes of one PE,
paced so that its session stands: {rate:.0f} routes a second into Open vSwitch ({spread}). Isthmus above is
{verdicts}."""
NO_BAGPIPE = """\
networking-bagpipe 23.0.0 was not installed where this ran; measured elsewhere, on two cores of the same kind, it
programs about 22 routes a second into Open vSwitch, so 10,000 take seven and a half minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speakers")
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    run, home = Run(), bagpipe.environment()
    cases = [Told(family, said(family)) for family in WORDS]
    done: Done = defaultdict(list)
    beside: list[float] = []
    with tempfile.TemporaryDirectory(prefix="speakers") as made:
        directory = Path(made)
        for number in range(runs):
            for (name, act), what in product(SPEAKERS.items(), cases):
                place = directory / f"{number}-{act.__name__}-{what.words.agent[0]}"
                done[name, what.family].append(act(what, place))
                print(name, what.words.page, json.dumps(done[name, what.family][-1]), flush=True)
            if home is not None and number < BAGPIPE_RUNS:
                beside.append(bagpipe.measure(home, directory / f"{number}-bagpipe", BAGPIPE_ROUTES))
                print("bagpipe, routes a second:", beside[-1], flush=True)
    programs = [switch(), f"FRR {version(str(BGPD), '--version')}", f"GoBGP {version('gobgpd', '--version')}"]
    text = "\n\n".join([run.sentence(*programs), ABOUT, _table(done), against_bagpipe(done, beside)])
    page.write(page.SPEAKERS, text)
    print(text)


def against_bagpipe(done: Done, beside: list[float]) -> str:
    """How many times as fast we are, in its own family and in the other one."""
    if not beside:
        return NO_BAGPIPE
    rates, said = Sample.of(beside), []
    for family in (VPNV4, EVPN):
        times = ROUTES / Sample.of(run.seconds for run in done[ISTHMUS, family]).median / rates.median
        verdict = "met" if times >= BAGPIPE_AIM else "**not met**"
        said.append(f"{times:,.0f} times as fast with {WORDS[family].page} (aim {BAGPIPE_AIM}, {verdict})")
    spread = f"{rates.low:.0f} to {rates.high:.0f}, {len(rates.values)} runs"
    return BAGPIPE.format(routes=BAGPIPE_ROUTES, rate=rates.median, spread=spread, verdicts=" and ".join(said))


def _table(done: Done) -> str:
    rows = []
    for (name, family), runs in done.items():
        times, cpu = Sample.of(r.seconds for r in runs), Sample.of(r.cpu for r in runs)
        spread = f"{ms(times.low)} to {ms(times.high)} ms"
        rate = f"{ROUTES / times.median:,.0f}"
        who = (name, WORDS[family].page)
        rows.append((*who, f"{ms(times.median)} ms", spread, rate, f"{cpu.median:.2f} s", str(len(runs))))
    return table(("who", "routes", "median", "spread", "routes a second", "processor", "runs"), rows)


if __name__ == "__main__":
    main()
