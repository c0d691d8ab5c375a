"""Status values into text tables. Pure; goldens in tests/cli.

Rules: one row an object, and why something is not so stands on that row, in words, in the last column. Nothing is cut
off: an operator searches this with grep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from isthmus.model.reason import LimitState, NotAnnounced
from isthmus.node.status import (
    AttachmentStatus,
    LimitStatus,
    MachineStatus,
    NodeStatus,
    PeerStatus,
    PortStatus,
    RouteStatus,
    SwitchStatus,
    ViewStatus,
)

NOTHING = "none"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need be, two blanks apart; the last one is not padded."""
    lines = [list(head), *(list(row) for row in rows)]
    if len(lines) == 1:
        return NOTHING
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def age(seconds: float) -> str:
    """`7s`, `4m12s`, `2h03m`, `5d04h`."""
    whole = max(0, int(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"


def _list(values: Iterable[object]) -> str:
    return ",".join(str(v) for v in values) or "-"


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def attachments(rows: Iterable[AttachmentStatus]) -> str:
    return table(
        ("ATTACHMENT", "STATE", "PORTS", "OFPORT", "REVISION", "BGPVPNS", "WHY NOT"),
        (
            (
                a.attachment or a.circuit,
                a.state,
                str(a.ports),
                "-" if a.ofport is None else str(a.ofport),
                str(a.revision),
                _list(a.bgpvpns),
                a.reason,
            )
            for a in rows
        ),
    )


def views(rows: Iterable[ViewStatus]) -> str:
    return table(
        ("VIEW", "ROUTES", "INSTALLED", "BGPVPNS", "IMPORTS", "SOURCES", "WHY NOT"),
        (
            (
                v.view,
                str(v.routes),
                str(v.installed),
                _list(v.bgpvpns),
                _list(v.import_targets),
                _list(v.sources),
                f"{v.routes - v.installed} not installed: see `isthmus show routes --view {v.view} --why-not`"
                if v.routes != v.installed
                else "",
            )
            for v in rows
        ),
    )


def routes(rows: Iterable[RouteStatus]) -> str:
    return table(
        ("VIEW", "PREFIX", "USED", "NEXT HOP", "BY", "FROM", "AGE", "TARGETS", "WHY NOT"),
        (
            (
                r.view or "-",
                r.prefix,
                _flag(r.best and r.installed),
                r.next_hop or "-",
                f"labels {'/'.join(map(str, r.labels))}" if r.labels else f"VNI {r.vni}",
                r.peer or "this node",
                age(r.since_s) if r.peer else "-",
                _list(r.route_targets),
                "; ".join(text for text in (r.why, since(r.note, r.stale_s)) if text),
            )
            for r in rows
        ),
    )


def since(note: str, seconds: float) -> str:
    return f"{note} since {age(seconds)}" if note and seconds else note


def peers(rows: Iterable[PeerStatus]) -> str:
    return table(
        ("PEER", "AS", "STATE", "SINCE", "IN SYNC", "RECEIVED", "BEACONS", "ANNOUNCED", "FAULTS", "WHY NOT"),
        (
            (
                p.address,
                str(p.asn),
                p.state,
                age(p.since_s),
                _flag(p.in_sync),
                str(p.received),
                str(p.beacons),
                str(p.announced),
                str(p.treated_as_withdraw + p.discarded_attributes),
                _peer_trouble(p),
            )
            for p in rows
        ),
    )


def _peer_trouble(p: PeerStatus) -> str:
    if p.kept:
        return "; ".join(text for text in (p.reason, f"its routes are {since(p.kept, p.kept_s)}") if text)
    if p.reason:
        return p.reason
    if p.next_hops_changed_to:
        return astray(p)
    if p.families_lacking:
        return lacking(p)
    if p.families_kept_back:
        return kept_back(p)
    if p.not_taken:
        return "; ".join(f"{count} routes not taken: {why}" for why, count in p.not_taken.items())
    if p.refused:  # an agent of an earlier release knows one reason only
        return f"{p.refused} routes beyond its maximum were not taken"
    return f"last fault: {p.last_fault}" if p.treated_as_withdraw + p.discarded_attributes else ""


def astray(p: PeerStatus) -> str:
    """What a reflector does that should leave next hops alone."""
    return f"puts {_list(p.next_hops_changed_to)} in the place of hypervisors' next hops, so tunnels lead there"


def lacking(p: PeerStatus) -> str:
    """A session stands with what both sides carry."""
    return f"has not offered {', '.join(p.families_lacking)}, so routes of that kind go by other peers or not at all"


def kept_back(p: PeerStatus) -> str:
    """What it has offered and does not pass on."""
    families = ", ".join(p.families_kept_back)
    return f"shows hypervisors and none of them in {families}: it keeps those routes back, or they do not speak that"


def ports(rows: Iterable[PortStatus]) -> str:
    return table(
        ("ADDRESS", "PORT", "BGPVPN", "VNI", "ATTACHMENT", "ANNOUNCED TO", "WHY NOT"),
        (
            (p.address, p.port, p.bgpvpn, str(p.vni), p.attachment, _list(p.announced_to), p.why_not or p.contested)
            for p in rows
        ),
    )


def machines(rows: Iterable[MachineStatus], skipped: Mapping[str, str]) -> str:
    shown = [
        (
            m.port,
            m.device or "-",
            m.mac,
            _list(m.addresses),
            "up" if m.up else "down",
            _list(d.attachment for d in m.doors),
            _list(d.view for d in m.doors if d.view),
            _machine_trouble(m),
        )
        for m in rows
    ]
    shown += [(port, "-", "-", "-", "-", "-", "-", f"left out: {why}") for port, why in skipped.items()]
    return table(("PORT", "DEVICE", "MAC", "ADDRESSES", "STATE", "ATTACHMENTS", "VIEWS", "WHY NOT"), shown)


def _machine_trouble(m: MachineStatus) -> str:
    if not m.up:
        return NotAnnounced.PORT_DOWN.value
    if m.why_not:
        return m.why_not
    closed = sorted({address for door in m.doors for address in door.closed})
    return f"the switch does not take packets from {_list(closed)}" if closed else ""


def limits(rows: Iterable[LimitStatus]) -> str:
    return table(
        ("LIMIT", "OF", "TAKEN", "MAXIMUM", "REFUSED", "STATE", "WHY NOT"),
        (
            (
                one.limit,
                one.of or "this node",
                str(one.taken),
                str(one.maximum),
                str(one.refused),
                one.state,
                "" if one.state == LimitState.ROOM.name else one.reason,
            )
            for one in rows
        ),
    )


def switch(s: SwitchStatus) -> str:
    rows = [
        ("southbound database", s.southbound),
        ("OpenFlow", s.switch),
        ("flows", f"{s.flows_installed} of {s.flows_wanted}" + ("" if s.in_sync else ", not in sync")),
        ("left by earlier runs", "swept" if s.swept else "not swept yet: a feed is not in sync"),
        *(("missing", flow) for flow in s.missing),
        ("tunnel port", "not there" if s.tunnel_ofport is None else str(s.tunnel_ofport)),
        *([] if s.gre_ofport is None else [("GRE port, for labels", str(s.gre_ofport))]),
        ("flows of others", str(s.foreign_flows)),
        *(("not ours", flow) for flow in s.foreign),
        ("bundles", f"{s.bundles} committed, {s.refused_bundles} refused"),
        ("packets refused inbound", str(s.dropped_inbound)),
        *([] if s.gre_ofport is None else [("packets refused by GRE", str(s.dropped_labelled))]),
        (
            "tunnel neighbours",
            (f"unresolved: {_list(s.neighbours_unresolved)}" if s.neighbours_unresolved else "resolved")
            + (f", sent to though nobody answers: {_list(s.endpoints_blind)}" if s.endpoints_blind else ""),
        ),
        (
            "tunnel endpoints",
            f"{s.endpoints_probed} probed, silent: {_list(s.endpoints_silent) if s.endpoints_silent else 'none'}"
            + (f", silent but used as ever: {_list(s.endpoints_doubted)}" if s.endpoints_doubted else "")
            + (f", not heard by BGP: {_list(s.endpoints_unheard)}" if s.endpoints_unheard else ""),
        ),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)


def sections(status: NodeStatus, names: Iterable[str]) -> str:
    """Several tables, each under its name."""
    makers = {
        "attachments": lambda: attachments(status.attachments),
        "views": lambda: views(status.views),
        "routes": lambda: routes(status.routes),
        "peers": lambda: peers(status.peers),
        "ports": lambda: ports(status.ports),
        "machines": lambda: machines(status.machines, status.skipped),
        "limits": lambda: limits(status.limits),
        "switch": lambda: switch(status.switch),
    }
    chosen = list(names)
    if len(chosen) == 1:
        return makers[chosen[0]]()
    return "\n\n".join(f"{name.capitalize()}\n{makers[name]()}" for name in chosen)
