"""Carrying out the import: everything is read, planned and written in one transaction, or nothing is.

Ids, projects, names, descriptions, times and revisions stay. Each object gets a row of its own in Neutron's
`standardattributes`: theirs go with their objects, so the way back stays open. Quotas and the ranges of projects do
not hold anything up: these BGPVPNs are in use already.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib.db import api as db_api

from isthmus.model.intent import AssociationKind
from isthmus.neutron.attachments import reading, settling
from isthmus.neutron.attachments.desired import router_attachment
from isthmus.neutron.commands.upstream import contents, plan
from isthmus.neutron.commands.upstream.contents import Association, Bgpvpn, Contents
from isthmus.neutron.rows import forms, making, models, numbers, port_routes
from isthmus.neutron.rows.finding import KINDS
from isthmus.neutron.words import apidef
from isthmus.neutron.words.conf import BadConfiguration, Settings


@db_api.retry_if_session_inactive()
def look(context: Any, drop_shared_vnis: bool, settings: Settings) -> plan.Plan:
    """What an import would do: it is done, and taken back. Raises what `carry_out` would."""
    try:
        with db_api.CONTEXT_WRITER.using(context):
            raise _TakenBack(_carry_out(context.session, drop_shared_vnis, settings))
    except _TakenBack as done:
        return done.plan


@db_api.retry_if_session_inactive()
def carry_out(context: Any, drop_shared_vnis: bool, settings: Settings) -> plan.Plan:
    """The same, done. Raises what the API answers when numbers run out or a router's BGPVPNs pass one row's size."""
    with db_api.CONTEXT_WRITER.using(context):
        return _carry_out(context.session, drop_shared_vnis, settings)


class _TakenBack(Exception):
    """Ends a transaction that must leave nothing."""

    def __init__(self, made: plan.Plan) -> None:
        super().__init__()
        self.plan = made


def _carry_out(session: Any, drop_shared_vnis: bool, settings: Settings) -> plan.Plan:
    made = _planned(session, drop_shared_vnis)
    # A chosen VNI is taken before any is given out: the cloud's range may hold it.
    for bgpvpn in sorted(made.bgpvpns, key=lambda b: b.vni is None):
        _add_bgpvpn(session, bgpvpn, settings)
    for association in made.associations:
        _add_association(session, association)
    attachments = _attachments(session, made.associations)
    settling.renumber(session, attachments, forms.numbered(forms.in_force(session)))
    settling.check_sizes(session, attachments)
    return made


def _planned(session: Any, drop_shared_vnis: bool) -> plan.Plan:
    if not sa.inspect(session.connection()).has_table(contents.THEIR_BGPVPNS):
        raise BadConfiguration("the database has no tables of networking-bgpvpn: there is nothing to import")
    theirs, ours = contents.theirs(session), contents.ours(session)
    around = _surroundings(session, theirs, ours)
    if drop_shared_vnis:
        theirs = plan.without_shared_vnis(theirs, around.taken)
    return plan.plan(theirs, ours, around)


def _surroundings(session: Any, theirs: Contents, ours: Contents) -> plan.Surroundings:
    every = [*theirs.associations.values(), *ours.associations.values()]
    targets = {kind: {a.target for a in every if a.kind is kind} for kind in AssociationKind}
    networks = _networks_of(session, targets[AssociationKind.PORT])
    behind: dict[str, set[str]] = {}
    routers = targets[AssociationKind.ROUTER]
    for place in reading.places(session, routers=routers, networks=targets[AssociationKind.NETWORK]):
        behind.setdefault(place.router, set()).add(place.network)
    near = targets[AssociationKind.NETWORK] | set(networks.values()).union(*behind.values())
    vnis: Any = sa.select(models.Vni.vni, models.Vni.bgpvpn_id)
    return plan.Surroundings(
        behind={router: frozenset(found) for router, found in behind.items()},
        networks=networks,
        unserved=reading.centralised(session, near),
        taken=dict(session.execute(vnis).all()),
    )


def _networks_of(session: Any, ports: Collection[str]) -> dict[str, str]:
    table = models_v2.Port
    return dict(session.execute(sa.select(table.id, table.network_id).where(table.id.in_(ports))).all())


def _add_bgpvpn(session: Any, bgpvpn: Bgpvpn, settings: Settings) -> None:
    making.insert(
        session,
        models.Bgpvpn,
        bgpvpn.standard,
        id=bgpvpn.id,
        project_id=bgpvpn.project_id,
        name=bgpvpn.name,
        type=bgpvpn.type,
        local_pref=bgpvpn.local_pref,
    )
    rows = [
        {"bgpvpn_id": bgpvpn.id, "kind": kind, "value": value, "position": position}
        for kind in apidef.TARGET_LISTS
        for position, value in enumerate(bgpvpn.lists[kind])
    ]
    if rows:
        session.execute(sa.insert(models.Target), rows)
    named = {value for kind in apidef.TARGET_LISTS if kind != numbers.DISTINGUISHERS for value in bgpvpn.lists[kind]}
    numbers.use_targets(session, bgpvpn.project_id or "", named, settings.route_targets)
    low, high, rest = settings.vni_min, settings.vni_max, settings.number_rest_s
    numbers.claim_vni(session, bgpvpn.id, bgpvpn.vni, low, high, rest_s=rest)


def _add_association(session: Any, association: Association) -> None:
    flags = {
        flag: value
        for flag in ("advertise_extra_routes", "advertise_fixed_ips")
        if (value := getattr(association, flag)) is not None
    }
    making.insert(
        session,
        KINDS[association.kind].table,
        association.standard,
        id=association.id,
        project_id=association.project_id,
        bgpvpn_id=association.bgpvpn,
        **{f"{association.kind.value}_id": association.target},
        **flags,
    )
    if association.routes:
        port_routes.write(session, association.id, association.routes)


def _attachments(session: Any, associations: Collection[Association]) -> set[str]:
    targets = {kind: {a.target for a in associations if a.kind is kind} for kind in AssociationKind}
    networks = targets[AssociationKind.NETWORK] | set(_networks_of(session, targets[AssociationKind.PORT]).values())
    homes = set(reading.homes(session, networks).values()) if networks else set()
    return homes | {router_attachment(router) for router in targets[AssociationKind.ROUTER]}
