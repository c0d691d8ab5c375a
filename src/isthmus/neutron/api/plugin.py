"""The door to Neutron: one base class, its dicts in and out, nothing else.

Each call is: dict to values, one function of the store, hand the attachments concerned to the backend, values to dict.
Method names and argument orders are what Neutron's API layer derives from the resource names; those of associations
are in association_api.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from neutron.api import extensions as neutron_extensions
from neutron_lib.db import utils as db_utils
from neutron_lib.services import base
from oslo_config import cfg

from isthmus.neutron.api import association_api, extensions, rbac
from isthmus.neutron.api.shown import listing, may_choose_any, readable, standard_attributes, text, without_hidden
from isthmus.neutron.attachments import backend
from isthmus.neutron.attachments.backend import Feature
from isthmus.neutron.callbacks.guard import Guard
from isthmus.neutron.callbacks.hooks import Hooks
from isthmus.neutron.callbacks.marks import Marks
from isthmus.neutron.rows import quotas
from isthmus.neutron.rows.targets import Choice
from isthmus.neutron.state import agents
from isthmus.neutron.state.status import EMPTY
from isthmus.neutron.state.statuses import Statuses, Verdicts, unlimited
from isthmus.neutron.store import bgpvpns as store
from isthmus.neutron.words import apidef, conf
from isthmus.neutron.words.values import Bgpvpn, NewBgpvpn

neutron_extensions.append_api_extensions_path([str(Path(extensions.__file__).parent)])

_TEXTS = ("name", "description")
_CHOICES = ("local_pref", "fallback", "families")


class BGPVPNPlugin(base.ServicePluginBase):
    """The service plugin `bgpvpn`."""

    supported_extension_aliases: ClassVar = [
        apidef.ALIAS,
        apidef.VNI_ALIAS,
        apidef.ROUTES_CONTROL_ALIAS,
        apidef.ASSOCIATIONS_ALIAS,
        apidef.STATUS_ALIAS,
        apidef.FALLBACK_ALIAS,
        apidef.FAMILIES_ALIAS,
        apidef.RBAC_ALIAS,
    ]
    path_prefix = apidef.PATH_PREFIX
    __native_bulk_support = True  # else Neutron makes them one by one and strips nothing from the answer
    __native_pagination_support = True
    __native_sorting_support = True

    def __init__(self) -> None:
        super().__init__()
        self._settings = conf.read(cfg.CONF)
        self._backend = backend.load(self._settings)
        quotas.register(self._settings)
        self._hooks = Hooks(self._backend)
        self._statuses = Statuses(self._backend, self._settings)
        self._watch = agents.Watch()
        association_api.serve(self, self._backend, self._statuses, self._settings.overlapping_subnets)
        self._guard = Guard(self._settings.overlapping_subnets)
        self._marks = Marks(self._backend.at_once)
        rbac.serve()

    @classmethod
    def get_plugin_type(cls) -> str:
        return apidef.ALIAS

    def get_plugin_description(self) -> str:
        return "BGP VPNs: every hypervisor a provider edge (Isthmus)"

    def get_workers(self) -> list[Any]:
        return self._backend.workers()

    def get_bgpvpns(self, context: Any, filters: Any = None, fields: Any = None, **paging: Any) -> list[dict[str, Any]]:
        asked = readable(context, listing(filters, **paging))
        found, known = self._statuses.bgpvpns_of(context, asked, store.list_bgpvpns(context, unlimited(asked)))
        return without_hidden(context, found, self._answers(context, found, fields, known=known))

    def get_bgpvpn(self, context: Any, id: str, fields: Any = None) -> dict[str, Any]:
        return self._answers(context, [store.get_bgpvpn(context, id)], fields, exact=True)[0]

    def create_bgpvpn(self, context: Any, bgpvpn: Any) -> dict[str, Any]:
        return self._create(context, [bgpvpn])[0]

    def create_bgpvpn_bulk(self, context: Any, bgpvpns: Any) -> list[dict[str, Any]]:
        return self._create(context, bgpvpns[apidef.BGPVPNS])

    def update_bgpvpn(self, context: Any, id: str, bgpvpn: Any) -> dict[str, Any]:
        body = bgpvpn[apidef.BGPVPN]
        backend.require(self._backend, _features(body))
        plain: dict[str, Any] = {key: text(key, body[key]) for key in _TEXTS if key in body}
        plain |= {key: body[key] for key in _CHOICES if key in body}
        lists = {key: body[key] for key in apidef.TARGET_LISTS if key in body}
        changed, attachments = store.update_bgpvpn(
            context, id, plain, lists, self._choice(context), self._backend.at_once
        )
        self._backend.changed(attachments)
        return self._answers(context, [changed])[0]

    def _choice(self, context: Any) -> Choice:
        return Choice(self._settings, may_choose_any(context))

    def delete_bgpvpn(self, context: Any, id: str) -> None:
        self._backend.changed(store.delete_bgpvpn(context, id, self._backend.at_once))

    def _create(self, context: Any, bodies: Sequence[Any]) -> list[dict[str, Any]]:
        asked = [body[apidef.BGPVPN] for body in bodies]
        for body in asked:
            backend.require(self._backend, _features(body))
        made = store.create_bgpvpns(context, tuple(_new(b) for b in asked), self._choice(context))
        return self._answers(context, made, known={b.id: EMPTY for b in made})

    def _answers(
        self,
        context: Any,
        found: Sequence[Bgpvpn],
        fields: Any = None,
        *,
        exact: bool = False,
        known: Verdicts | None = None,
    ) -> list[dict[str, Any]]:
        answers = [_shown(b, fields) for b in found]
        return self._statuses.bgpvpns(context, [b.id for b in found], answers, fields, exact=exact, known=known)

    def get_bgpvpn_associations(
        self, context: Any, filters: Any = None, fields: Any = None, **paging: Any
    ) -> list[dict[str, Any]]:
        return association_api.index_all(context, self._statuses, filters, fields, **paging)

    def get_bgpvpn_association(self, context: Any, id: str, fields: Any = None) -> dict[str, Any]:
        return association_api.show_any(context, self._statuses, id, fields)


def _features(body: Mapping[str, Any]) -> list[Feature]:
    """What the body asks of the backend beyond the ordinary."""
    wanted = {
        Feature.L2: body.get("type") == apidef.L2,
        Feature.ROUTE_DISTINGUISHERS: bool(body.get("route_distinguishers")),
        Feature.LOCAL_PREF: body.get("local_pref") is not None,
        Feature.FALLBACK: body.get("fallback") is not None,
        Feature.FAMILIES: body.get("families") is not None,
    }
    return [feature for feature, asked in wanted.items() if asked]


def _new(body: Mapping[str, Any]) -> NewBgpvpn:
    return NewBgpvpn(
        project_id=body["project_id"],
        name=body["name"],
        type=body["type"],
        lists={kind: body[kind] for kind in apidef.TARGET_LISTS},
        vni=None if body["vni"] == apidef.AUTO else body["vni"],
        vni_auto=body["vni"] == apidef.AUTO,
        local_pref=body["local_pref"],
        fallback=body["fallback"],
        families=body["families"],
        description=text("description", body.get("description") or ""),
    )


def _shown(value: Bgpvpn, fields: Any = None) -> dict[str, Any]:
    """A BGPVPN as the API answers it."""
    answer = {
        "id": value.id,
        "project_id": value.project_id,
        "tenant_id": value.project_id,
        "name": value.name,
        "type": value.type,
        **{kind: list(values) for kind, values in value.lists.items()},
        "vni": value.vni,
        "local_pref": value.local_pref,
        "fallback": value.fallback,
        "families": None if value.families is None else list(value.families),
        **{name: list(ids) for name, ids in value.members.items()},
        apidef.SHARED: value.shared,
        "tags": list(value.tags),
        **standard_attributes(value.standard),
    }
    return dict(db_utils.resource_fields(answer, fields))
