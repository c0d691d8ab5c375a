"""A node's story as plain values, for the log, the metrics and the command line."""

from __future__ import annotations

from isthmus.model.reason import (
    AttachmentState,
    Contested,
    LimitState,
    NotAnnounced,
    NotBest,
    Note,
    NotImported,
    NotInstalled,
)
from isthmus.node.status import (
    AssociationStatus,
    AttachmentStatus,
    DoorStatus,
    LimitStatus,
    MachineStatus,
    NodeStatus,
    PeerStatus,
    PortStatus,
    RouteStatus,
    SwitchStatus,
    ViewStatus,
)

VPN_1, VPN_2 = "b0000000-0000-0000-0000-000000000001", "b0000000-0000-0000-0000-000000000002"
ROUTER, NETWORK = "router:a0000000-0000-0000-0000-000000000001", "network:a0000000-0000-0000-0000-000000000002"


CLOSED = DoorStatus("isthmus-ac-1", ROUTER, "0x1f", ["10.1.0.6"])


def peer(address: str = "192.0.2.1", **change: object) -> PeerStatus:
    fields: dict[str, object] = {
        "address": address,
        "asn": 64512,
        "state": "Established",
        "since_s": 3725.0,
        "reason": "",
        "families": ["l2vpn-evpn"],
        "received": 2,
        "refused": 0,
        "announced": 1,
        "in_sync": True,
        "updates_in": 3,
        "updates_out": 2,
        "treated_as_withdraw": 0,
        "discarded_attributes": 0,
        "notifications_in": 0,
        "notifications_out": 0,
        "last_fault": "",
    }
    return PeerStatus(**(fields | change))  # type: ignore[arg-type]


def association(**change: object) -> AssociationStatus:
    fields: dict[str, object] = {
        "association": "d0000000-0000-0000-0000-000000000001",
        "kind": "router",
        "bgpvpn": VPN_1,
        "vni": 5001,
        "imports": ["64512:1"],
        "exports": ["64512:1"],
        "networks": ["neutron-1"],
    }
    return AssociationStatus(**(fields | change))  # type: ignore[arg-type]


def attachment(circuit: str = "isthmus-ac-1", **change: object) -> AttachmentStatus:
    fields: dict[str, object] = {
        "circuit": circuit,
        "attachment": ROUTER,
        "state": AttachmentState.ACTIVE.name,
        "reason": "",
        "revision": 4,
        "bgpvpns": [VPN_1],
        "ports": 1,
        "ofport": 2,
        "site": "64512:1",
        "networks": ["neutron-1"],
        "subnets": ["10.1.0.0/24"],
        "fallback": "all",
        "associations": [association()],
    }
    return AttachmentStatus(**(fields | change))  # type: ignore[arg-type]


def route(prefix: str = "10.2.0.7/32", **change: object) -> RouteStatus:
    fields: dict[str, object] = {
        "view": "0x1f",
        "prefix": prefix,
        "best": True,
        "installed": True,
        "why": "",
        "note": "",
        "peer": "192.0.2.1",
        "next_hop": "192.0.2.33",
        "vni": 5001,
        "router_mac": "02:78:c0:00:02:21",
        "route_distinguisher": "192.0.2.33:16",
        "route_targets": ["64512:1"],
        "site": "64512:2",
        "local_pref": 100,
        "as_path": [],
        "mobility": 3,
        "since_s": 61.0,
    }
    return RouteStatus(**(fields | change))  # type: ignore[arg-type]


def port(address: str = "10.1.0.5", **change: object) -> PortStatus:
    fields: dict[str, object] = {
        "port": "c0000000-0000-0000-0000-000000000001",
        "address": address,
        "attachment": ROUTER,
        "circuit": "isthmus-ac-1",
        "bgpvpn": VPN_1,
        "vni": 5001,
        "route_distinguisher": "192.0.2.11:16",
        "route_targets": ["64512:1"],
        "mobility": 3,
        "delivered": True,
        "announced_to": ["192.0.2.1", "192.0.2.2"],
        "why_not": "",
    }
    return PortStatus(**(fields | change))  # type: ignore[arg-type]


def machine(*addresses: str, **change: object) -> MachineStatus:
    fields: dict[str, object] = {
        "port": "c0000000-0000-0000-0000-000000000001",
        "device": "e0000000-0000-0000-0000-000000000001",
        "mac": "fa:16:3e:00:00:05",
        "addresses": list(addresses or ("10.1.0.5",)),
        "network": "neutron-1",
        "up": True,
        "revision": 3,
        "doors": [DoorStatus("isthmus-ac-1", ROUTER, "0x1f", [])],
    }
    return MachineStatus(**(fields | change))  # type: ignore[arg-type]


def switch(**change: object) -> SwitchStatus:
    fields: dict[str, object] = {
        "flows_wanted": 24,
        "flows_installed": 24,
        "in_sync": True,
        "swept": True,
        "foreign_flows": 0,
        "missing": [],
        "foreign": [],
        "tunnel_ofport": 1,
        "tunnel_open": True,
        "southbound": "in sync",
        "switch": "connected",
        "dropped_inbound": 0,
        "bundles": 3,
        "refused_bundles": 0,
        "refusal": "",
        "neighbours_unresolved": [],
        "endpoints_probed": 3,
        "endpoints_silent": [],
    }
    return SwitchStatus(**(fields | change))  # type: ignore[arg-type]


def node(**change: object) -> NodeStatus:
    """All is well."""
    fields: dict[str, object] = {
        "router_id": "192.0.2.11",
        "vtep": "192.0.2.11",
        "asn": 64512,
        "router_mac": "02:78:c0:00:02:0b",
        "generation": 17,
        "attachments": [
            attachment(),
            attachment(
                "isthmus-ac-2",
                attachment=NETWORK,
                state="NO_WORKLOAD",
                ports=0,
                ofport=None,
                bgpvpns=[VPN_2],
                associations=[association(bgpvpn=VPN_2, imports=["64512:2"], exports=["64512:2"])],
                reason=AttachmentState.NO_WORKLOAD.value,
            ),
        ],
        "views": [ViewStatus("0x1f", [VPN_1], ["64512:1"], ["10.1.0.5"], 1, 1)],
        "routes": [route()],
        "peers": [peer(), peer("192.0.2.2")],
        "ports": [port()],
        "machines": [machine()],
        "skipped": {},
        "unused": {},
        "switch": switch(),
        "limits": [limit("attachments", "", 2, 1000)],
        "looks": {"ROUTES": 3},
        "decisions": 12,
    }
    return NodeStatus(**(fields | change))  # type: ignore[arg-type]


def limit(name: str, of: str, taken: int, maximum: int, refused: int = 0) -> LimitStatus:
    near = LimitState.NEAR if taken >= maximum * 0.8 else LimitState.ROOM
    state = LimitState.FULL if refused else near
    return LimitStatus(name, of, taken, maximum, refused, state.name, state.value)


def _troubled_routes() -> list[RouteStatus]:
    return [
        route(),
        route(best=False, installed=False, why=NotBest.MOBILITY.value, next_hop="192.0.2.44", mobility=1),
        route("10.2.0.8/32", installed=False, why=NotInstalled.NEIGHBOUR_UNRESOLVED.value, since_s=1.5),
        route("10.1.0.0/24", installed=False, why=NotInstalled.HIDDEN_BY_ROUTER.value, since_s=90000.0),
        route("10.2.0.9/32", peer="192.0.2.2", note=Note.LONG_LIVED_STALE.value, stale_s=4000.0),
        route("10.1.0.5/32", peer="", next_hop="local", since_s=0.0, note="two sites announce this address"),
        route(
            "10.9.0.0/16",
            view="",
            best=False,
            installed=False,
            why=NotImported.NO_IMPORT_TARGET.value,
            route_targets=["64512:9", "64512:10"],
        ),
    ]


def _troubled_peers() -> list[PeerStatus]:
    return [
        peer(treated_as_withdraw=1, last_fault="attribute 14: too short"),
        peer(
            "192.0.2.2",
            state="Idle",
            in_sync=False,
            since_s=75.0,
            reason="no connection: Connection refused",
            received=4,
            announced=0,
            families=[],
            kept=Note.LONG_LIVED_STALE.value,
            kept_s=4000.0,
        ),
    ]


def troubled() -> NodeStatus:
    """Hardly anything is well."""
    return node(
        attachments=[
            attachment(),
            attachment(
                "isthmus-ac-3",
                attachment="",
                state="BAD_ROW",
                reason="isthmus:revision: 'many' is not a number",
                revision=0,
                bgpvpns=[],
                ports=0,
                ofport=None,
                associations=[],
            ),
        ],
        views=[ViewStatus("0x1f", [VPN_1], ["64512:1"], ["10.1.0.5", "2001:db8::5"], 3, 1)],
        routes=_troubled_routes(),
        peers=_troubled_peers(),
        ports=[
            port(announced_to=["192.0.2.1"], contested=Contested.FIRST.value),
            port("10.1.0.6", announced_to=[], why_not=NotAnnounced.NO_FLOW.value),
            port("10.1.0.7", announced_to=[], why_not=NotAnnounced.PORT_DOWN.value, bgpvpn=VPN_2, vni=5002),
        ],
        machines=[
            machine(),
            machine("10.1.0.6", "2001:db8::6", port="c0000000-0000-0000-0000-000000000006", doors=[CLOSED]),
            machine("10.1.0.7", port="c0000000-0000-0000-0000-000000000007", up=False, device=""),
            machine("10.8.0.8", port="c0000000-0000-0000-0000-000000000008", network="neutron-8", doors=[]),
        ],
        skipped={"port-9": "mac: no MAC address in []"},
        unused={
            NotBest.MOBILITY.value: 1,
            NotInstalled.HIDDEN_BY_ROUTER.value: 1,
            NotInstalled.NEIGHBOUR_UNRESOLVED.value: 1,
            NotImported.NO_IMPORT_TARGET.value: 1,
        },
        switch=switch(
            flows_installed=20,
            missing=["table=10,priority=100,ip,in_port=2,nw_src=10.1.0.6"],
            foreign=["table=0,priority=65000"],
            in_sync=False,
            swept=False,
            foreign_flows=1,
            dropped_inbound=5,
            dropped_labelled=6,
            gre_ofport=9,
            refused_bundles=1,
            southbound="the southbound database at ssl:192.0.2.21:6642 does not answer",
            neighbours_unresolved=["192.0.2.33"],
            endpoints_silent=["192.0.2.44"],
            endpoints_unheard=["192.0.2.55"],
            endpoints_blind=["192.0.2.77"],
            endpoints_doubted=["192.0.2.66"],
            doubts=1,
            liveness="on",
        ),
        limits=[
            limit("attachments", "", 2, 1000),
            limit("routes_per_peer", "192.0.2.1", 9, 9, refused=2),
            limit("routes_per_view", "0x1f", 3, 3),
        ],
    )
