"""Sharing BGPVPNs by Neutron's own `/v2.0/rbac-policies`: object type `bgpvpn`, action `access_as_shared`.

Neutron finds the type by its classes, keeps the policies and asks the roles. What is ours: only the BGPVPN's owner and
an administrator share it, and a policy stays as long as associations of its target rely on it. The latter is looked
at in the transaction that takes the policy away or gives it to somebody else; an association locks the policy that it
relies on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron.extensions import rbac as neutron_rbac
from neutron.objects import base, rbac
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as db_api

from isthmus.neutron.rows import finding, models
from isthmus.neutron.words import apidef


@base.NeutronObjectRegistry.register
class BgpvpnRbac(rbac.RBACBaseObject):
    """An RBAC policy as Neutron handles it."""

    VERSION = "1.1"
    db_model = models.BgpvpnRbac


def serve() -> None:
    """From now on what this module says of policies holds in this process."""
    for event in (events.BEFORE_CREATE, events.BEFORE_UPDATE):
        registry.subscribe(check_owner, resources.RBAC_POLICY, event)
    sa.event.listen(models.BgpvpnRbac, "before_update", _before_update)
    sa.event.listen(models.BgpvpnRbac, "before_delete", _before_delete)


def check_owner(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """Neutron answers 400 with what this raises when a policy is made, 409 when it is changed."""
    if payload.metadata["object_type"] != apidef.BGPVPN:
        return
    context = payload.context
    policy = payload.request_body if event == events.BEFORE_CREATE else payload.latest_state
    with db_api.CONTEXT_READER.using(context):
        found = finding.find_bgpvpn(context, policy["object_id"])
        if not context.is_admin and found.project_id != context.project_id:
            raise neutron_exceptions.InvalidInput(
                error_message="only its owner and an administrator can share a BGPVPN"
            )


def _before_update(mapper: Any, connection: Any, policy: Any) -> None:
    _check_unused(connection, policy, {policy.target_project})


def _before_delete(mapper: Any, connection: Any, policy: Any) -> None:
    _check_unused(connection, policy, set())


def _check_unused(connection: Any, policy: Any, instead: set[str]) -> None:
    """`instead` are the targets that the policy has from now on. Raises RbacPolicyInUse (409)."""
    table = models.BgpvpnRbac
    others: Any = sa.select(table.id, table.target_project).where(table.object_id == policy.object_id)
    targets = {target for key, target in connection.execute(others.with_for_update()) if key != policy.id} | instead
    if finding.EVERYBODY not in targets and _users(connection, policy.object_id) - targets:
        raise neutron_rbac.RbacPolicyInUse(
            object_id=policy.object_id, details="associations of other projects with the BGPVPN rely on it"
        )


def _users(connection: Any, bgpvpn: str) -> set[str]:
    """The projects other than the owner's that have associated something, as the database has it now."""
    found: set[str] = set()
    for kind in finding.KINDS.values():
        query: Any = sa.select(kind.table.project_id).where(kind.table.bgpvpn_id == bgpvpn)
        found |= set(connection.scalars(query.with_for_update(read=True)))
    owner: Any = sa.select(models.Bgpvpn.project_id).where(models.Bgpvpn.id == bgpvpn)
    return found - {connection.scalar(owner)}
