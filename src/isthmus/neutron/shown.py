"""What every answer and every list request of the API has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neutron_lib import exceptions
from oslo_policy import policy as oslo_policy

from isthmus.neutron import apidef
from isthmus.neutron.paging import Listing
from isthmus.neutron.values import Standard
from neutron import policy


def listing(
    filters: Any, sorts: Any = None, limit: Any = None, marker: Any = None, page_reverse: Any = False
) -> Listing:
    """What Neutron's API layer makes of a query, as a value."""
    return Listing(filters or {}, sorts or (), limit, marker, bool(page_reverse))


def check_readable(context: Any, attributes: Sequence[str]) -> None:
    """Filtering or sorting by what one must not see would tell it. Raises what Neutron answers 403."""
    for attribute in attributes:
        action = f"get_bgpvpn:{attribute}"
        target = {"project_id": context.project_id}
        if attribute in apidef.ADMIN_ATTRIBUTES and not policy.check(context, action, target):
            raise oslo_policy.PolicyNotAuthorized(action, {}, {})


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
