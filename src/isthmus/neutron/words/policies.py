"""Who may do what, by default: an administrator makes BGPVPNs and chooses their numbers, the owner uses them.

As networking-bgpvpn's rules, with the roles that Neutron itself uses now: a reader reads, a member associates; a
manager is a member of the project with no more rights here, as for Neutron's own networks, ports and RBAC policies.
A project with which a BGPVPN is shared reads it and associates what is its own; the BGPVPN's owner sees that and can
end it.
"""

from __future__ import annotations

from typing import Any

from neutron_lib.policy import rules
from oslo_policy import policy

from isthmus.neutron.words import apidef

_BGPVPNS = f"{apidef.PATH_PREFIX}/{apidef.BGPVPNS}"
_BGPVPN = _BGPVPNS + "/{id}"
SCOPES = ["project"]
SELF_SERVICE = "bgpvpn_self_service"
"""What other rules refer to: who is let do this makes BGPVPNs (docs/operator/self-service.md)."""
_IS_SHARED, _OF_OWNER = "shared_bgpvpn", "bgpvpn_owner"
_SHARED_READER = f"{rules.ADMIN_OR_PROJECT_READER} or (role:reader and rule:{_IS_SHARED})"
_OWNER_READER = f"{rules.ADMIN_OR_PROJECT_READER} or (role:reader and rule:{_OF_OWNER})"
_OWNER_MEMBER = f"{rules.ADMIN_OR_PROJECT_MEMBER} or (role:member and rule:{_OF_OWNER})"
_ASSOCIATIONS = (apidef.NETWORK_ASSOCIATION, apidef.ROUTER_ASSOCIATION, apidef.PORT_ASSOCIATION)


def _rule(name: str, check: str, description: str, *operations: tuple[str, str]) -> Any:
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=check,
        scope_types=SCOPES,
        description=description,
        operations=[{"method": method, "path": path} for method, path in operations],
    )


def _words() -> list[Any]:
    """What the other rules are made of."""
    return [
        policy.RuleDefault(
            _IS_SHARED,
            f"field:{apidef.BGPVPNS}:{apidef.SHARED}=True",
            "A BGPVPN that an RBAC policy shares with the project that asks",
        ),
        policy.RuleDefault(
            _OF_OWNER,
            f"project_id:%({apidef.OWNER})s",
            "An association with a BGPVPN of the project that asks, whoever made it",
        ),
    ]


def _bgpvpn_rules() -> list[Any]:
    show = (("GET", _BGPVPNS), ("GET", _BGPVPN))
    own = f"rule:{SELF_SERVICE}"
    found = [
        _rule("create_bgpvpn", own, "Create a BGPVPN", ("POST", _BGPVPNS)),
        _rule("get_bgpvpn", _SHARED_READER, "Show BGPVPNs", *show),
        _rule("update_bgpvpn", rules.ADMIN_OR_PROJECT_MEMBER, "Rename a BGPVPN", ("PUT", _BGPVPN)),
        _rule("delete_bgpvpn", own, "Delete a BGPVPN", ("DELETE", _BGPVPN)),
        _rule("get_bgpvpn:project_id", rules.ADMIN, "See the project that owns a BGPVPN", *show),
    ]
    for attribute in apidef.GUARDED_ATTRIBUTES:
        what, is_number = f"`{attribute}` of a BGPVPN", attribute in apidef.ADMIN_ATTRIBUTES
        giver, reader = (own, own) if is_number else (rules.ADMIN, _SHARED_READER)
        reader = rules.ADMIN if attribute in apidef.OPERATOR_ATTRIBUTES else reader
        found.append(_rule(f"create_bgpvpn:{attribute}", giver, f"Give {what} at its creation", ("POST", _BGPVPNS)))
        found.append(_rule(f"get_bgpvpn:{attribute}", reader, f"See, filter and sort by {what}", *show))
        if attribute != "vni":
            found.append(_rule(f"update_bgpvpn:{attribute}", giver, f"Change {what}", ("PUT", _BGPVPN)))
    return found


def _self_service_rules() -> list[Any]:
    writes = (("POST", _BGPVPNS), ("PUT", _BGPVPN))
    what = "Create and delete BGPVPNs; give, see and change their route targets, route distinguishers and VNIs"
    any_number = "Give any route target, route distinguisher and VNI, not only 'auto' and what the project has"
    return [
        _rule(SELF_SERVICE, rules.ADMIN, what, *writes, ("DELETE", _BGPVPN)),
        _rule("bgpvpn_any_number", rules.ADMIN, any_number, *writes),
    ]


def _association_rules(resource: str) -> list[Any]:
    collection = _BGPVPNS + "/{bgpvpn_id}/" + resource + "s"
    one, words = collection + "/{id}", resource.replace("_", " ")
    member, show = rules.ADMIN_OR_PROJECT_MEMBER, (("GET", collection), ("GET", one))
    return [
        _rule(f"create_bgpvpn_{resource}", member, f"Create a {words} of a BGPVPN", ("POST", collection)),
        _rule(f"get_bgpvpn_{resource}", _OWNER_READER, f"Show {words}s of a BGPVPN", *show),
        _rule(f"update_bgpvpn_{resource}", member, f"Update a {words} of a BGPVPN", ("PUT", one)),
        _rule(f"delete_bgpvpn_{resource}", _OWNER_MEMBER, f"Delete a {words} of a BGPVPN", ("DELETE", one)),
        _rule(f"get_bgpvpn_{resource}:project_id", _OWNER_READER, f"See the project that owns a {words}", *show),
    ]


def _line_rules() -> list[Any]:
    lines = f"{apidef.PATH_PREFIX}/{apidef.ANY_ASSOCIATIONS}"
    one, what = lines + "/{id}", "Show associations of every kind and every BGPVPN"
    return [_rule(f"get_{apidef.ANY_ASSOCIATION}", _OWNER_READER, what, ("GET", lines), ("GET", one))]


def _status_rules() -> list[Any]:
    """The words of `status` and `status_reason` name no hypervisor; the details do."""
    collections = {
        apidef.BGPVPN: _BGPVPNS,
        apidef.ANY_ASSOCIATION: f"{apidef.PATH_PREFIX}/{apidef.ANY_ASSOCIATIONS}",
    } | {f"bgpvpn_{kind}": f"{_BGPVPNS}/{{bgpvpn_id}}/{kind}s" for kind in _ASSOCIATIONS}
    return [
        _rule(
            f"get_{resource}:{attribute}",
            rules.ADMIN,
            f"See `{attribute}` of a {resource.replace('_', ' ')}: its state on each hypervisor, by name",
            ("GET", collection),
            ("GET", collection + "/{id}"),
        )
        for resource, collection in collections.items()
        for attribute in apidef.STATUS_ADMIN_ATTRIBUTES
    ]


def _tag_rules() -> list[Any]:
    tags = f"/{apidef.BGPVPNS}" + "/{bgpvpn_id}/tags"
    one, member = tags + "/{tag_id}", rules.ADMIN_OR_PROJECT_MEMBER
    reader = rules.ADMIN_OR_PROJECT_READER
    return [
        _rule("get_bgpvpn:tags", reader, "See the tags of a BGPVPN", ("GET", tags), ("GET", one)),
        _rule("create_bgpvpn:tags", member, "Add tags to a BGPVPN", ("POST", tags)),
        _rule("update_bgpvpn:tags", member, "Set the tags of a BGPVPN", ("PUT", tags), ("PUT", one)),
        _rule("delete_bgpvpn:tags", member, "Remove tags of a BGPVPN", ("DELETE", tags), ("DELETE", one)),
    ]


def list_rules() -> list[Any]:
    """For Neutron and for oslo.policy's generators."""
    return [
        *_words(),
        *_self_service_rules(),
        *_bgpvpn_rules(),
        *(rule for kind in _ASSOCIATIONS for rule in _association_rules(kind)),
        *_line_rules(),
        *_status_rules(),
        *_tag_rules(),
    ]
