"""What every answer and every list request of the API has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from neutron_lib import exceptions
from oslo_policy import policy as oslo_policy

from isthmus.neutron.rows.columns import TAG_FILTERS
from isthmus.neutron.rows.paging import Listing
from isthmus.neutron.words import apidef
from isthmus.neutron.words.values import Bgpvpn, Standard
from neutron import policy

_TAGS = "tags"
_PROJECT = ("project_id", "tenant_id")
_GUARDED = (*apidef.GUARDED_ATTRIBUTES, *apidef.STATUS_ADMIN_ATTRIBUTES, _TAGS)


def listing(
    filters: Any, sorts: Any = None, limit: Any = None, marker: Any = None, page_reverse: Any = False
) -> Listing:
    """What Neutron's API layer makes of a query, as a value."""
    return Listing(filters or {}, sorts or (), limit, marker, bool(page_reverse))


def readable(context: Any, asked: Listing) -> Listing:
    """Filtering or sorting by what one must not see would tell it. Raises what Neutron answers 403.

    By what one sees of one's own BGPVPNs only, not of those that others share, the former only are searched. Whose a
    shared one is belongs to that; which are one's own one knows.
    """
    used = {*asked.filters, *(key for key, _ascending in asked.sorts)}
    used |= {_TAGS} if used & set(TAG_FILTERS) else set()
    guarded = [attribute for attribute in _GUARDED if attribute in used]
    hidden = _hidden(context, context.project_id, False, guarded)
    if hidden:
        raise oslo_policy.PolicyNotAuthorized(f"get_bgpvpn:{hidden[0]}", {}, {})
    if used & set(_PROJECT):
        guarded.append("project_id")
    if _hidden(context, "", True, guarded):
        own = {context.project_id}
        for key in _PROJECT:
            own &= set(asked.filters.get(key, own))
        return replace(asked, filters={**asked.filters, "project_id": sorted(own)})
    return asked


def without_hidden(context: Any, found: Sequence[Bgpvpn], answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers without what the caller must not see. Neutron looks at the first of a list and treats the others
    like it; here, some may be the caller's own and some shared by others."""
    kinds = {(value.project_id, value.shared) for value in found}
    if context.is_admin or len(kinds) < 2:
        return list(answers)
    hidden = {kind: set(_hidden(context, *kind, _GUARDED)) for kind in kinds}
    return [
        {name: said for name, said in answer.items() if name not in hidden[value.project_id, value.shared]}
        for value, answer in zip(found, answers, strict=True)
    ]


def _hidden(context: Any, project: str, shared: bool, attributes: Sequence[str]) -> list[str]:
    """Which of the attributes the caller must not see of the project's BGPVPNs; `shared` with the caller."""
    target = {"project_id": project, "tenant_id": project, apidef.SHARED: shared}
    return [a for a in attributes if not policy.check(context, f"get_bgpvpn:{a}", target)]


def may_choose_any(context: Any) -> bool:
    """Whether the caller may name any number, not only what its project has."""
    return bool(policy.check(context, "bgpvpn_any_number", {"project_id": context.project_id}))


def text(attribute: str, value: Any) -> str:
    """`description` is Neutron's own attribute, whose check lets through what the database refuses."""
    broken = apidef.text_rule(value)
    if broken:
        raise exceptions.InvalidInput(error_message=f"{attribute}: {broken}")
    return str(value)


def standard_attributes(value: Standard) -> dict[str, Any]:
    return {
        "description": value.description,
        "revision_number": value.revision_number,
        "created_at": _time(value.created_at),
        "updated_at": _time(value.updated_at),
    }


def _time(value: Any) -> str | None:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
