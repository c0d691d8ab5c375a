"""The door to Neutron: one base class, its dicts in and out, nothing else.

Each call is: dict to values, one function of store.py, hand the attachments concerned to the reconciler, values to
dict. Method names and argument orders are what Neutron's API layer derives from the resource names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from neutron.api import extensions as neutron_extensions
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.db import utils as db_utils
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory
from neutron_lib.services import base
from oslo_config import cfg
from oslo_policy import policy as oslo_policy

from isthmus.model.intent import AssociationKind
from isthmus.neutron import apidef, conf, extensions, store
from isthmus.neutron.hooks import Hooks
from isthmus.neutron.northbound import Northbound, Unavailable
from isthmus.neutron.paging import Listing
from isthmus.neutron.reconciler import Reconciler
from isthmus.neutron.worker import ReconcileWorker
from neutron import policy

neutron_extensions.append_api_extensions_path([str(Path(extensions.__file__).parent)])

_TEXTS = ("name", "description")
_NETWORK, _ROUTER = AssociationKind.NETWORK, AssociationKind.ROUTER


class BGPVPNPlugin(base.ServicePluginBase):
    """The service plugin `bgpvpn`."""

    supported_extension_aliases: ClassVar = [apidef.ALIAS, apidef.VNI_ALIAS]
    path_prefix = apidef.PATH_PREFIX
    __native_pagination_support = True
    __native_sorting_support = True

    def __init__(self) -> None:
        super().__init__()
        self._settings = conf.read(cfg.CONF)
        self._reconciler = Reconciler(Northbound(_northbound), self._settings)
        self._hooks = Hooks(self._reconciler)

    @classmethod
    def get_plugin_type(cls) -> str:
        return apidef.ALIAS

    def get_plugin_description(self) -> str:
        return "BGP VPNs: every hypervisor a provider edge (Isthmus)"

    def get_workers(self) -> list[Any]:
        return [ReconcileWorker(self._settings)]

    # -------------------------------------------------------------------------------------------- BGPVPNs

    def get_bgpvpns(self, context: Any, filters: Any = None, fields: Any = None, **paging: Any) -> list[dict[str, Any]]:
        listing = _listing(filters, **paging)
        _check_readable(context, [*listing.filters, *(key for key, _ascending in listing.sorts)])
        return [_bgpvpn(b, fields) for b in store.list_bgpvpns(context, listing)]

    def get_bgpvpn(self, context: Any, id: str, fields: Any = None) -> dict[str, Any]:
        return _bgpvpn(store.get_bgpvpn(context, id), fields)

    def create_bgpvpn(self, context: Any, bgpvpn: Any) -> dict[str, Any]:
        return self._create_bgpvpns(context, [bgpvpn])[0]

    def create_bgpvpn_bulk(self, context: Any, bgpvpns: Any) -> list[dict[str, Any]]:
        return self._create_bgpvpns(context, bgpvpns[apidef.BGPVPNS])

    def update_bgpvpn(self, context: Any, id: str, bgpvpn: Any) -> dict[str, Any]:
        body = bgpvpn[apidef.BGPVPN]
        texts = {key: _text(key, body[key]) for key in _TEXTS if key in body}
        lists = {key: body[key] for key in apidef.TARGET_LISTS if key in body}
        changed, attachments = store.update_bgpvpn(context, id, texts, lists)
        self._reconciler.deliver(attachments)
        return _bgpvpn(changed)

    def delete_bgpvpn(self, context: Any, id: str) -> None:
        self._reconciler.deliver(store.delete_bgpvpn(context, id))

    def _create_bgpvpns(self, context: Any, bodies: Sequence[Any]) -> list[dict[str, Any]]:
        news = [_new_bgpvpn(body[apidef.BGPVPN]) for body in bodies]
        return [_bgpvpn(b) for b in store.create_bgpvpns(context, news, self._settings)]

    # -------------------------------------------------------------------------------------------- network associations

    def get_bgpvpn_network_associations(
        self, context: Any, bgpvpn_id: str, filters: Any = None, fields: Any = None, **paging: Any
    ) -> list[dict[str, Any]]:
        return _associations(context, _NETWORK, bgpvpn_id, filters, fields, paging)

    def get_bgpvpn_network_association(
        self, context: Any, id: str, bgpvpn_id: str, fields: Any = None
    ) -> dict[str, Any]:
        return _association(_NETWORK, store.get_association(context, _NETWORK, bgpvpn_id, id), fields)

    def create_bgpvpn_network_association(
        self, context: Any, bgpvpn_id: str, network_association: Any
    ) -> dict[str, Any]:
        return self._associate(context, _NETWORK, bgpvpn_id, [network_association])[0]

    def create_bgpvpn_network_association_bulk(
        self, context: Any, bgpvpn_id: str, network_associations: Any
    ) -> list[dict[str, Any]]:
        bodies = network_associations[apidef.NETWORK_ASSOCIATIONS]
        return self._associate(context, _NETWORK, bgpvpn_id, bodies)

    def update_bgpvpn_network_association(
        self, context: Any, id: str, bgpvpn_id: str, network_association: Any
    ) -> dict[str, Any]:
        """Nothing of it can be changed; what is not changed is answered as it is."""
        return self.get_bgpvpn_network_association(context, id, bgpvpn_id)

    def delete_bgpvpn_network_association(self, context: Any, id: str, bgpvpn_id: str) -> None:
        self._reconciler.deliver(store.delete_association(context, _NETWORK, bgpvpn_id, id))

    # -------------------------------------------------------------------------------------------- router associations

    def get_bgpvpn_router_associations(
        self, context: Any, bgpvpn_id: str, filters: Any = None, fields: Any = None, **paging: Any
    ) -> list[dict[str, Any]]:
        return _associations(context, _ROUTER, bgpvpn_id, filters, fields, paging)

    def get_bgpvpn_router_association(
        self, context: Any, id: str, bgpvpn_id: str, fields: Any = None
    ) -> dict[str, Any]:
        return _association(_ROUTER, store.get_association(context, _ROUTER, bgpvpn_id, id), fields)

    def create_bgpvpn_router_association(self, context: Any, bgpvpn_id: str, router_association: Any) -> dict[str, Any]:
        return self._associate(context, _ROUTER, bgpvpn_id, [router_association])[0]

    def create_bgpvpn_router_association_bulk(
        self, context: Any, bgpvpn_id: str, router_associations: Any
    ) -> list[dict[str, Any]]:
        bodies = router_associations[apidef.ROUTER_ASSOCIATIONS]
        return self._associate(context, _ROUTER, bgpvpn_id, bodies)

    def update_bgpvpn_router_association(
        self, context: Any, id: str, bgpvpn_id: str, router_association: Any
    ) -> dict[str, Any]:
        wanted = router_association[apidef.ROUTER_ASSOCIATION].get("advertise_extra_routes")
        return _association(_ROUTER, store.update_router_association(context, bgpvpn_id, id, wanted))

    def delete_bgpvpn_router_association(self, context: Any, id: str, bgpvpn_id: str) -> None:
        self._reconciler.deliver(store.delete_association(context, _ROUTER, bgpvpn_id, id))

    def _associate(
        self, context: Any, kind: AssociationKind, bgpvpn_id: str, bodies: Sequence[Any]
    ) -> list[dict[str, Any]]:
        news = [_new_association(context, kind, bgpvpn_id, body[f"{kind.value}_association"]) for body in bodies]
        made, attachments = store.create_associations(context, news)
        self._reconciler.deliver(attachments)
        return [_association(kind, association) for association in made]


def _northbound() -> Any:
    """Neutron's own connection, once its driver has made it."""
    driver = directory.get_plugin().mechanism_manager.mech_drivers.get("ovn")
    if driver is None or driver.obj.nb_ovn is None:
        raise Unavailable("ML2/OVN is not connected to the northbound database")
    return driver.obj.nb_ovn


def _listing(
    filters: Any, sorts: Any = None, limit: Any = None, marker: Any = None, page_reverse: Any = False
) -> Listing:
    return Listing(filters or {}, sorts or (), limit, marker, bool(page_reverse))


def _check_readable(context: Any, attributes: Sequence[str]) -> None:
    """Filtering or sorting by what one must not see would tell it."""
    for attribute in attributes:
        action = f"get_bgpvpn:{attribute}"
        if attribute in apidef.ADMIN_ATTRIBUTES and not policy.check(
            context, action, {"project_id": context.project_id}
        ):
            raise oslo_policy.PolicyNotAuthorized(action, {}, {})


def _text(attribute: str, value: Any) -> str:
    """`description` is Neutron's own attribute, whose check lets through what the database refuses."""
    broken = apidef.text_rule(value)
    if broken:
        raise neutron_exceptions.InvalidInput(error_message=f"{attribute}: {broken}")
    return str(value)


def _new_bgpvpn(body: Mapping[str, Any]) -> store.NewBgpvpn:
    return store.NewBgpvpn(
        project_id=body["project_id"],
        name=body["name"],
        type=body["type"],
        lists={kind: body[kind] for kind in apidef.TARGET_LISTS},
        vni=body["vni"],
        description=_text("description", body.get("description") or ""),
    )


def _new_association(
    context: Any, kind: AssociationKind, bgpvpn_id: str, body: Mapping[str, Any]
) -> store.NewAssociation:
    target = body[f"{kind.value}_id"]
    return store.NewAssociation(
        kind,
        bgpvpn_id,
        body["project_id"],
        target,
        _owner(context, kind, target),
        body.get("advertise_extra_routes", True),
    )


def _owner(context: Any, kind: AssociationKind, target: str) -> str:
    """The project of the network or router. Raises Neutron's own NetworkNotFound, RouterNotFound."""
    if kind is _NETWORK:
        found = directory.get_plugin().get_network(context, target, fields=["project_id", "tenant_id"])
    else:
        l3_plugin = directory.get_plugin(plugin_constants.L3)
        found = l3_plugin.get_router(context, target, fields=["project_id", "tenant_id"])
    return str(found["project_id"])


def _bgpvpn(value: store.Bgpvpn, fields: Any = None) -> dict[str, Any]:
    shown = {
        "id": value.id,
        "project_id": value.project_id,
        "tenant_id": value.project_id,
        "name": value.name,
        "type": value.type,
        **{kind: list(values) for kind, values in value.lists.items()},
        "vni": value.vni,
        "networks": list(value.networks),
        "routers": list(value.routers),
        "description": value.description,
        "revision_number": value.revision_number,
        "created_at": _time(value.created_at),
        "updated_at": _time(value.updated_at),
    }
    return dict(db_utils.resource_fields(shown, fields))


def _time(value: Any) -> str | None:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def _associations(
    context: Any, kind: AssociationKind, bgpvpn_id: str, filters: Any, fields: Any, paging: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found = store.list_associations(context, kind, bgpvpn_id, _listing(filters, **paging))
    return [_association(kind, association, fields) for association in found]


def _association(kind: AssociationKind, value: store.Association, fields: Any = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": value.id,
        "project_id": value.project_id,
        "tenant_id": value.project_id,
        f"{kind.value}_id": value.target,
    }
    if kind is _ROUTER:
        shown["advertise_extra_routes"] = value.advertise_extra_routes
    return dict(db_utils.resource_fields(shown, fields))
