"""The faults: each breaks one thing in a healthy world of two clouds, and says which cause is the true one.

Rules: a fault does what happens in the field (a row, a port, a flow, a wire, a reflector's configuration), never what
`why` looks for; the cause is written down from the fault, not from the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.cli.verdict import Cause, Way
from isthmus.flows.layout import Table
from isthmus.node.config import Limits
from isthmus.vpn.trust import TargetRange, Trust
from tests.build import ip, net
from tests.faults import clouds
from tests.faults.clouds import RED
from tests.faults.hands import (
    A_RR,
    B_RR,
    apart,
    as_mpls,
    deaf_switch,
    drained,
    foreign_flow,
    frozen,
    in_our_as,
    limited,
    moved_off,
    never_end,
    no_covering,
    no_vxlan,
    one_vni_twice,
    other_targets,
    other_vni,
    overlapping_subnet,
    own_route,
    reflector_down,
    reject,
    remove_flow,
    rule,
    same_hypervisor_twice,
    same_node,
    schema_two,
    second_owner,
    self_as_next_hop,
    silent,
    southbound_gone,
    stop_and_forget,
    switch_gone,
    too_many_targets,
    two_overlay_indexes,
    unplug,
    unresolved,
    unserved,
    unwire,
    wary,
    without_router_mac,
)
from tests.faults.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    name: str
    cause: Cause
    break_: Callable[[World], object]
    source: str = "a-red1"
    destination: str = "b-red1"
    way: Way = Way.THERE
    only: tuple[str, ...] = ()
    """Whose agents are asked; all of them if it does not say."""
    reflectors_each: int = 1


C = Cause

SOURCE = (
    Fault("no such source", C.SOURCE_UNKNOWN, lambda w: None, source="a-ghost"),
    Fault("source's port down", C.PORT_DOWN, lambda w: clouds.change_port(w, "a", "a-red1", up=False)),
    Fault(
        "source's row has no number in revision",
        C.ROW_NONSENSE,
        lambda w: clouds.change_ids(w, "a", "a-red1", revision_number="many"),
        source=clouds.port_id("a-red1"),
    ),
    Fault("source's association deleted", C.NOT_ASSOCIATED, lambda w: clouds.dissociate(w, "a", RED)),
    Fault("source's network not covered by the router's associations", C.NOT_ASSOCIATED, no_covering),
    Fault("source in no VPN at all", C.NOT_ASSOCIATED, lambda w: None, source="a-grey1"),
    Fault(
        "source's row nonsense since before the agent started",
        C.ROW_NONSENSE,
        lambda w: (clouds.spoil(w, "a", RED, "isthmus:site", "nowhere"), clouds.restart(w, "a-h1")),
    ),
    Fault(
        "source's row turns to nonsense, last state stands",
        C.ROW_NONSENSE,
        lambda w: clouds.spoil(w, "a", RED, "isthmus:revision", "many"),
    ),
    Fault("source's row of a newer schema", C.UNKNOWN_SCHEMA, lambda w: schema_two(w, "a", "a-h1")),
    Fault("source imports nothing", C.NO_IMPORT_TARGETS, lambda w: clouds.retarget(w, "a", RED, imports=())),
    Fault(
        "source has no IPv6 address",
        C.NO_ADDRESS,
        lambda w: None,
        source="a-blue2",
        destination="2001:db8:a1::10",
    ),
    Fault("source's circuit unplugged by hand", C.CIRCUIT_UNPLUGGED, lambda w: unplug(w, "a-h1", "a", RED)),
    Fault("source's agent stopped", C.AGENT_SILENT, lambda w: stop_and_forget(w, "a-h1")),
    Fault(
        "southbound away when the source's agent started",
        C.SOUTHBOUND_AWAY,
        lambda w: southbound_gone(w, "a-h1", fresh=True),
    ),
    Fault("southbound of the source away, everything kept", C.SOUTHBOUND_AWAY, lambda w: southbound_gone(w, "a-h1")),
)

SWITCHES = (
    Fault(
        "route's flow removed by hand",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "a-h1", Table.VIEW, "nw_dst=10.11.0.10"),
    ),
    Fault(
        "source's flow removed by hand",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "a-h1", Table.SOURCE, "nw_src=10.1.0.10"),
    ),
    Fault(
        "circuit's door removed by hand", C.FLOW_MISSING, lambda w: remove_flow(w, "a-h1", Table.CLASSIFY, "in_port=10")
    ),
    Fault(
        "endpoint's flow removed by hand",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "a-h1", Table.TUNNEL, "tun_dst=172.30.2.11"),
    ),
    Fault(
        "inbound flow removed by hand at the far end",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "b-h1", Table.INBOUND, "nw_dst=10.11.0.10"),
    ),
    Fault(
        "tunnel's door removed by hand at the far end",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "b-h1", Table.CLASSIFY, "in_port=1"),
    ),
    Fault("foreign flow at the source", C.FOREIGN_FLOW, lambda w: foreign_flow(w, "a-h1")),
    Fault("foreign flow at the far end", C.FOREIGN_FLOW, lambda w: foreign_flow(w, "b-h1")),
    Fault("switch refuses flows at the source", C.SWITCH_REFUSES, lambda w: deaf_switch(w, "a-h1")),
    Fault("switch refuses flows at the far end", C.SWITCH_REFUSES, lambda w: deaf_switch(w, "b-h1")),
    Fault("ovs-vswitchd gone at the source", C.SWITCH_AWAY, lambda w: switch_gone(w, "a-h1")),
    Fault("ovs-vswitchd gone at the far end", C.SWITCH_AWAY, lambda w: switch_gone(w, "b-h1")),
    Fault("VXLAN port's name taken at the source", C.NO_TUNNEL_PORT, lambda w: no_vxlan(w, "a-h1")),
    Fault("VXLAN port's name taken at the far end", C.NO_TUNNEL_PORT, lambda w: no_vxlan(w, "b-h1")),
)

BGP = (
    Fault(
        "source's reflector down since before its start",
        C.SESSION_DOWN,
        lambda w: reflector_down(w, A_RR, fresh="a-h1"),
    ),
    Fault(
        "far reflector down since before its agent's start",
        C.SESSION_DOWN,
        lambda w: reflector_down(w, B_RR, fresh="b-h1"),
    ),
    # What a-h1 has learnt stays in use; the others were told that a-h1's own routes are gone.
    Fault("the only reflector dies, routes are kept", C.SESSION_DOWN, lambda w: reflector_down(w, A_RR), way=Way.BACK),
    Fault(
        "both reflectors die, routes are kept",
        C.SESSION_DOWN,
        lambda w: reflector_down(w, A_RR, ip("172.30.1.6")),
        way=Way.BACK,
        reflectors_each=2,
    ),
    Fault("firewall between the far hypervisor and its reflector", C.SESSION_DOWN, lambda w: unwire(w, "b-h1", B_RR)),
    Fault(
        "clock jump: the source's hypervisor was suspended", C.SESSION_DOWN, lambda w: frozen(w, "a-h1"), way=Way.BACK
    ),
    Fault("source configured with a wrong AS", C.SESSION_DOWN, lambda w: reject(w, "a-h1", A_RR, asn=64999)),
    Fault("far end configured with a wrong AS", C.SESSION_DOWN, lambda w: reject(w, "b-h1", B_RR, asn=64999)),
    Fault("reflector without EVPN at the source", C.NO_COMMON_FAMILY, lambda w: reject(w, "a-h1", A_RR, evpn=False)),
    Fault("reflector without EVPN at the far end", C.NO_COMMON_FAMILY, lambda w: reject(w, "b-h1", B_RR, evpn=False)),
    Fault("reflectors of the clouds lose each other", C.NOT_PASSED_ON, apart),
    Fault("reflector filters the route", C.NOT_PASSED_ON, lambda w: rule(w, A_RR, lambda route: None)),
    Fault("reflector still sending its routes", C.NOT_IN_SYNC, never_end),
    Fault("reflector replaces the route targets", C.TARGETS_LOST, lambda w: rule(w, A_RR, other_targets)),
    Fault("reflector sets itself as next hop", C.ROUTE_CHANGED, lambda w: rule(w, A_RR, self_as_next_hop)),
    Fault("reflector changes the VNI", C.ROUTE_CHANGED, lambda w: rule(w, A_RR, other_vni)),
    Fault("reflector drops the router's MAC", C.ROUTE_UNUSABLE, lambda w: rule(w, A_RR, without_router_mac)),
    Fault("reflector sends nonsense", C.ROUTE_MALFORMED, lambda w: rule(w, A_RR, two_overlay_indexes)),
    Fault("reflector asks for MPLS", C.ROUTE_UNUSABLE, lambda w: rule(w, A_RR, as_mpls)),
    Fault("both clouds in one AS, their reflectors speak eBGP", C.ROUTE_UNUSABLE, lambda w: rule(w, A_RR, in_our_as)),
    Fault(
        "two hypervisors of a cloud with one router-id",
        C.DUPLICATE_NODE,
        lambda w: same_node(w, "a-h1", "a-h2"),
        destination="a-blue2",
    ),
    Fault("view's limit", C.VIEW_FULL, lambda w: limited(w, "a-h1", Limits(routes_per_view=4))),
    Fault("peer's limit", C.PEER_FULL, lambda w: limited(w, "a-h1", Limits(routes_per_peer=4))),
    Fault("one VPN's limit", C.PEER_FULL, lambda w: limited(w, "a-h1", Limits(routes_per_target=2))),
    Fault(
        "the agent's file has other targets for the other cloud",
        C.ROUTE_UNUSABLE,
        lambda w: wary(w, "a-h1", Trust(accept_targets=(TargetRange.parse("64512:900-999"),))),
    ),
    Fault(
        "the agent's file has another underlay for the other cloud",
        C.ROUTE_UNUSABLE,
        lambda w: wary(w, "a-h1", Trust(tunnel_endpoints=(net("172.30.99.0/24"),))),
    ),
    Fault("source hypervisor's limit of attachments", C.NODE_FULL, lambda w: limited(w, "a-h1", Limits(circuits=0))),
    Fault("far hypervisor's limit of attachments", C.NODE_FULL, lambda w: limited(w, "b-h1", Limits(circuits=0))),
    Fault("source hypervisor's limit of ports", C.NODE_FULL, lambda w: limited(w, "a-h1", Limits(ports=0))),
    Fault("far hypervisor's limit of ports", C.NODE_FULL, lambda w: limited(w, "b-h1", Limits(ports=0))),
    Fault("machine moved while the reflector was away", C.ROUTE_STALE, moved_off, destination="10.11.0.10"),
)

FAR_END = (
    Fault("destination unknown", C.DESTINATION_UNKNOWN, lambda w: None, destination="10.11.0.99"),
    Fault("destination's port down", C.PORT_DOWN, lambda w: clouds.change_port(w, "b", "b-red1", up=False)),
    Fault(
        "destination's port is on a gateway chassis",
        C.PORT_EXTERNAL,
        lambda w: clouds.change_port(w, "b", "b-red1", type="external"),
    ),
    Fault("destination's association deleted", C.NOT_ASSOCIATED, lambda w: clouds.dissociate(w, "b", RED)),
    Fault(
        "destination's association deleted, asked by the address another tenant has too",
        C.NOT_ASSOCIATED,
        lambda w: (clouds.dissociate(w, "b", RED), w.clouds["b"].ports.pop("b-twin1"), w.news()),
        destination="10.11.0.10",
    ),
    Fault("destination in no VPN at all", C.NOT_ASSOCIATED, lambda w: None, source="b-red1", destination="a-grey1"),
    Fault(
        "destination's row has no MAC",
        C.ROW_NONSENSE,
        lambda w: clouds.change_port(w, "b", "b-red1", mac=("unknown",)),
        destination=clouds.port_id("b-red1"),
    ),
    Fault(
        "destination's attachment row nonsense",
        C.ROW_NONSENSE,
        lambda w: (clouds.spoil(w, "b", RED, "isthmus:site", "nowhere"), clouds.restart(w, "b-h1")),
    ),
    Fault("destination's row of a newer schema", C.UNKNOWN_SCHEMA, lambda w: schema_two(w, "b", "b-h1")),
    Fault("destination's circuit unplugged by hand", C.CIRCUIT_UNPLUGGED, lambda w: unplug(w, "b-h1", "b", RED)),
    Fault(
        "destination's agent stopped, asked by address",
        C.AGENT_SILENT,
        lambda w: clouds.stop(w, "b-h1"),
        destination="10.11.0.10",
    ),
    Fault("destination's agent stopped, asked by name", C.AGENT_SILENT, lambda w: clouds.stop(w, "b-h1")),
    Fault(
        "southbound away when the far agent started",
        C.SOUTHBOUND_AWAY,
        lambda w: southbound_gone(w, "b-h1", fresh=True),
    ),
    Fault(
        "underlay swallows what goes to the far end",
        C.VTEP_UNREACHABLE,
        lambda w: silent(w, "a-h1", w.hosts["b-h1"].address),
    ),
    Fault(
        "underlay swallows what comes back",
        C.VTEP_UNREACHABLE,
        lambda w: silent(w, "b-h1", w.hosts["a-h1"].address),
        way=Way.BACK,
    ),
    Fault("far hypervisor drained", C.DRAINED, lambda w: drained(w, "b-h1")),
    Fault("source's hypervisor drained", C.DRAINED, lambda w: drained(w, "a-h1"), way=Way.BACK),
    Fault("next hop of the tunnel does not answer", C.VTEP_UNREACHABLE, lambda w: unresolved(w, "a-h1")),
)

VPNS = (
    Fault(
        "destination exports another route target",
        C.TARGETS_DIFFER,
        lambda w: clouds.retarget(w, "b", RED, exports=("64512:55",)),
    ),
    Fault(
        "destination exports another target, asked by address",
        C.TARGETS_DIFFER,
        lambda w: clouds.retarget(w, "b", RED, exports=("64512:55",)),
        destination="10.11.0.10",
    ),
    Fault(
        "source imports another route target",
        C.TARGETS_DIFFER,
        lambda w: clouds.retarget(w, "a", RED, imports=("64512:55",)),
    ),
    Fault("source in another VPN", C.TARGETS_DIFFER, lambda w: None, source="a-blue1"),
    Fault("destination exports nothing", C.NO_EXPORT_TARGETS, lambda w: clouds.retarget(w, "b", RED, exports=())),
    Fault("destination exports more targets than fit", C.TOO_MANY_TARGETS, too_many_targets),
    Fault("two sites claim the address", C.DUPLICATE_ADDRESS, second_owner, destination="10.11.0.10"),
    Fault("two machines of one hypervisor claim the address", C.DUPLICATE_ADDRESS, same_hypervisor_twice),
    Fault("source's subnet not on its router", C.NOT_SERVED, lambda w: unserved(w, "a"), destination="10.11.0.10"),
    Fault("destination's subnet not on its router", C.NOT_SERVED, lambda w: unserved(w, "b")),
    Fault("two BGPVPNs with one VNI on a hypervisor", C.NUMBER_CLASH, one_vni_twice),
    Fault("hidden by the router's own subnet", C.HIDDEN_BY_ROUTER, overlapping_subnet),
    Fault("hidden by the router's own route", C.HIDDEN_BY_ROUTER, own_route),
    Fault(
        "hidden by the router's own subnet, asked by address",
        C.HIDDEN_BY_ROUTER,
        overlapping_subnet,
        destination="10.11.0.10",
    ),
)

BACK = (
    Fault(
        "destination imports another route target",
        C.TARGETS_DIFFER,
        lambda w: clouds.retarget(w, "b", RED, imports=("64512:55",)),
        way=Way.BACK,
    ),
    Fault(
        "destination imports nothing",
        C.NO_IMPORT_TARGETS,
        lambda w: clouds.retarget(w, "b", RED, imports=()),
        way=Way.BACK,
    ),
    Fault(
        "source exports nothing", C.NO_EXPORT_TARGETS, lambda w: clouds.retarget(w, "a", RED, exports=()), way=Way.BACK
    ),
    Fault(
        "inbound flow removed by hand at the source",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "a-h1", Table.INBOUND, "nw_dst=10.1.0.10"),
        way=Way.BACK,
    ),
    Fault(
        "reflector of the far cloud filters the way back",
        C.NOT_PASSED_ON,
        lambda w: rule(w, B_RR, lambda route: None),
        way=Way.BACK,
    ),
    Fault(
        "far end's door removed by hand",
        C.FLOW_MISSING,
        lambda w: remove_flow(w, "b-h1", Table.SOURCE, "nw_src=10.11.0.10"),
        way=Way.BACK,
    ),
)

ALONE = (
    Fault(
        "asked alone: source's session down",
        C.SESSION_DOWN,
        lambda w: reflector_down(w, A_RR, fresh="a-h1"),
        destination="10.11.0.10",
        only=("a-h1",),
    ),
    Fault(
        "asked alone: nobody announces it",
        C.NO_ROUTE,
        lambda w: clouds.dissociate(w, "b", RED),
        destination="10.11.0.11",
        only=("a-h1",),
    ),
    Fault(
        "asked alone: source exports nothing",
        C.NO_EXPORT_TARGETS,
        lambda w: clouds.retarget(w, "a", RED, exports=()),
        destination="10.11.0.10",
        way=Way.BACK,
        only=("a-h1",),
    ),
    Fault(
        "asked alone: wrong import target",
        C.TARGETS_DIFFER,
        lambda w: clouds.retarget(w, "a", RED, imports=("64512:55",)),
        destination="10.11.0.11",
        only=("a-h1",),
    ),
)

FAULTS = (*SOURCE, *SWITCHES, *BGP, *FAR_END, *VPNS, *BACK, *ALONE)
