"""What the log says: the difference between two looks at the node. Pure.

Rules: transitions only, old state to new with its reason; a state that lasts is not repeated. Feeds and refused bundles
are logged where they are seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isthmus.bgp.session import State
from isthmus.model.reason import AttachmentState, LimitState, Note
from isthmus.node.status import AttachmentStatus, LimitStatus, NodeStatus, PeerStatus, SwitchStatus

ESTABLISHED = State.ESTABLISHED.value

NAMES_MAX = 5

_REST = {AttachmentState.NO_WORKLOAD.name, ""}
"""Most attachments of a cloud have nothing on this node; that they exist is no news here."""


def lines(before: NodeStatus | None, after: NodeStatus) -> Iterator[str]:
    """A line for each change."""
    yield from _peers({p.address: p for p in before.peers} if before else {}, after.peers)
    yield from _blind(before.switch.endpoints_blind if before else [], after.switch.endpoints_blind)
    yield from _doubted(before.switch.endpoints_doubted if before else [], after.switch)
    yield from _unheard(before.switch.endpoints_unheard if before else [], after.switch.endpoints_unheard)
    yield from _attachments({a.circuit: a for a in before.attachments} if before else {}, after.attachments)
    yield from _refused(before.refused if before else {}, after.refused)
    yield from _limits({(one.limit, one.of): one for one in before.limits} if before else {}, after.limits)
    if after.switch.swept and not (before and before.switch.swept):
        yield "switch: what earlier runs left and nobody wants is swept"


def _peers(before: dict[str, PeerStatus], after: list[PeerStatus]) -> Iterator[str]:
    for peer in after:
        old = before.get(peer.address)
        was_up, up = old is not None and old.state == ESTABLISHED, peer.state == ESTABLISHED
        if up and not was_up:
            lacking = f"; it has not offered {', '.join(peer.families_lacking)}" if peer.families_lacking else ""
            yield f"peer {peer.address}: session up, {', '.join(peer.families)}{lacking}"
        elif was_up and not up:
            yield f"peer {peer.address}: session down: {peer.reason}"
        elif not up and old is not None and old.reason != peer.reason:
            yield f"peer {peer.address}: no session: {peer.reason}"
        if peer.kept == Note.LONG_LIVED_STALE.value and not (old and old.kept == peer.kept):
            yield f"peer {peer.address}: {peer.received} routes {peer.kept}"
        elif old is not None and old.kept and not peer.kept and not any(p.in_sync for p in after):
            yield f"peer {peer.address}: {old.received} routes are not kept any longer"
        fresh = set(peer.next_hops_changed_to) - set(old.next_hops_changed_to if old else ())
        if fresh:
            yield f"peer {peer.address}: {_some(sorted(fresh))} stands in the place of hypervisors' own next hops"
        yield from _kept_back(old.families_kept_back if old else [], peer)
        if up and peer.in_sync and not (was_up and old is not None and old.in_sync):
            yield f"peer {peer.address}: in sync, {peer.received} routes"


def _kept_back(before: list[str], peer: PeerStatus) -> Iterator[str]:
    """While a session is down, or not in sync again, nobody knows: the next line is when one is."""
    if fresh := [family for family in peer.families_kept_back if family not in before]:
        yield f"peer {peer.address}: it shows hypervisors and none of them in {', '.join(fresh)}"


def _blind(before: list[str], after: list[str]) -> Iterator[str]:
    if fresh := sorted(set(after) - set(before)):
        yield f"tunnels: sent to though nobody answers for it: {_some(fresh)}"
    if gone := sorted(set(before) - set(after)):
        yield f"tunnels: somebody answers, or nothing leads there any more: {_some(gone)}"


def _doubted(before: list[str], after: SwitchStatus) -> Iterator[str]:
    """One line when it begins, and one when it is over."""
    if after.endpoints_doubted and not before:
        because = "this agent is set to warn only" if after.liveness == "warn" else "most fell silent together"
        yield f"tunnels: silent but used as ever, because {because}: {_some(after.endpoints_doubted)}"
    elif before and not after.endpoints_doubted:
        yield "tunnels: nobody who is silent is used any more"


def _unheard(before: list[str], after: list[str]) -> Iterator[str]:
    """One line for all: a reflector takes its whole cloud along."""
    if fresh := sorted(set(after) - set(before)):
        yield f"tunnels: not heard by BGP, but answering, so that withdrawals are held a while: {_some(fresh)}"
    if gone := sorted(set(before) - set(after)):
        yield f"tunnels: heard again, or held no longer: {_some(gone)}"


def _refused(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """One line for each reason when there is somebody of whom it is true, and one when nobody is left."""
    for why in sorted(after.keys() - before.keys()):
        yield f"routes: {after[why]} that a VPN here imports cannot be used: {why}"
    for why in sorted(before.keys() - after.keys()):
        yield f"routes: none any more that cannot be used because: {why}"


def _some(names: list[str]) -> str:
    beyond = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + beyond


def _attachments(before: dict[str, AttachmentStatus], after: list[AttachmentStatus]) -> Iterator[str]:
    for one in after:
        old = before.pop(one.circuit, None)
        was = old.state if old else ""
        if (was, old.reason if old else "") == (one.state, one.reason) or {was, one.state} <= _REST:
            continue
        reason = f": {one.reason}" if one.reason else ""
        yield f"attachment {one.attachment or one.circuit}: {was or 'new'} -> {one.state}{reason}"
    for gone in before.values():
        if gone.state not in _REST:
            yield f"attachment {gone.attachment or gone.circuit}: {gone.state} -> gone: nothing of it is here any more"


def _limits(before: dict[tuple[str, str], LimitStatus], after: list[LimitStatus]) -> Iterator[str]:
    for one in after:
        old = before.get((one.limit, one.of))
        if one.state == (old.state if old else LimitState.ROOM.name):
            continue
        of = f" of {one.of}" if one.of else ""
        surplus = f", {one.refused} refused" if one.refused else ""
        yield f"limit {one.limit}{of}: {one.taken} of {one.maximum}{surplus}: {one.reason}"
