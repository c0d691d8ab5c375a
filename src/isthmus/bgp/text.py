"""Messages and attributes as an operator reads them: one line each, the RFCs' words, defaults left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.iana import Origin, words
from isthmus.bgp.message import Notification, Open, RouteRefresh
from isthmus.bgp.update import Update

Message: TypeAlias = Open | Update | Notification | RouteRefresh


def text_of(message: Message) -> str:
    """One line, complete enough to write the message down again."""
    match message:
        case Open():
            offered = ", ".join(str(c) for c in message.capabilities) or "no capabilities"
            return f"open as {message.as_number} hold {message.hold_time_s} id {message.router_id}: {offered}"
        case Notification():
            return f"notification {message}"
        case RouteRefresh(family):
            return f"route refresh {family if family is not None else 'of an unknown family'}"
        case Update():
            return "; ".join(_update_parts(message))


def _update_parts(update: Update) -> Iterator[str]:
    yield str(update.family) if update.family is not None else "no known family"
    if update.end_of_rib is not None:
        yield "end of rib"
    if update.memberships_withdrawn:
        yield "no longer wants " + ", ".join(str(membership) for membership in update.memberships_withdrawn)
    if update.memberships:
        yield "wants " + ", ".join(str(membership) for membership in update.memberships)
    if update.withdrawn:
        yield "withdraw " + ", ".join(str(route) for route in update.withdrawn)
    if update.announced:
        yield "announce " + ", ".join(str(route) for route in update.announced)
    if update.attributes is not None:
        yield attributes_text(update.attributes)
    if update.beside:
        yield "beside " + ", ".join(str(one) for one in update.beside)
    if update.skipped:
        yield f"{update.skipped} routes of other types"
    for fault in update.faults:
        yield str(fault)


def attributes_text(attributes: PathAttributes) -> str:
    """`next hop 10.0.0.1, origin igp, …`."""
    return ", ".join(_attribute_parts(attributes))


def _attribute_parts(attributes: PathAttributes) -> Iterator[str]:
    if attributes.next_hop is not None:
        yield f"next hop {attributes.next_hop}"
    if attributes.origin is not Origin.IGP:
        yield f"origin {words(attributes.origin)}"
    if attributes.as_path:
        yield "as path " + " ".join(str(segment) for segment in attributes.as_path)
    for name, number in (("med", attributes.med), ("local pref", attributes.local_pref)):
        if number is not None:
            yield f"{name} {number}"
    if attributes.originator_id is not None:
        yield f"originator {attributes.originator_id}"
    if attributes.cluster_list:
        yield "clusters " + " ".join(str(cluster) for cluster in attributes.cluster_list)
    yield from _community_parts(attributes)
    for unknown in attributes.unknown:
        yield f"attribute {unknown.code} {unknown.value.hex()}"


def _community_parts(attributes: PathAttributes) -> Iterator[str]:
    if attributes.communities:
        yield "communities " + " ".join(f"{c >> 16}:{c & 0xFFFF}" for c in attributes.communities)
    if attributes.large_communities:
        yield "large communities " + " ".join(_large(c) for c in attributes.large_communities)
    if attributes.extended_communities:
        yield "extended communities " + " ".join(c.hex() for c in attributes.extended_communities)
    if attributes.route_targets:
        yield "targets " + " ".join(str(t) for t in sorted(attributes.route_targets))
    if attributes.encapsulations:
        yield "encapsulations " + " ".join(str(e) for e in sorted(attributes.encapsulations))
    if attributes.router_mac is not None:
        yield f"router mac {attributes.router_mac}"
    if attributes.site_of_origin is not None:
        yield f"site {attributes.site_of_origin}"
    if attributes.mobility_sequence is not None:
        yield f"moved {attributes.mobility_sequence}"
    if attributes.claimant is not None:
        yield f"claimant {attributes.claimant}"


def _large(community: bytes) -> str:
    return ":".join(str(int.from_bytes(community[i : i + 4], "big")) for i in (0, 4, 8))
