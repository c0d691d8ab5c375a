"""One way of a conversation, and what may be wrong at a port or on a node wherever on the path it stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.bgp.events import DownReason
from isthmus.bgp.family import EVPN, VPNV4, VPNV6
from isthmus.bgp.iana import OpenError, words
from isthmus.bgp.session import State
from isthmus.cli.known import UNREADABLE, Known, Place, Told
from isthmus.cli.verdict import Cause, Step, Verdict, Way
from isthmus.model.reason import AttachmentState
from isthmus.node.status import AttachmentStatus, PeerStatus


@dataclass(frozen=True, slots=True)
class Leg:
    """From a port's address to an address; `wanted` is the port that is meant by it, if somebody said so."""

    known: Known
    way: Way
    start: Place
    source: str
    destination: str
    wanted: Place | None = None

    def wrong(self, cause: Cause, step: Step, sentence: str, node: Told, command: str) -> Verdict:
        return Verdict(cause, step, sentence, node.command(command), self.way)


def port_down(leg: Leg, place: Place, step: Step) -> Verdict | None:
    if place.machine.up:
        return None
    sentence = f"{place} ({', '.join(place.machine.addresses)}) is down: OVN has not brought it up there"
    return leg.wrong(Cause.PORT_DOWN, step, sentence, place.node, _machines(place))


def _machines(place: Place) -> str:
    return f"show machines --prefix {place.machine.addresses[0]}" if place.machine.addresses else "show machines"


def not_associated(leg: Leg, place: Place, step: Step) -> Verdict:
    """Why nothing covers a port: an unreadable row, a feed that is away, or nobody has made an association."""
    node = place.node
    if (row := node.unreadable()) is not None:
        return unreadable(leg, node, row, step)
    if (away := southbound_away(leg, node, step)) is not None:
        return away
    for door in place.machine.doors:
        row = node.attachment(door.circuit)
        for bgpvpn, why in row.unresolved.items() if row is not None else ():
            sentence = f"{node.name} cannot look up BGPVPN {bgpvpn}, which {door.attachment} is in: {why}"
            return leg.wrong(Cause.BGPVPN_UNREADABLE, step, sentence, node, "show attachments")
    behind = ", ".join(door.attachment for door in place.machine.doors)
    what = f"{behind} has associations, none of them" if behind else "no association"
    sentence = f"{what} covers {place} (network {place.machine.network.removeprefix('neutron-')}): it is in no BGPVPN"
    return leg.wrong(Cause.NOT_ASSOCIATED, step, sentence, node, _machines(place))


def unreadable(leg: Leg, node: Told, row: AttachmentStatus, step: Step) -> Verdict:
    newer = row.state == AttachmentState.UNKNOWN_SCHEMA.name
    cause = Cause.UNKNOWN_SCHEMA if newer else Cause.ROW_NONSENSE
    kept = ", so the last state that could be read stands" if row.attachment else ""
    sentence = f"{node.name} cannot read the row {row.circuit}{kept}: {row.reason}"
    return leg.wrong(cause, step, sentence, node, "show attachments --why-not")


def row_unreadable(leg: Leg, node: Told, circuit: str, step: Step) -> Verdict | None:
    """A row that once could be read and cannot now."""
    row = node.attachment(circuit)
    return unreadable(leg, node, row, step) if row is not None and row.state in UNREADABLE else None


def southbound_away(leg: Leg, node: Told, step: Step) -> Verdict | None:
    said = node.status.switch.southbound
    if said == "in sync":
        return None
    sentence = f"{node.name} does not hear OVN's southbound database, and keeps what it knew: {said}"
    return leg.wrong(Cause.SOUTHBOUND_AWAY, step, sentence, node, "show switch")


def switch_away(leg: Leg, node: Told, step: Step) -> Verdict | None:
    switch = node.status.switch
    if switch.refusal:
        sentence = f"Open vSwitch on {node.name} refuses the flows of the agent: {switch.refusal}"
        return leg.wrong(Cause.SWITCH_REFUSES, step, sentence, node, "show switch")
    if switch.switch == "connected":
        return None
    sentence = f"the agent on {node.name} does not reach Open vSwitch: {switch.switch}"
    return leg.wrong(Cause.SWITCH_AWAY, step, sentence, node, "show switch")


def unplugged(leg: Leg, node: Told, circuit: str, step: Step) -> Verdict | None:
    row = node.attachment(circuit)
    if row is None or row.ofport is not None:
        return None
    sentence = f"the attachment circuit {circuit} is not plugged into br-vpn on {node.name}"
    return leg.wrong(Cause.CIRCUIT_UNPLUGGED, step, sentence, node, "show attachments --why-not")


def beyond_maximum(leg: Leg, node: Told, circuit: str, step: Step) -> Verdict | None:
    row = node.attachment(circuit)
    if row is None or row.state != AttachmentState.TOO_MANY.name:
        return None
    sentence = f"{node.name} does not serve {row.attachment}: {row.reason}"
    return leg.wrong(Cause.NODE_FULL, step, sentence, node, "show attachments --why-not")


def no_tunnel_port(leg: Leg, node: Told, step: Step) -> Verdict | None:
    if node.status.switch.tunnel_ofport is not None:
        return None
    sentence = f"br-vpn on {node.name} has no VXLAN port of ours"
    return leg.wrong(Cause.NO_TUNNEL_PORT, step, sentence, node, "show switch")


def flow_missing(leg: Leg, node: Told, what: str, step: Step, about: str = "") -> Verdict:
    """Nothing deeper explains it: it was there, and is not there now. `about` chooses among those that are missing."""
    there = sorted(node.status.switch.missing, key=lambda flow: not about or about not in flow)
    example = f" (missing: {there[0]})" if there else ""
    sentence = f"Open vSwitch on {node.name} does not have the flow that {what}{example}"
    return leg.wrong(Cause.FLOW_MISSING, step, sentence, node, "show switch")


_OF_ROUTES = frozenset(map(str, (EVPN, VPNV4, VPNV6)))


def speaks(peer: PeerStatus) -> bool:
    """Whether routes can be exchanged with it."""
    return peer.state == State.ESTABLISHED and not _OF_ROUTES.isdisjoint(peer.families)


def no_session(leg: Leg, node: Told, step: Step) -> Verdict | None:
    """None as soon as one reflector is there."""
    peers = node.status.peers
    if any(speaks(p) for p in peers):
        return None
    if not peers:
        return leg.wrong(Cause.SESSION_DOWN, step, f"{node.name} has no reflector configured", node, "show peers")
    peer = min(peers, key=lambda p: p.state != State.ESTABLISHED)
    said = peer.reason or peer.last_fault or peer.state
    refused = (DownReason.NO_COMMON_FAMILY.value, words(OpenError.UNSUPPORTED_CAPABILITY))
    if peer.state == State.ESTABLISHED or any(text in said for text in refused):
        sentence = f"{node.name} and its reflector {peer.address} have no address family in common: {said}"
        return leg.wrong(Cause.NO_COMMON_FAMILY, step, sentence, node, "show peers")
    others = f" (nor with {len(peers) - 1} others)" if len(peers) > 1 else ""
    sentence = f"{node.name} has no BGP session with its reflector {peer.address}{others}: {said}"
    return leg.wrong(Cause.SESSION_DOWN, step, sentence, node, "show peers")
