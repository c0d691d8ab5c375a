"""The VM's side of DHCP: busybox udhcpc and the script it calls at each event.

The script lives here as text, because the lab writes it into its own directory: `down` then leaves no file behind.
"""

from __future__ import annotations

from isthmus.lab.places import Places
from isthmus.lab.plan import Daemon

NIC = "eth0"

SCRIPT = """#!/bin/sh -e
# What udhcpc learned, put on the interface: address, MTU, routes.
case "$1" in
deconfig)
    ip -4 addr flush dev "$interface" ;;
bound|renew)
    [ -z "$mtu" ] || ip link set dev "$interface" mtu "$mtu"
    ip -4 addr replace "$ip/$mask" dev "$interface"
    if [ -n "$staticroutes" ]; then  # RFC 3442: then the router option is ignored
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            if [ "$2" = 0.0.0.0 ]; then ip -4 route replace "$1" dev "$interface" scope link
            else ip -4 route replace "$1" via "$2" dev "$interface"; fi
            shift 2
        done
    elif [ -n "$router" ]; then
        ip -4 route replace default via "${router%% *}" dev "$interface"
    fi ;;
esac
"""


def write_script(places: Places) -> None:
    places.dhcp_script.write_text(SCRIPT)
    places.dhcp_script.chmod(0o755)


def client(node: str, places: Places) -> Daemon:
    """A VM's DHCP client: asks every second until answered, then renews as leases end. Asks for MTU and routes."""
    ask = ("-O", "mtu", "-O", "staticroutes", "-T", "1", "-t", "5", "-A", "1")
    argv = ("udhcpc", "-f", "-i", NIC, "-s", str(places.dhcp_script), *ask)
    return Daemon(name=f"{node}-dhcp", node=node, argv=argv)
