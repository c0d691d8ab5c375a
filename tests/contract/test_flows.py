"""Our flows against a real switch: the text we render is the text it prints, and a packet meets the fate it should."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isthmus.fib.entries import Circuit, CircuitName, Deliver, Forwarding, InboundKey, NextHop, SourceKey, ViewId
from isthmus.flows.layout import ANSWER_MAC, GONE_ACTIONS, PROBE_MAC, PROBE_TYPE
from isthmus.flows.parse import parse_dump
from isthmus.flows.render import Renderer, add_line, delete_line
from isthmus.flows.types import FlowKey, cookie
from isthmus.model.intent import CIRCUIT_MAC, ROUTER_MAC, Fallback
from isthmus.model.net import Mac
from tests.build import ip, net
from tests.contract.switches import Switch, run

pytestmark = pytest.mark.contract

OURS, THEIRS = Mac.parse("02:78:ac:1e:01:01"), Mac.parse("02:78:ac:1e:02:01")
RED, BLUE, MUTE = CircuitName("isthmus-ac-red"), CircuitName("isthmus-ac-blue"), CircuitName("isthmus-ac-mute")
VIEW = ViewId(0xE7AE25118C30A0C0)
TUNNEL, RED_PORT, BLUE_PORT, MUTE_PORT = 1, 2, 3, 4

FORWARDING = Forwarding(
    circuits={
        RED: Circuit(Fallback.ALL, (net("10.1.0.0/24"), net("2001:db8:1::/64"))),
        BLUE: Circuit(Fallback.PUBLIC, (net("10.2.0.0/24"),), outside=(net("172.24.4.0/24"), net("fd99::/64"))),
        MUTE: Circuit(Fallback.NONE, ()),
    },
    sources={SourceKey(RED, ip("10.1.0.5")): VIEW, SourceKey(RED, ip("2001:db8:1::5")): VIEW},
    inbound={InboundKey(5001, net("10.1.0.5/32")): RED, InboundKey(5001, net("2001:db8:1::5/128")): RED},
)
ROUTES = {
    net("10.9.0.7/32"): NextHop(ip("172.30.2.1"), THEIRS, 7001),
    net("10.9.0.0/16"): NextHop(ip("172.30.2.9"), THEIRS, 7001),
    net("10.2.0.5/32"): Deliver(BLUE),
    net("2001:db8:9::7/128"): NextHop(ip("172.30.2.1"), THEIRS, 7001),
    net("2001:db8::/32"): Deliver(BLUE),
}


def wanted() -> dict[FlowKey, str]:
    renderer = Renderer(OURS, TUNNEL, {RED: RED_PORT, BLUE: BLUE_PORT, MUTE: MUTE_PORT})
    flows = renderer.base(FORWARDING, [ip("172.30.2.1")], asked=[ip("172.30.2.1"), ip("172.30.2.2")])
    for prefix, target in ROUTES.items():
        flow = renderer.route(VIEW, prefix, target)
        assert flow is not None
        flows[flow[0]] = flow[1]
    for gone in ("10.9.9.9/32", "10.8.0.0/16", "2001:db8:9::9/128"):
        flows[renderer.gone(VIEW, net(gone))] = GONE_ACTIONS
    return flows


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    tunnel = "type=vxlan options:remote_ip=flow options:key=flow"
    lines = [
        "add-br br-vpn",
        "set bridge br-vpn datapath_type=dummy fail_mode=secure protocols=OpenFlow15",
        f"add-port br-vpn tun -- set interface tun {tunnel} ofport_request={TUNNEL}",
        f"add-port br-vpn red -- set interface red type=dummy ofport_request={RED_PORT}",
        f"add-port br-vpn blue -- set interface blue type=dummy ofport_request={BLUE_PORT}",
        f"add-port br-vpn mute -- set interface mute type=dummy ofport_request={MUTE_PORT}",
    ]
    with Switch() as made:
        made.vsctl(*" -- ".join(lines).split())
        apply(made, "\n".join(add_line(key, cookie(7), actions) for key, actions in wanted().items()))
        yield made


def apply(switch: Switch, lines: str) -> None:
    target = f"unix:{switch.run_dir}/br-vpn.mgmt"
    run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", target, "-", stdin=lines)


def dump(switch: Switch) -> str:
    return switch.ofctl("dump-flows")


def fate(switch: Switch, packet: str) -> str:
    """What becomes of a packet, as the switch itself tells it."""
    return switch.appctl("ofproto/trace", "--names", "br-vpn", packet).rsplit("Datapath actions: ", 1)[1].strip()


def test_the_switch_prints_what_we_rendered(switch: Switch) -> None:
    found = parse_dump(dump(switch))
    assert {key: flow.actions for key, flow in found.items()} == wanted()
    assert {flow.generation for flow in found.values() if flow.ours} == {7}
    assert all(flow.ours for flow in found.values())


def test_deleting_by_the_rendered_key_deletes_exactly_that(switch: Switch) -> None:
    flows = wanted()
    for key, actions in flows.items():
        apply(switch, delete_line(key))
        assert set(parse_dump(dump(switch))) == set(flows) - {key}
        apply(switch, add_line(key, cookie(7), actions))


V4 = "dl_src=02:00:5e:00:00:01,dl_dst=02:00:5e:00:00:02,icmp,nw_ttl=63"
V6 = "dl_src=02:00:5e:00:00:01,dl_dst=02:00:5e:00:00:02,icmp6,nw_ttl=63"
TO_TUNNEL = f"set(eth(src={OURS},dst={THEIRS})),tun"
TO_ROUTER = f"set(eth(src={CIRCUIT_MAC},dst={ROUTER_MAC}))"


@pytest.mark.parametrize(
    ("packet", "leads"),
    [
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.7", TO_TUNNEL),
        (
            f"in_port={RED_PORT},{V6},ipv6_src=2001:db8:1::5,ipv6_dst=2001:db8:9::7",
            TO_TUNNEL,
        ),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.8", "drop"),  # its endpoint does not answer
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.2.0.5", f"{TO_ROUTER},blue"),
        (f"in_port={RED_PORT},{V6},ipv6_src=2001:db8:1::5,ipv6_dst=2001:db8:7::1", f"{TO_ROUTER},blue"),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", f"{TO_ROUTER},red"),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.8.0.5", "drop"),  # was known a moment ago
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.66,nw_dst=10.8.0.5", f"{TO_ROUTER},red"),  # not to this view
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.66,nw_dst=10.9.0.7", f"{TO_ROUTER},red"),  # has no view
        (f"in_port={RED_PORT},{V4},nw_src=169.254.128.1,nw_dst=10.1.0.5", "src=169.254.128.2"),
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.7", "drop"),  # private, fallback=public
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=172.24.4.9", f"{TO_ROUTER},blue"),  # the router has a route
        (f"in_port={BLUE_PORT},{V6},ipv6_src=fd00::1,ipv6_dst=fd99::9", f"{TO_ROUTER},blue"),
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", f"{TO_ROUTER},blue"),
        (f"in_port={BLUE_PORT},{V6},ipv6_src=fd00::1,ipv6_dst=fd01::1", "drop"),
        (f"in_port={MUTE_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", "drop"),
        (f"in_port={RED_PORT},arp,arp_spa=10.1.0.5,arp_tpa=10.1.0.1,arp_op=1", "red"),
    ],
)
def test_a_packet_from_a_circuit_goes_where_it_should(switch: Switch, packet: str, leads: str) -> None:
    assert leads in fate(switch, packet)


IN = f"in_port={TUNNEL},dl_src={THEIRS},tun_src=172.30.2.1,tun_dst=172.30.1.1"


@pytest.mark.parametrize(
    ("packet", "leads"),
    [
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.5", f"{TO_ROUTER},red"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ipv6,ipv6_dst=2001:db8:1::5", f"{TO_ROUTER},red"),
        (f"{IN},tun_id=5002,dl_dst={OURS},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.6", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=8.8.8.8", "drop"),
        (f"{IN},tun_id=5001,dl_dst={THEIRS},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},arp,arp_tpa=10.1.0.5", "drop"),
        (
            f"{IN},tun_id=0,dl_dst={PROBE_MAC},dl_type={PROBE_TYPE:#x}",
            f"set(eth(dst={ANSWER_MAC})),tun",
        ),
        (f"{IN},tun_id=0,dl_dst={PROBE_MAC},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=0,dl_dst={ANSWER_MAC},dl_type={PROBE_TYPE:#x}", "userspace(pid=0,controller(reason=1"),
        (f"{IN.replace('2.1', '2.3')},tun_id=0,dl_dst={ANSWER_MAC},dl_type={PROBE_TYPE:#x}", "drop"),
    ],
)
def test_from_a_tunnel_only_what_was_announced_comes_in(switch: Switch, packet: str, leads: str) -> None:
    assert leads in fate(switch, packet)
