"""`openstack bgpvpn status list` and `show`: how BGPVPNs stand and why, which the client's own lists do not print."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Any

from osc_lib.command import command

from isthmus.osc import resources
from isthmus.osc.resources import KINDS, Bgpvpn

STATUSES = ("ACTIVE", "BUILD", "DEGRADED", "ERROR", "DOWN")
Table = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class ListStatus(command.Lister):
    """List BGPVPNs with how each stands and why"""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--status",
            action="append",
            type=str.upper,
            choices=STATUSES,
            help="Only those that stand so (repeat for several)",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> Table:
        wanted: dict[str, Any] = {"fields": ["id", "name", "type", "status", "status_reason"]}
        if parsed_args.status:
            wanted["status"] = parsed_args.status
        found = Bgpvpn.list(resources.network(self.app), **wanted)
        return (
            ("ID", "Name", "Type", "Status", "Reason"),
            [(b.id, b.name, b.type, b.status, b.status_reason) for b in found],
        )


class ShowStatus(command.Lister):
    """Show how a BGPVPN and each of its associations stand and why"""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("bgpvpn", metavar="<bgpvpn>", help="BGPVPN (name or ID)")
        return parser

    def take_action(self, parsed_args: Namespace) -> Table:
        api = resources.network(self.app)
        bgpvpn = api.find_bgpvpn(parsed_args.bgpvpn, ignore_missing=False).to_dict()
        rows = [("bgpvpn", bgpvpn["id"], bgpvpn.get("status"), bgpvpn.get("status_reason"))]
        for kind in KINDS:
            for association in getattr(api, f"bgpvpn_{kind}_associations")(bgpvpn["id"]):
                one = association.to_dict()
                rows.append((kind, one[f"{kind}_id"], one.get("status"), one.get("status_reason")))
        return ("Type", "ID", "Status", "Reason"), rows
