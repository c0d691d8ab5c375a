"""The requests about associations, the same for every kind: Neutron derives the method names from the kind.

`serve` gives a plugin the methods; each is: dict to values, one function of the store, hand the attachments concerned
to the backend, values to dict.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from neutron.db import models_v2
from neutron.db.models import l3
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.db import api as db_api
from neutron_lib.db import model_query
from neutron_lib.db import utils as db_utils
from neutron_lib.exceptions import l3 as l3_exceptions

from isthmus.model.intent import AssociationKind
from isthmus.neutron.api.shown import listing, standard_attributes, text
from isthmus.neutron.attachments import backend
from isthmus.neutron.attachments.backend import Backend, Feature
from isthmus.neutron.rows import port_routes
from isthmus.neutron.state.statuses import Statuses, Verdicts, unlimited
from isthmus.neutron.store import associations as store
from isthmus.neutron.words import apidef
from isthmus.neutron.words.conf import Overlapping
from isthmus.neutron.words.values import AnyAssociation, Association, AssociationChange, NewAssociation


def serve(plugin: Any, behind: Backend, statuses: Statuses, overlapping: Overlapping) -> None:
    """Give the plugin the methods for every kind, under the names that Neutron's API layer calls."""
    for kind in AssociationKind:
        requests = AssociationRequests(kind, behind, statuses, overlapping)
        resource = f"bgpvpn_{kind.value}_association"
        methods: dict[str, Callable[..., Any]] = {
            f"get_{resource}s": requests.index,
            f"get_{resource}": requests.show,
            f"create_{resource}": requests.create,
            f"create_{resource}_bulk": requests.create_bulk,
            f"update_{resource}": requests.update,
            f"delete_{resource}": requests.delete,
        }
        for name, method in methods.items():
            setattr(plugin, name, method)


class AssociationRequests:
    """The requests about the associations of one kind. Bodies come by keyword, under the resource's name."""

    def __init__(self, kind: AssociationKind, behind: Backend, statuses: Statuses, overlapping: Overlapping) -> None:
        self._kind, self._backend, self._statuses, self._overlapping = kind, behind, statuses, overlapping
        self._resource = f"{kind.value}_association"

    def index(
        self, context: Any, bgpvpn_id: str, filters: Any = None, fields: Any = None, **paging: Any
    ) -> list[dict[str, Any]]:
        asked = listing(filters, **paging)
        found = store.list_associations(context, self._kind, bgpvpn_id, unlimited(asked))
        found, known = self._statuses.associations_of(context, asked, found)
        return self._answers(context, found, fields, known=known)

    def show(self, context: Any, id: str, bgpvpn_id: str, fields: Any = None) -> dict[str, Any]:
        found = store.get_association(context, self._kind, bgpvpn_id, id)
        return self._answers(context, [found], fields, exact=True)[0]

    def create(self, context: Any, bgpvpn_id: str, **body: Any) -> dict[str, Any]:
        return self._create(context, bgpvpn_id, [body[self._resource]])[0]

    def create_bulk(self, context: Any, bgpvpn_id: str, **body: Any) -> list[dict[str, Any]]:
        return self._create(context, bgpvpn_id, body[f"{self._resource}s"][f"{self._resource}s"])

    def update(self, context: Any, id: str, bgpvpn_id: str, **body: Any) -> dict[str, Any]:
        change = _change(body[self._resource][self._resource])
        backend.require(self._backend, _features(self._kind, change.routes, change.advertise_extra_routes))
        changed, attachments = store.update_association(context, self._kind, bgpvpn_id, id, change, self._overlapping)
        self._backend.changed(attachments)
        return self._answers(context, [changed])[0]

    def delete(self, context: Any, id: str, bgpvpn_id: str) -> None:
        self._backend.changed(store.delete_association(context, self._kind, bgpvpn_id, id))

    def _create(self, context: Any, bgpvpn_id: str, bodies: Sequence[Any]) -> list[dict[str, Any]]:
        news = tuple(_new(context, self._kind, bgpvpn_id, body[self._resource]) for body in bodies)
        for new in news:
            backend.require(self._backend, _features(self._kind, new.routes, new.advertise_extra_routes))
        made, attachments = store.create_associations(context, news, self._overlapping, self._backend.at_once)
        self._backend.changed(attachments)
        return self._answers(context, made)

    def _answers(
        self,
        context: Any,
        found: Sequence[Association],
        fields: Any = None,
        *,
        exact: bool = False,
        known: Verdicts | None = None,
    ) -> list[dict[str, Any]]:
        answers = [shown(a, fields) for a in found]
        return self._statuses.associations(context, found, answers, fields, exact=exact, known=known)


def _features(kind: AssociationKind, routes: Collection[Any] | None, extra_routes: bool | None) -> list[Feature]:
    """What such an association asks of the backend beyond the ordinary."""
    match kind:
        case AssociationKind.NETWORK:
            return []
        case AssociationKind.ROUTER:
            return [Feature.EXTRA_ROUTES] if extra_routes else []
        case AssociationKind.PORT:
            return [Feature.PORTS, *([Feature.PORT_ROUTES] if routes else [])]


def _new(context: Any, kind: AssociationKind, bgpvpn_id: str, body: Mapping[str, Any]) -> NewAssociation:
    target, owner = _target(context, kind, body[f"{kind.value}_id"])
    return NewAssociation(
        kind=kind,
        bgpvpn=bgpvpn_id,
        project_id=body["project_id"],
        target=target,
        owner=owner,
        description=text("description", body.get("description") or ""),
        advertise_extra_routes=body.get("advertise_extra_routes", True),
        advertise_fixed_ips=body.get("advertise_fixed_ips", True),
        routes=port_routes.from_api(body.get("routes", [])),
    )


def _change(body: Mapping[str, Any]) -> AssociationChange:
    return AssociationChange(
        description=text("description", body["description"]) if "description" in body else None,
        advertise_extra_routes=body.get("advertise_extra_routes"),
        advertise_fixed_ips=body.get("advertise_fixed_ips"),
        routes=port_routes.from_api(body["routes"]) if "routes" in body else None,
    )


_TARGETS: Mapping[AssociationKind, tuple[Any, Callable[[str], Exception]]] = {
    AssociationKind.NETWORK: (models_v2.Network, lambda id: neutron_exceptions.NetworkNotFound(net_id=id)),
    AssociationKind.ROUTER: (l3.Router, lambda id: l3_exceptions.RouterNotFound(router_id=id)),
    AssociationKind.PORT: (models_v2.Port, lambda id: neutron_exceptions.PortNotFound(port_id=id)),
}


@db_api.retry_if_session_inactive()
def _target(context: Any, kind: AssociationKind, asked: str) -> tuple[str, str]:
    """Id (as Neutron spells it) and project of the network, router or port. Raises Neutron's own not found.

    By Neutron's own query, with its rules of who may see what; its plugins would read ten times as much beside.
    """
    model, missing = _TARGETS[kind]
    with db_api.CONTEXT_READER.using(context):
        query = model_query.query_with_hooks(context, model).filter(model.id == asked)
        found = query.with_entities(model.id, model.project_id).first()
    if found is None:
        raise missing(asked)
    return str(found.id), str(found.project_id)


def shown(value: Association, fields: Any = None) -> dict[str, Any]:
    """An association as the API answers it."""
    kind = value.kind
    answer: dict[str, Any] = {
        "id": value.id,
        "project_id": value.project_id,
        "tenant_id": value.project_id,
        f"{kind.value}_id": value.target,
        apidef.OWNER: value.bgpvpn_project_id,
        **standard_attributes(value.standard),
    }
    if kind is AssociationKind.ROUTER:
        answer["advertise_extra_routes"] = value.advertise_extra_routes
    if kind is AssociationKind.PORT:
        answer |= {"advertise_fixed_ips": value.advertise_fixed_ips, "routes": port_routes.to_api(value.routes)}
    return dict(db_utils.resource_fields(answer, fields))


def shown_line(value: AnyAssociation, fields: Any = None) -> dict[str, Any]:
    """An association's line in the collection of all of them."""
    answer = {
        "id": value.id,
        "project_id": value.project_id,
        "tenant_id": value.project_id,
        "bgpvpn_id": value.bgpvpn,
        apidef.OWNER: value.bgpvpn_project_id,
        "type": value.kind.value,
        "resource_id": value.target,
    }
    return dict(db_utils.resource_fields(answer, fields))


def index_all(
    context: Any, statuses: Statuses, filters: Any = None, fields: Any = None, **paging: Any
) -> list[dict[str, Any]]:
    """Associations of every kind and every BGPVPN."""
    asked = listing(filters, **paging)
    found, known = statuses.associations_of(context, asked, store.list_all(context, unlimited(asked)))
    return statuses.associations(context, found, [shown_line(line, fields) for line in found], fields, known=known)


def show_any(context: Any, statuses: Statuses, association: str, fields: Any = None) -> dict[str, Any]:
    found = store.get_any(context, association)
    return statuses.associations(context, [found], [shown_line(found, fields)], fields, exact=True)[0]
