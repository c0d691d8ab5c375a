"""The shell against a real Open vSwitch: our bridge and ports, bundles, and what the switch's death looks like."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey, Installed, cookie
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import LocalPort
from isthmus.node.effects import ApplyFlows, Introduce, ReadFlows
from isthmus.node.facts import FlowsApplied, FlowsRead, FlowsRefused, NeighboursRead, SwitchLost, SwitchRead
from isthmus.shell import kernel
from isthmus.shell.config import LocalSwitch
from isthmus.shell.greeter import Greeter
from isthmus.shell.neighbours import PATIENCE_S, Neighbours
from isthmus.shell.ofctl import Ofctl
from isthmus.shell.ovsdb import GRE, TUNNEL, BridgeReady, MachinePorts, Plugged, SwitchDatabase, SystemId
from tests.contract.switches import Switch, installed
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="Open vSwitch is not installed")]

VTEP = IpAddress.parse("192.0.2.1")


def circuit(number: int) -> CircuitName:
    """As long as they come: a prefix and a uuid."""
    return CircuitName(f"isthmus-ac-{uuid.UUID(int=number)}")


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as switch:
        yield switch


class Watched:
    """The part under test, and everything it said."""

    def __init__(
        self, switch: Switch, background: Background, datapath_type: str = "", *, labels: bool = False
    ) -> None:
        self.heard: list[Any] = []
        at = LocalSwitch(endpoint=switch.db, run_dir=Path(switch.run_dir), datapath_type=datapath_type)
        self.part = SwitchDatabase(at, VTEP, self.heard.append, labels=labels)
        self.future = background.start(self.part.run())

    def last(self, kind: type[Any]) -> Any:
        found = [fact for fact in self.heard if isinstance(fact, kind)]
        assert found, f"no {kind.__name__} yet, only {self.heard}"
        return found[-1]

    def read(self, *names: CircuitName) -> SwitchRead:
        """The latest SwitchRead once it has exactly these circuits and the tunnel, all numbered."""

        def right() -> SwitchRead:
            fact = self.last(SwitchRead)
            assert set(fact.circuits) == set(names) and fact.tunnel, fact
            return fact

        return eventually(right, every=0.01)


def test_bridge_is_made_secure_before_it_has_a_port(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    assert watched.read().circuits == {}
    assert switch.vsctl("get-fail-mode", "br-vpn") == "secure"
    assert switch.vsctl("get", "Bridge", "br-vpn", "protocols") == "[OpenFlow13, OpenFlow15]"
    assert switch.vsctl("get", "Bridge", "br-vpn", "other_config:disable-in-band") == '"true"'
    assert switch.vsctl("get", "Interface", TUNNEL, "options:remote_ip", "options:key", "options:local_ip") == (
        'flow\nflow\n"192.0.2.1"'
    )
    assert "actions=" not in switch.ofctl("dump-flows"), "a secure bridge starts without a flow"
    assert watched.last(SystemId) == SystemId("host-1")
    assert watched.last(BridgeReady) == BridgeReady("system")


def test_a_standalone_bridge_is_corrected(switch: Switch, background: Background) -> None:
    switch.vsctl("add-br", "br-vpn", "--", "set", "Bridge", "br-vpn", "fail_mode=standalone")
    watched = Watched(switch, background)
    watched.read()
    assert switch.vsctl("get-fail-mode", "br-vpn") == "secure"
    assert "NORMAL" not in switch.ofctl("dump-flows")
    ready, ports = watched.heard.index(watched.last(BridgeReady)), watched.heard.index(watched.last(SwitchRead))
    assert ready < ports


def test_circuits_are_plugged_between_the_bridges(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1), circuit(2)}))
    fact = watched.read(circuit(1), circuit(2))
    shown = switch.ofctl("show")
    assert all(f" {number}(" in shown for number in (*fact.circuits.values(), fact.tunnel)), shown
    inner = switch.vsctl("--bare", "--columns=name", "find", "Interface", f"external_ids:iface-id={circuit(1)}")
    assert switch.vsctl("port-to-br", inner) == "br-int"
    assert switch.vsctl("get", "Interface", inner, "options:peer").strip('"') == circuit(1)
    assert int(switch.vsctl("get", "Interface", inner, "ofport")) > 0, "the pair is joined"


def test_it_says_whose_interfaces_are_plugged(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.read()

    def plugged(*names: str) -> None:
        assert watched.last(Plugged) == Plugged(frozenset(names))

    eventually(plugged)
    for name in ("vm-1", "vm-2"):
        switch.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, f"external_ids:iface-id={name}")
    eventually(lambda: plugged("vm-1", "vm-2"))
    switch.vsctl("del-port", "br-int", "vm-1")
    eventually(lambda: plugged("vm-2"))
    switch.vsctl("set", "Interface", "vm-2", "type=nonsense")
    eventually(plugged)  # what the switch cannot make is as good as unplugged
    switch.end_db()
    eventually(lambda: _unknown(watched))
    switch.start_db()
    eventually(plugged)


def test_a_machine_hears_of_its_new_gateway_and_nobody_else_does(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    for name in ("vm-1", "vm-2"):
        switch.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, f"external_ids:iface-id={name}")

    def numbered() -> MachinePorts:
        found = watched.last(MachinePorts)
        assert isinstance(found, MachinePorts) and set(found.ofports) == {"vm-1", "vm-2"}
        return found

    numbers = eventually(numbered).ofports
    switch.ofctl("add-flow", "br-int", "icmp6,icmp_type=133,dl_src=fa:16:3e:00:00:01,actions=drop")
    greeter = Greeter(Path(switch.run_dir), "br-int")
    greeter.ofports = numbers
    gateway, old = Mac.parse("fa:16:3e:00:00:fe"), Mac.parse("02:00:5e:01:00:01")
    machine = LocalPort("vm-1", Mac.parse("fa:16:3e:00:00:01"), (), "neutron-net", 1, True)
    came = frozenset({(gateway, IpAddress.parse("10.1.0.1")), (gateway, IpAddress.parse("2001:db8::1"))})
    background.start(greeter.run())
    background.do(greeter.ask, Introduce((machine,), came, frozenset({old})))

    def heard() -> None:
        asked = switch.ofctl("dump-flows", "br-int", "icmp6,icmp_type=133")
        assert "n_packets=1," in asked, asked
        told = {name: switch.ofctl("dump-ports", "br-int", name) for name in numbers}
        assert "tx pkts=3," in told["vm-1"], told

    eventually(heard)
    assert "tx pkts=3," not in switch.ofctl("dump-ports", "br-int", "vm-2")


def _unknown(watched: Watched) -> None:
    assert watched.last(Plugged) == Plugged(None)


def test_what_is_no_longer_wanted_is_unplugged_and_what_is_not_ours_stays(
    switch: Switch, background: Background
) -> None:
    switch.vsctl("add-port", "br-int", "tap-of-nova", "--", "set", "Interface", "tap-of-nova", "type=dummy")
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1), circuit(2)}))
    watched.read(circuit(1), circuit(2))
    watched.part.set_circuits(frozenset({circuit(2)}))
    watched.read(circuit(2))
    ports = switch.vsctl("list-ports", "br-int").split()
    assert sorted(ports) == sorted(["tap-of-nova", circuit(2) + "-int"])
    assert sorted(switch.vsctl("list-ports", "br-vpn").split()) == sorted([circuit(2), TUNNEL])


def test_asking_again_changes_nothing(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1)}))
    before = watched.read(circuit(1))
    eventually(lambda: _pinned(switch, circuit(1)))
    generation = switch.vsctl("get", "Open_vSwitch", ".", "next_cfg")
    watched.part.set_circuits(frozenset({circuit(1)}))
    background.end(watched.future)
    again = Watched(switch, background)
    again.part.set_circuits(frozenset({circuit(1)}))
    assert again.read(circuit(1)) == before
    # vsctl's own `set` counts one.
    switch.vsctl("set", "Open_vSwitch", ".", "other_config:seen=1")
    assert int(switch.vsctl("get", "Open_vSwitch", ".", "next_cfg")) == int(generation) + 1


def _pinned(switch: Switch, name: str) -> None:
    number, wish = switch.vsctl("get", "Interface", name, "ofport", "ofport_request").split()
    assert number == wish


def test_an_agent_that_starts_unplugs_nothing_before_it_knows(switch: Switch, background: Background) -> None:
    first = Watched(switch, background)
    first.part.set_circuits(frozenset({circuit(1)}))
    before = first.read(circuit(1))
    background.end(first.future)
    assert Watched(switch, background).read(circuit(1)) == before


def test_numbers_survive_a_restart_of_the_switch(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    names = [circuit(n) for n in range(1, 6)]
    watched.part.set_circuits(frozenset(names))
    before = watched.read(*names)
    eventually(lambda: [_pinned(switch, name) for name in names])
    watched.part.set_circuits(frozenset(names[2:]))
    watched.read(*names[2:])
    switch.kill_vswitchd()
    switch.start_vswitchd()
    switch.vsctl("set", "Open_vSwitch", ".", "other_config:seen=1")
    after = watched.read(*names[2:])
    assert after.circuits == {name: before.circuits[name] for name in names[2:]}
    assert f" {after.circuits[names[4]]}({names[4][:15]}" in switch.ofctl("show")


def test_a_restart_of_the_database_server_is_survived(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1)}))
    watched.read(circuit(1))
    switch.end_db()
    watched.part.set_circuits(frozenset({circuit(2)}))
    switch.start_db()
    watched.read(circuit(2))
    assert circuit(1) not in switch.vsctl("list-ports", "br-vpn")


def test_a_port_taken_away_by_somebody_comes_back(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1)}))
    watched.read(circuit(1))
    switch.vsctl("del-port", "br-int", circuit(1) + "-int")
    eventually(lambda: switch.vsctl("port-to-br", circuit(1) + "-int"))


def test_somebody_elses_port_of_the_same_name_is_left_alone(switch: Switch, background: Background) -> None:
    switch.vsctl("add-port", "br-int", circuit(1), "--", "set", "Interface", circuit(1), "type=dummy")
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1), circuit(2)}))
    watched.read(circuit(2))
    assert switch.vsctl("port-to-br", circuit(1)) == "br-int"


def test_the_bridge_is_made_again_when_somebody_deletes_it(switch: Switch, background: Background) -> None:
    watched = Watched(switch, background)
    watched.part.set_circuits(frozenset({circuit(1)}))
    watched.read(circuit(1))
    count = len([fact for fact in watched.heard if isinstance(fact, BridgeReady)])
    switch.vsctl("del-br", "br-vpn")

    def again() -> None:
        assert len([fact for fact in watched.heard if isinstance(fact, BridgeReady)]) == count + 1

    eventually(again)
    watched.read(circuit(1))


def test_without_an_integration_bridge_it_waits(background: Background) -> None:
    with Switch(integration_bridge="") as switch:
        watched = Watched(switch, background)
        eventually(lambda: watched.last(SystemId))
        assert switch.vsctl("list-br") == ""
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        watched.read()
        assert switch.vsctl("get", "Bridge", "br-vpn", "datapath_type") == "netdev"


def test_two_bridges_of_different_datapaths_are_said_once(
    switch: Switch, background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    watched = Watched(switch, background, "netdev")
    watched.part.set_circuits(frozenset({circuit(1)}))
    eventually(lambda: switch.vsctl("port-to-br", circuit(1)))
    assert caplog.text.count("datapath type is netdev, br-int has system: nothing can pass") == 1


def test_the_port_for_labels_is_there_where_they_are_spoken(switch: Switch, background: Background) -> None:
    """Made, found again with its number, and taken away by a run that has no use for it; VXLAN's is left alone."""

    def both(watched: Watched) -> SwitchRead:
        fact = watched.read()
        assert fact.gre is not None and fact.gre != fact.tunnel
        _pinned(switch, GRE)
        _pinned(switch, TUNNEL)
        return fact

    first = Watched(switch, background, labels=True)
    before = eventually(lambda: both(first))
    assert switch.vsctl("get", "Interface", GRE, "type", "options").split(maxsplit=1) == [
        "gre",
        '{local_ip="192.0.2.1", packet_type=legacy_l3, remote_ip=flow}',
    ]
    background.end(first.future)
    again = Watched(switch, background, labels=True)
    assert both(again) == before
    background.end(again.future)
    without = Watched(switch, background)

    def gone() -> None:
        assert switch.vsctl("list-ports", "br-vpn").split() == [TUNNEL]
        assert without.read() == SwitchRead({}, before.tunnel)

    eventually(gone)


def test_who_takes_labels_away_is_named(
    switch: Switch, background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    """The switch prefers a port that names its peer: seen with real packets."""
    caplog.set_level("INFO")
    options = ("type=gre", "options:remote_ip=198.51.100.7")
    switch.vsctl("add-port", "br-int", "theirs", "--", "set", "Interface", "theirs", *options)
    watched = Watched(switch, background, labels=True)
    watched.part.set_circuits(frozenset({circuit(1)}))
    watched.read(circuit(1))
    assert caplog.text.count("port theirs takes what comes by GRE from 198.51.100.7: no label from there arrives") == 1


@pytest.mark.parametrize("ours", ["", "system"])
def test_where_the_kernel_forwards_labels_and_ethernet_in_gre_do_not_go_together(
    ours: str, switch: Switch, background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen in the lab, with packets; a switch in userspace has a device for each. A bridge of which nothing is said is
    the kernel's too."""
    caplog.set_level("INFO")
    switch.vsctl("add-port", "br-int", "theirs", "--", "set", "Interface", "theirs", *ETHERNET_IN_GRE)
    watched = Watched(switch, background, ours, labels=True)
    watched.read()
    assert caplog.text.count("GRE, gre_sys, carries labels, so no Ethernet (theirs), until the switch starts") == 1
    background.end(watched.future)
    caplog.clear()
    switch.vsctl("del-port", "theirs")
    _is_silent(Watched(switch, background, labels=True), caplog)


def test_a_port_for_labels_that_carries_ethernet_in_the_kernel_is_none(
    switch: Switch, background: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "sys/class/net/gre_sys"
    device.mkdir(parents=True)
    (device / "type").write_text("1\n")
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    watched = Watched(switch, background, labels=True)
    eventually(lambda: _pinned(switch, GRE))
    assert watched.read().gre is None
    (device / "type").write_text("65534\n")

    def there() -> None:
        assert watched.read().gre

    eventually(there)


def test_a_switch_in_userspace_has_no_such_device(
    switch: Switch, background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    switch.vsctl("set", "Bridge", "br-int", "datapath_type=netdev")
    switch.vsctl("add-port", "br-int", "theirs", "--", "set", "Interface", "theirs", *ETHERNET_IN_GRE)
    _is_silent(Watched(switch, background, labels=True), caplog)
    assert "the kernel" not in caplog.text


ETHERNET_IN_GRE = ("type=gre", "options:remote_ip=flow", "options:key=7")


def _is_silent(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.read()
    assert kernel.DEVICE not in caplog.text


class Flows:
    """The flows' door on a bridge that stands, and everything it said."""

    def __init__(self, switch: Switch, background: Background) -> None:
        switch.vsctl(
            *("add-br", "br-vpn", "--", "set", "Bridge", "br-vpn", "fail_mode=secure"),
            "protocols=OpenFlow13,OpenFlow15",
        )
        self.heard: list[Any] = []
        self.background = background
        self.part = background.do(Ofctl, Path(switch.run_dir), "br-vpn", self.heard.append)
        background.start(self.part.run())
        self.hears(FlowsRead({}))

    def ask(self, *wishes: ReadFlows | ApplyFlows) -> None:
        self.heard.clear()
        for wish in wishes:
            self.background.do(self.part.ask, wish)

    def hears(self, *facts: Any) -> None:
        """Until these were said last, in this order."""

        def right() -> None:
            assert tuple(self.heard[-len(facts) :]) == facts, self.heard

        eventually(right, every=0.01)

    def lost(self) -> None:
        def right() -> None:
            assert self.heard and isinstance(self.heard[-1], SwitchLost), self.heard

        eventually(right, within=2.0, every=0.01)


DROP = FlowKey(0, 0, "")
ROUTE = FlowKey(20, 132, "ip,metadata=0x1,nw_dst=10.0.0.1")
COOKIE = cookie(7)


@pytest.fixture
def flows(switch: Switch, background: Background) -> Flows:
    return Flows(switch, background)


def test_a_bundle_is_committed_and_read_back(flows: Flows) -> None:
    flows.ask(ApplyFlows(1, COOKIE, {DROP: "drop", ROUTE: "output:1"}, frozenset()), ReadFlows())
    flows.hears(
        FlowsApplied(1),
        FlowsRead({DROP: Installed(COOKIE, "drop"), ROUTE: Installed(COOKIE, "output:1")}),
    )
    flows.ask(ApplyFlows(2, COOKIE, {DROP: "drop"}, frozenset({ROUTE})), ReadFlows())
    flows.hears(FlowsApplied(2), FlowsRead({DROP: Installed(COOKIE, "drop")}))


@pytest.mark.parametrize(
    ("actions", "why"), [("group:77", "OFPBAC_BAD_OUT_GROUP"), ("goto_table:0", "OFPBIC_BAD_TABLE_ID")]
)
def test_a_refused_bundle_leaves_nothing_of_itself(flows: Flows, actions: str, why: str) -> None:
    flows.ask(ApplyFlows(1, COOKIE, {DROP: "drop"}, frozenset()))
    flows.hears(FlowsApplied(1))
    flows.ask(ApplyFlows(2, COOKIE, {FlowKey(1, 1, ""): "drop", ROUTE: actions}, frozenset({DROP})), ReadFlows())
    flows.hears(FlowsRead({DROP: Installed(COOKIE, "drop")}))
    refused = flows.heard[-2]
    assert isinstance(refused, FlowsRefused) and refused.serial == 2 and why in refused.why


def test_flows_of_others_are_read_too(flows: Flows, switch: Switch) -> None:
    switch.ofctl("add-flow", "br-vpn", "table=3,priority=5,cookie=0x1,actions=drop")
    flows.ask(ReadFlows())
    flows.hears(FlowsRead({FlowKey(3, 5, ""): Installed(1, "drop")}))


def test_a_killed_switch_is_noticed_and_read_empty_when_it_is_back(flows: Flows, switch: Switch) -> None:
    flows.ask(ApplyFlows(1, COOKIE, {DROP: "drop"}, frozenset()))
    flows.hears(FlowsApplied(1))
    switch.kill_vswitchd()
    flows.lost()
    # Nothing that is asked meanwhile is kept: the dump on its return answers.
    flows.ask(ApplyFlows(2, COOKIE, {ROUTE: "output:1"}, frozenset()), ReadFlows())
    switch.start_vswitchd()
    flows.hears(FlowsRead({}))
    flows.ask(ApplyFlows(3, COOKIE, {DROP: "drop"}, frozenset()))
    flows.hears(FlowsApplied(3))


def test_a_deleted_bridge_is_noticed(flows: Flows, switch: Switch) -> None:
    switch.vsctl("del-br", "br-vpn")
    flows.lost()
    switch.vsctl("add-br", "br-vpn", "--", "set", "Bridge", "br-vpn", "fail_mode=secure", "protocols=OpenFlow15")
    flows.hears(FlowsRead({}))


def test_a_changed_bridge_is_read_again(flows: Flows, switch: Switch) -> None:
    switch.ofctl("add-flow", "br-vpn", "table=3,priority=5,cookie=0x1,actions=drop")
    flows.heard.clear()
    flows.background.do(flows.part.start_again)
    flows.hears(
        SwitchLost("the bridge was changed; its flows are read again"),
        FlowsRead({FlowKey(3, 5, ""): Installed(1, "drop")}),
    )


def look(flows: Flows, times: int, then: ApplyFlows | None = None) -> None:
    """So many ask to be shown the counters at once, and then the node has a wish; until all have been shown them."""

    async def asked() -> None:
        looks = [asyncio.create_task(flows.part.look()) for _ in range(times)]
        if then is not None:
            asyncio.get_running_loop().call_soon(flows.part.ask, then)
        await asyncio.gather(*looks)

    flows.background.call(asked)


def test_however_many_look_one_dump_serves_them_after_the_nodes_bundle(flows: Flows) -> None:
    flows.heard.clear()
    look(flows, 20, ApplyFlows(1, COOKIE, {DROP: "drop"}, frozenset()))
    assert flows.heard == [FlowsApplied(1), FlowsRead({DROP: Installed(COOKIE, "drop")})]


def test_who_looks_at_a_switch_that_hangs_leaves_nothing_behind(flows: Flows, switch: Switch) -> None:
    flows.heard.clear()
    switch.hang_vswitchd()
    for _ in range(3):
        look(flows, 5)  # shown what was known before, a second later
    flows.background.do(flows.part.ask, ApplyFlows(1, COOKIE, {DROP: "drop"}, frozenset()))
    flows.background.do(flows.part.ask, ReadFlows())
    switch.go_on_vswitchd()
    flows.hears(FlowsApplied(1), FlowsRead({DROP: Installed(COOKIE, "drop")}))
    assert flows.heard[:-2] == [FlowsRead({})], "one dump for all who looked"


def test_ten_thousand_flows_are_one_bundle(flows: Flows) -> None:
    many = {FlowKey(20, 132, f"ip,metadata=0x1,nw_dst=10.0.{n >> 8}.{n & 255}"): "output:1" for n in range(10_000)}
    flows.ask(ApplyFlows(1, COOKIE, many, frozenset()), ReadFlows())
    flows.hears(FlowsApplied(1), FlowsRead({key: Installed(COOKIE, "output:1") for key in many}))


def test_a_next_hop_that_the_switch_learns_is_resolved_before_patience_ends(
    switch: Switch, background: Background
) -> None:
    switch.vsctl("add-br", "br-phy")
    switch.appctl("netdev-dummy/ip4addr", "br-phy", "198.18.0.9/24")
    switch.appctl("ovs/route/add", "198.18.0.0/24", "br-phy")
    switch.appctl("ovs/route/add", "198.19.0.0/16", "br-phy", "198.18.0.1")
    near, far = IpAddress.parse("198.18.0.77"), IpAddress.parse("198.19.3.4")
    heard: list[NeighboursRead] = []
    part = background.do(Neighbours, VTEP, Path(switch.run_dir), heard.append)
    background.do(part.set_datapath, "netdev")
    background.do(part.set_neighbours, frozenset({near, far}))
    began = time.monotonic()
    background.start(part.run())
    switch.appctl("tnl/neigh/set", "br-phy", "198.18.0.1", "02:00:00:00:00:01")

    def resolved(*vteps: IpAddress, in_vain: IpAddress | None = None) -> None:
        assert heard and heard[-1] == NeighboursRead(frozenset(vteps), frozenset({in_vain} - {None})), heard

    eventually(lambda: resolved(far), every=0.01)
    assert time.monotonic() - began < PATIENCE_S, "learnt, not waited out"
    eventually(lambda: resolved(near, far, in_vain=near))
