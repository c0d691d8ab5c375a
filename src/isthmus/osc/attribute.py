"""`openstack bgpvpn attribute set`: what `openstack bgpvpn set` cannot say.

The client's own command knows no description and no tags, drops a local preference of 0, and cannot take one away.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from openstack import exceptions
from osc_lib import exceptions as osc_exceptions
from osc_lib.command import command

from isthmus.osc import resources


class SetAttributes(command.Command):
    """Set attributes of a BGPVPN that "bgpvpn set" does not know"""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("bgpvpn", metavar="<bgpvpn>", help="BGPVPN (name or ID)")
        parser.add_argument("--description", metavar="<text>", help="Description of the BGPVPN")
        preference = parser.add_mutually_exclusive_group()
        preference.add_argument(
            "--local-pref", type=int, metavar="<number>", help="Local preference of what is announced (0 is one too)"
        )
        preference.add_argument("--no-local-pref", action="store_true", help="No local preference of its own")
        fallback = parser.add_mutually_exclusive_group()
        fallback.add_argument(
            "--fallback", choices=["all", "public", "none"], help="Where packets go whose destination it does not know"
        )
        fallback.add_argument("--no-fallback", action="store_true", help="As the cloud has it")
        families = parser.add_mutually_exclusive_group()
        families.add_argument(
            "--family",
            action="append",
            choices=["evpn", "vpnv4", "vpnv6"],
            help="Family of routes in which it is announced (repeat for several)",
        )
        families.add_argument("--no-family", action="store_true", help="In all that the hypervisors speak")
        parser.add_argument(
            "--tag", action="append", default=[], metavar="<tag>", help="Tag to be added (repeat for several)"
        )
        parser.add_argument("--no-tag", action="store_true", help="Take away the tags that are there")
        return parser

    def take_action(self, parsed_args: Namespace) -> None:
        api = resources.network(self.app)
        found = api.find_bgpvpn(parsed_args.bgpvpn, ignore_missing=False)
        change: dict[str, Any] = {}
        if parsed_args.description is not None:
            change["description"] = parsed_args.description
        if parsed_args.local_pref is not None or parsed_args.no_local_pref:
            change["local_pref"] = parsed_args.local_pref
        if parsed_args.fallback is not None or parsed_args.no_fallback:
            change["fallback"] = parsed_args.fallback
        if parsed_args.family is not None or parsed_args.no_family:
            change["families"] = parsed_args.family
        if not change and not parsed_args.tag and not parsed_args.no_tag:
            raise osc_exceptions.CommandError("Nothing to set: name an attribute")
        if change:
            api.update_bgpvpn(found.id, **change)
        if parsed_args.tag or parsed_args.no_tag:
            kept = () if parsed_args.no_tag else found.to_dict().get("tags") or ()
            # Neutron has the tags of every resource below the collection's bare name, where the SDK does not look.
            tags = {"tags": sorted({*kept, *parsed_args.tag})}
            exceptions.raise_from_response(api.put(f"/bgpvpns/{found.id}/tags", json=tags))
