"""`openstack bgpvpn association list`: "which VPNs is this port in?", which the client's own lists, one BGPVPN and one
kind each, answer only after asking for every BGPVPN."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Any

from osc_lib.cli import identity
from osc_lib.command import command

from isthmus.osc import resources
from isthmus.osc.resources import KINDS, Association, Bgpvpn

COLUMNS = {"ID": "id", "BGPVPN ID": "bgpvpn_id", "Type": "type", "Resource ID": "resource_id"}
LONG_COLUMNS = {"Project": "project_id", "Status": "status", "Reason": "status_reason"}


class ListAssociations(command.Lister):
    """List the associations of all BGPVPNs, of every kind, that you may see"""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--bgpvpn", metavar="<bgpvpn>", help="Only those of this BGPVPN (name or ID)")
        which = parser.add_mutually_exclusive_group()
        for kind in KINDS:
            which.add_argument(f"--{kind}", metavar=f"<{kind}>", help=f"Only those of this {kind} (name or ID)")
        which.add_argument("--type", choices=KINDS, help="Only those of this kind")
        identity.add_project_owner_option_to_parser(parser)
        parser.add_argument(
            "--long", action="store_true", help="Also the BGPVPN's name, the project and how the association stands"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        api = resources.network(self.app)
        found = list(Association.list(api, **self._query(api, parsed_args)))
        if not parsed_args.long:
            return tuple(COLUMNS), [tuple(getattr(a, name) for name in COLUMNS.values()) for a in found]
        names = {b.id: b.name for b in Bgpvpn.list(api, fields=["id", "name"])} if found else {}
        columns = COLUMNS | LONG_COLUMNS
        rows = [(names.get(a.bgpvpn_id), *(getattr(a, name) for name in columns.values())) for a in found]
        return ("BGPVPN Name", *columns), rows

    def _query(self, api: Any, parsed_args: Namespace) -> dict[str, Any]:
        query: dict[str, Any] = {}
        if parsed_args.bgpvpn:
            query["bgpvpn_id"] = api.find_bgpvpn(parsed_args.bgpvpn, ignore_missing=False).id
        for kind in KINDS:
            if name := getattr(parsed_args, kind):
                query |= {"type": kind, "resource_id": getattr(api, f"find_{kind}")(name, ignore_missing=False).id}
        if parsed_args.type:
            query["type"] = parsed_args.type
        if parsed_args.project:
            sdk = self.app.client_manager.sdk_connection
            query["project_id"] = identity.find_project(sdk, parsed_args.project, parsed_args.project_domain).id
        return query
