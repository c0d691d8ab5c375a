"""From rows of OVN's `Port_Binding` to what the node is told. Pure: plain values in, plain values out.

Four kinds of rows matter: attachment circuits (`isthmus:kind=ac`), the BGPVPNs that those refer to
(`isthmus:kind=vpn`), the virtual machines' ports that are bound to this chassis, and the router ports that those have
as gateway. A row with nonsense in it costs that row and nothing else.

A port that leaves is not always gone. When ovn-controller stops, `Port_Binding.chassis` goes empty though packets still
flow; when a machine moves, it names another chassis; when a port is deleted, the row goes; when its interface is taken
out of this switch, the local database says so. `stay` tells them apart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from isthmus.model.intent import (
    ATTACHMENT_KEY,
    BGPVPN_KEY,
    KIND_AC,
    KIND_GATEWAY,
    KIND_KEY,
    KIND_VPN,
    BadIntent,
    BgpvpnIntent,
    ReadAttachment,
    bgpvpn_port,
    read_attachment,
    read_bgpvpn,
)
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import Gateway, LocalPort
from isthmus.model.reason import NotAnnounced

NEUTRON = "neutron-"
"""Neutron's names in OVN are its ids with this in front."""

VIF_TYPE, VIRTUAL_TYPE, EXTERNAL_TYPE = "", "virtual", "external"
"""`Port_Binding.type` (ovn-sb(5)) of a virtual machine's port; of an address that a machine takes by saying so (ARP),
bound where that machine is; of a machine that is on no switch of OVN's, bound to a gateway chassis."""
_MACHINES = (VIF_TYPE, VIRTUAL_TYPE, EXTERNAL_TYPE)

AC_TYPE = "localport"
ROUTER_PORT_TYPE = "patch"

NETWORK_OWNER = "network:"
"""Neutron's own ports (DHCP, router interfaces, metadata) have a device owner that begins so."""

HOLD_S = 3.0
"""How long a port without a chassis is still ours, if its interface is in our switch. A stopping ovn-controller empties
the column while its flows go on forwarding, and claims the ports again when it is back, as after every package upgrade:
0.1 to 2 s were seen. Longer would announce a port that OVN has given up for longer than a BGP speaker's own delays."""


class Row(NamedTuple):
    """What we read of one Port_Binding."""

    logical_port: str
    type: str
    mac: tuple[str, ...]
    chassis: str
    """Uuid of the chassis it is bound to; empty if none."""
    up: bool
    external_ids: Mapping[str, str]
    additional: tuple[str, ...] = ()
    """Uuids of chassis that its machine is on its way to."""

    @property
    def is_circuit(self) -> bool:
        return self.external_ids.get(KIND_KEY) == KIND_AC

    @property
    def is_vpn(self) -> bool:
        return self.external_ids.get(KIND_KEY) == KIND_VPN


@dataclass(frozen=True, slots=True)
class Nonsense:
    """Why a port's row is left out."""

    why: str


def read_circuit(row: Row) -> ReadAttachment | BadIntent:
    """What an attachment circuit's row says, or what is wrong with it."""
    if row.type != AC_TYPE:
        return BadIntent(KIND_KEY, f"'ac' is on a port of type '{row.type}'; only a {AC_TYPE} is on every chassis")
    try:
        return read_attachment(row.external_ids)
    except BadIntent as bad:
        return bad


def read_vpn(row: Row) -> BgpvpnIntent | BadIntent:
    """What a BGPVPN's row says, or what is wrong with it."""
    try:
        vpn = read_bgpvpn(row.external_ids)
    except BadIntent as bad:
        return bad
    if bgpvpn_port(vpn.bgpvpn) != row.logical_port:
        return BadIntent(BGPVPN_KEY, f"'{vpn.bgpvpn}' is on the port of another, {row.logical_port}")
    return vpn


def read_port(row: Row) -> LocalPort | Nonsense | None:
    """A port as the node knows it; None if it is nobody's virtual machine."""
    ids = row.external_ids
    owner = ids.get("neutron:device_owner", "")
    if (
        row.type not in _MACHINES
        or row.is_circuit
        or "neutron:network_name" not in ids
        or owner.startswith(NETWORK_OWNER)
    ):
        return None
    try:
        return LocalPort(
            name=row.logical_port,
            mac=_mac(row.mac),
            addresses=_addresses(ids.get("neutron:cidrs", "")),
            network=ids["neutron:network_name"],
            revision=_revision(ids.get("neutron:revision_number", "")),
            # OVN binds a virtual address when a machine that is up has announced it, and says no more of it.
            up=row.up or row.type == VIRTUAL_TYPE,
            device=ids.get("neutron:device_id", ""),
            floating=bool(ids.get("neutron:port_fip")),
            is_virtual=row.type == VIRTUAL_TYPE,
            why_not=NotAnnounced.EXTERNAL if row.type == EXTERNAL_TYPE else None,
        )
    except ValueError as error:
        return Nonsense(str(error))


def read_gateway(row: Row) -> Gateway | None:
    """A router's port on a tenant network; None if it is none, or cannot be read: then it is not told of."""
    ids = row.external_ids
    if row.type != ROUTER_PORT_TYPE or not row.mac:
        return None
    ours = ids.get(KIND_KEY) == KIND_GATEWAY
    if ours:
        network = NEUTRON + ids.get(ATTACHMENT_KEY, "").partition(":")[2]
    elif KIND_KEY not in ids and ids.get("neutron:is_ext_gw") == "False":
        network = ids.get("neutron:network_name", "")
    else:
        return None
    mac, *networks = row.mac[0].split()
    try:
        return Gateway(network, Mac.parse(mac), _addresses(" ".join(networks)), ours)
    except ValueError:
        return None


def _mac(column: tuple[str, ...]) -> Mac:
    """The first address set that begins with a MAC; "unknown" may stand beside it (no port security)."""
    for text in column:
        first = text.split()[:1]
        if first and ":" in first[0]:
            mac = Mac.parse(first[0])
            if mac.is_multicast:
                raise ValueError(f"mac: {mac} is a group's address")
            return mac
    raise ValueError(f"mac: no MAC address in {list(column)}")


def _addresses(cidrs: str) -> tuple[IpAddress, ...]:
    """Neutron's fixed IPs, "10.1.0.5/24 2001:db8::5/64", sorted; link-local ones mean nothing elsewhere."""
    found = set()
    for text in cidrs.split():
        try:
            address = IpAddress(ipaddress.ip_interface(text).packed)
        except ValueError:
            raise ValueError(f"neutron:cidrs: '{text}' is not an address with a prefix length") from None
        if not address.is_link_local:
            found.add(address)
    return tuple(sorted(found, key=lambda a: (len(a), a)))


REVISION_MAX = 2**32 - 1
"""Of a port, which rises by one with each change: what is more is nonsense."""


def _revision(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"neutron:revision_number: '{text}' is not a number")
    if len(text) > 10 or int(text) > REVISION_MAX:
        raise ValueError(f"neutron:revision_number: {text[:20]} is more than {REVISION_MAX}")
    return int(text)


class Where(Enum):
    """What a row says of its port's place."""

    HERE = "bound to this chassis"
    ARRIVING = "bound to another chassis, and on its way to this one"
    ELSEWHERE = "bound to another chassis"
    NOWHERE = "bound to no chassis"


def where(row: Row, own: str) -> Where:
    """Seen from the chassis with the uuid `own`."""
    if row.chassis == own:
        return Where.HERE
    if own in row.additional:
        return Where.ARRIVING
    return Where.ELSEWHERE if row.chassis else Where.NOWHERE


class Staying(NamedTuple):
    """A port that is told to the node: bound here, or for a little while after."""

    port: LocalPort
    until: float | None = None
    """None while it is bound here; else when it is given up, unless its row says sooner."""


def stay(
    before: Mapping[str, Staying],
    here: Mapping[str, LocalPort],
    seen: Mapping[str, Where],
    plugged: frozenset[str] | None,
    now: float,
    asked: Collection[str],
) -> dict[str, Staying]:
    """Who is told to the node now. `plugged`: whose interfaces are in our switch; None if nobody knows.

    `here`: the readable ports that are bound to this chassis. `seen`: where each visible row says its port is. `asked`:
    whose rows are visible wherever they are bound, because the monitor asks for them by name and the server knows; if
    such a row is not seen it is deleted. The first time a row is missed nobody has asked for it yet, and it is held.
    """
    after = {name: Staying(port) for name, port in here.items()}
    for name, held in before.items():
        place = seen.get(name)
        if name in after or place in (Where.HERE, Where.ELSEWHERE):
            continue
        if held.until is None:
            after[name] = Staying(held.port, now + HOLD_S)
            continue
        # A virtual address has no interface of its own.
        unplugged = plugged is not None and name not in plugged and not held.port.is_virtual
        if name not in asked if place is None else now < held.until and not unplugged:
            after[name] = held
    return after
