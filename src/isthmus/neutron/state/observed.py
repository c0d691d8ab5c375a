"""The facts that a status follows from: what the database says, and what agents report.

Rules: a constant number of SQL statements whatever the number of BGPVPNs; reports are read for the hypervisors
concerned only. Of a single object (`exact`) what OVN must have is computed and compared with what was settled; a list
takes the revision in the database for that (the next full pass makes it true, should a process have died between).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import external_net
from neutron.plugins.ml2 import models as ml2
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import api as db_api

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import reading, vpns
from isthmus.neutron.attachments.backend import Backend, Feature, Support
from isthmus.neutron.attachments.desired import (
    Network,
    Skipped,
    Unserved,
    digest,
    network_attachment,
    router_attachment,
    unserved,
)
from isthmus.neutron.attachments.fitting import LEFT_OUT, fitting
from isthmus.neutron.rows import forms, models
from isthmus.neutron.rows.finding import KINDS, scoped
from isthmus.neutron.rows.overlaps import overlaps
from isthmus.neutron.state import agents, status, wishes
from isthmus.neutron.state.left_out import ports_left_out
from isthmus.neutron.state.status import Facts, Verdict
from isthmus.neutron.words import apidef
from isthmus.neutron.words.values import Cloud, Ref

EXACT_MAX = 20
"""Attachments of one BGPVPN that are computed."""

SERVED_VIFS = (portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER)
"""What is plugged into the integration bridge; anything else OVN does not deliver to."""

EXTERNAL = "it is an external network"


@dataclass(slots=True)
class _Read:
    """What the statements brought."""

    kept: Mapping[Feature, str]
    """What the backend does not serve, in words."""
    types: dict[str, str] = field(default_factory=dict)
    """Of BGPVPNs."""
    external: set[str] = field(default_factory=set)
    homes: dict[str, str] = field(default_factory=dict)
    behind: dict[str, set[str]] = field(default_factory=dict)
    """The networks that a router has an interface on."""
    revisions: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Revision and digest of attachments."""
    marked: set[str] = field(default_factory=set)
    """Attachments that the worker has still to write."""
    computed: set[str] = field(default_factory=set)
    """Attachments of which the wanted rows are looked at."""
    networks: dict[str, str] = field(default_factory=dict)
    """Of ports."""
    hosts: dict[str, set[str]] = field(default_factory=dict)
    """Host names by network, and by port where ports are served."""
    skipped: dict[str, tuple[bool, tuple[Skipped, ...]]] = field(default_factory=dict)
    """Of attachments: whether anything is served, and what is left out."""
    settled: dict[str, bool] = field(default_factory=dict)
    """Only where it was computed."""
    form: int = forms.OLDEST
    """Of the rows in OVN."""
    vpns: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Revision and digest of BGPVPNs that have a row of their own."""
    vpns_settled: dict[str, bool] = field(default_factory=dict)
    """Only where it was computed."""
    wishes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By association: what it asks for that is kept and not served."""
    overlaps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By association: what of it overlaps with something else in the BGPVPN."""
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By network: ports that no hypervisor serves."""


@db_api.retry_if_session_inactive()
def association_verdicts(
    context: Any, backend: Backend, cloud: Cloud, associations: Sequence[Ref], *, exact: bool
) -> dict[str, Verdict]:
    """The status of each of these associations, by id."""
    with db_api.CONTEXT_READER.using(context):
        facts = _facts(context.session, backend, cloud, associations, exact=exact)
    return _verdicts(facts)


@db_api.retry_if_session_inactive()
def bgpvpn_verdicts(
    context: Any, backend: Backend, cloud: Cloud, bgpvpns: Collection[str], *, exact: bool
) -> dict[str, Verdict]:
    """The status of each of these BGPVPNs, by id, from the associations that the caller may know of."""
    with db_api.CONTEXT_READER.using(context):
        members = _members(context, bgpvpns)
        facts = _facts(context.session, backend, cloud, members, exact=exact)
    verdicts = _verdicts(facts)
    found: dict[str, list[Verdict]] = {b: [] for b in bgpvpns}
    for ref in members:
        found[ref.bgpvpn].append(verdicts[ref.id])
    return {bgpvpn: status.bgpvpn_status(of) for bgpvpn, of in found.items()}


def _members(context: Any, bgpvpns: Collection[str]) -> list[Ref]:
    """A guest in a shared BGPVPN reads how its own associations stand, and nothing of others' subnets."""
    found: list[Ref] = []
    for kind, of in KINDS.items():
        table = of.table
        query: Any = sa.select(table.id, table.bgpvpn_id, of.target).where(table.bgpvpn_id.in_(bgpvpns))
        rows = context.session.execute(scoped(context, query, table))
        found += [Ref(i, kind, bgpvpn, to) for i, bgpvpn, to in rows]
    return found


def _facts(session: Any, backend: Backend, cloud: Cloud, refs: Sequence[Ref], *, exact: bool) -> dict[str, Facts]:
    if not refs:
        return {}
    read = _Read({f: kept(f) for f in Feature if backend.support(f) is not Support.SERVED})
    read.wishes = wishes.unserved(session, refs, read.kept)
    bgpvpns = {r.bgpvpn for r in refs}
    _read_bgpvpns(session, read, bgpvpns)
    read.overlaps = _overlaps(session, bgpvpns)
    ports = {r.target for r in refs if r.kind is AssociationKind.PORT} if Feature.PORTS not in read.kept else set[str]()
    read.networks = _networks_of_ports(session, ports)
    networks = {r.target for r in refs if r.kind is AssociationKind.NETWORK}.union(read.networks.values())
    routers = {r.target for r in refs if r.kind is AssociationKind.ROUTER}
    read.external = set(session.scalars(_external(networks)))
    read.homes = reading.homes(session, networks)
    for place in reading.places(session, routers=routers):
        read.behind.setdefault(place.router, set()).add(place.network)
    names = set(read.homes.values()) | {router_attachment(r) for r in routers}
    for router in reading.flavoured(session, reading.ids_of(names, "router")):
        read.skipped[router_attachment(router)] = (False, (Skipped("", Unserved.FLAVOUR),))
    overfull = _read_attachments(session, read, names)
    computed = names if exact and len(names) <= EXACT_MAX else overfull
    for network in reading.networks_of(session, reading.ids_of(names - computed, "network")).values():
        read.skipped[network_attachment(network.id)] = _left_out(network)
    read.form = forms.in_force(session)
    if read.form > 1:
        _read_vpns(session, read, bgpvpns, exact=exact)
    if computed:
        read.computed = set(computed)
        _compute(session, cloud, read, computed)
    everything = networks.union(*read.behind.values())
    read.left_out = ports_left_out(session, everything)
    read.hosts = _hosts(session, models_v2.Port.network_id, everything)
    read.hosts |= _hosts(session, models_v2.Port.id, ports)
    return {r.id: _of(r, read) for r in refs}


def _read_vpns(session: Any, read: _Read, bgpvpns: Collection[str], *, exact: bool) -> None:
    """Of BGPVPNs that have a row of their own: what was settled, and whether that is what it must be."""
    row, dirty = models.BgpvpnRow, models.Dirty
    query: Any = sa.select(row.bgpvpn_id, row.revision, row.digest, dirty.mark).outerjoin(
        dirty, dirty.attachment_id == sa.func.concat(vpns.PREFIX, row.bgpvpn_id)
    )
    for bgpvpn, revision, content, mark in session.execute(query.where(row.bgpvpn_id.in_(bgpvpns))):
        read.vpns[bgpvpn] = (revision, content)
        if mark is not None:
            read.marked.add(vpns.name_of(bgpvpn))
    if exact:
        read.vpns_settled = vpns.are_settled(session, read.vpns)


def _read_attachments(session: Any, read: _Read, names: Collection[str]) -> set[str]:
    """Those of which an association is left out: a list says so too."""
    table, dirty = models.Attachment, models.Dirty
    query: Any = sa.select(table.id, table.revision, table.digest, table.overfull, dirty.mark)
    overfull = set()
    for name, revision, content, too_much, mark in session.execute(
        query.outerjoin(dirty, dirty.attachment_id == table.id).where(table.id.in_(names))
    ):
        read.revisions[name] = (revision, content)
        if mark is not None:
            read.marked.add(name)
        if too_much:
            overfull.add(name)
    return overfull


def _external(networks: Collection[str]) -> Any:
    table = external_net.ExternalNetwork
    return sa.select(table.network_id).where(table.network_id.in_(networks))


def _read_bgpvpns(session: Any, read: _Read, bgpvpns: Collection[str]) -> None:
    table = models.Bgpvpn
    types: Any = sa.select(table.id, table.type).where(table.id.in_(bgpvpns))
    read.types = dict(session.execute(types).all())


def _overlaps(session: Any, bgpvpns: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The first of each association and how many more, told to the association's project."""
    found: dict[str, list[str]] = defaultdict(list)
    for pairs in overlaps(session, bgpvpns).values():
        for overlap in pairs:
            for claim in overlap:
                found[claim.association].append(overlap.told_to({claim.project}))
    more = {i: f"{len(told) - 1} more overlaps" for i, told in found.items() if len(told) > 1}
    return {i: (told[0], more[i]) if i in more else (told[0],) for i, told in found.items()}


def _compute(session: Any, cloud: Cloud, read: _Read, names: Collection[str]) -> None:
    """What is left out of each attachment, and whether OVN was told the last change."""
    found = reading.attachments(session, names, forms.numbered(read.form))
    for name in names:
        wanted = fitting(found.get(name), cloud, 0, read.form)
        if Skipped("", Unserved.NO_ASSOCIATION) in wanted.skipped:
            continue  # its number is being given out or taken back just now
        read.skipped[name] = (bool(wanted.rows), wanted.skipped)
        read.settled[name] = name in read.revisions and read.revisions[name][1] == digest(wanted)


def _left_out(network: Network) -> tuple[bool, tuple[Skipped, ...]]:
    """As `desired` says it, without the rows."""
    skipped = tuple(unserved(network.subnets))
    serves = len(skipped) < len(network.subnets)
    return serves, skipped if serves else (*skipped, Skipped("", Unserved.NO_SUBNET))


def _networks_of_ports(session: Any, ports: Collection[str]) -> dict[str, str]:
    table = models_v2.Port
    query: Any = sa.select(table.id, table.network_id).where(table.id.in_(ports))
    return dict(session.execute(query).all()) if ports else {}


def _hosts(session: Any, of: Any, ids: Collection[str]) -> dict[str, set[str]]:
    """The hosts where a port is bound and up that OVN delivers to; `of` says whether `ids` are ports or networks."""
    if not ids:
        return {}
    port, binding, allocation = models_v2.Port, ml2.PortBinding, models_v2.IPAllocation
    query: Any = (
        sa.select(of, binding.host)
        .join(binding, binding.port_id == port.id)
        .where(
            of.in_(ids),
            port.status == constants.PORT_STATUS_ACTIVE,
            sa.not_(port.device_owner.startswith(constants.DEVICE_OWNER_NETWORK_PREFIX)),
            binding.status == constants.ACTIVE,
            binding.host != "",
            binding.vif_type.in_(SERVED_VIFS),
            sa.exists().where(allocation.port_id == port.id),
        )
        .distinct()
    )
    found: dict[str, set[str]] = defaultdict(set)
    for what, host in session.execute(query):
        found[what].add(host)
    return found


def _of(ref: Ref, read: _Read) -> Facts:
    """One association's."""
    if words := _unserved(ref, read):
        return Facts("", ref.bgpvpn, 0, (), unserved=words)
    if ref.kind is AssociationKind.ROUTER:
        name, networks = router_attachment(ref.target), read.behind.get(ref.target, set())
    else:  # a port's hosts are found by its own id; one that has gone since the list was read has no network
        name, networks = read.homes.get(read.networks.get(ref.target, ref.target), ""), {ref.target}
    serves, skipped = read.skipped.get(name, (bool(networks), ()))
    for why in LEFT_OUT:
        if Skipped(ref.id, why) in skipped:
            return Facts(name, ref.bgpvpn, 0, (), unserved=why.value)
    skipped = tuple(s for s in skipped if s.why not in LEFT_OUT)  # others' associations
    if len(networks) == 1:  # as nearly always, and lists are long
        hosts: Collection[str] = read.hosts.get(next(iter(networks)), ())
    else:
        hosts = set[str]().union(*(read.hosts.get(n, ()) for n in networks))
    nothing = "" if serves else "; ".join(status.left_out(s) for s in skipped) or Unserved.NO_INTERFACE.value
    settled = read.settled.get(name, name in read.revisions and name not in read.computed) and name not in read.marked
    settled = settled and read.vpns_settled.get(ref.bgpvpn, True) and vpns.name_of(ref.bgpvpn) not in read.marked
    missing = (sentence for n in sorted(networks) for sentence in read.left_out.get(n, ()))
    notes = (*read.wishes.get(ref.id, ()), *read.overlaps.get(ref.id, ()), *missing)
    revision = max(read.revisions.get(name, (0, ""))[0], read.vpns.get(ref.bgpvpn, (0, ""))[0])
    return Facts(name, ref.bgpvpn, revision, hosts, settled, nothing, skipped, notes)


def _unserved(ref: Ref, read: _Read) -> str:
    """Why nothing of such an association is forwarded."""
    if ref.kind is AssociationKind.PORT and Feature.PORTS in read.kept:
        return read.kept[Feature.PORTS]
    if read.types.get(ref.bgpvpn) == apidef.L2 and Feature.L2 in read.kept:
        return read.kept[Feature.L2]
    return EXTERNAL if ref.target in read.external else ""


def kept(feature: Feature) -> str:
    return f"{feature.value} is kept, but nothing forwards accordingly yet"


def _verdicts(facts: Mapping[str, Facts]) -> dict[str, Verdict]:
    known = _Known(agents.ask(set[str]().union(*(f.hosts for f in facts.values()))) if facts else {})
    return {
        i: status.association_status(
            of, [status.host_status(host, known.pe(host, of.attachment), of) for host in of.hosts]
        )
        for i, of in facts.items()
    }


class _Known:
    """What agents report, each report read once."""

    def __init__(self, rows: Mapping[str, agents.Row]) -> None:
        self._rows = rows
        self._agents: dict[str, Any] = {host: row.agent for host, row in rows.items()}
        self._pes: dict[tuple[str, str], status.Pe | None] = {}

    def pe(self, host: str, attachment: str) -> status.Pe | None:
        key = (host, attachment)
        if key not in self._pes:
            row = self._rows.get(host)
            said = None if row is None else status.Pe(row.alive, self._agents[host], row.attachment(attachment))
            self._pes[key] = said
        return self._pes[key]
