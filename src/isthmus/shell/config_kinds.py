"""What the values of `agent.toml` may be: each function takes what TOML has and raises ValueError with the rule.

Rules: a rule reads after the key's name ("must be …"); nothing here knows which key it is.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeVar

from isthmus.bgp.family import Family
from isthmus.model.intent import FamilyName
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import Encapsulation
from isthmus.shell.tcp_guard import KEY_MAX
from isthmus.vpn.exports import FAMILY_OF
from isthmus.vpn.trust import TargetRange

T = TypeVar("T")

W = TypeVar("W", bound=Enum)

DATAPATH_TYPES = ("", "system", "netdev")
NAME_MAX = 255
"""Bytes of a file's or directory's name."""
SOCKET_PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7): 108 with the null)."""


class Listen(NamedTuple):
    """Where metrics are served; an empty host means nowhere."""

    host: str
    port: int


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {value!r}")
    return value


def name(value: object) -> str:
    said = text(value)
    if not said or any(c.isspace() or c == "/" for c in said):
        raise ValueError(f"must be a name without blanks and slashes, not '{said}'")
    return said


def between(low: int, high: int) -> Callable[[object], int]:
    def kind(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a number from {low} to {high}, not {value!r}")
        return value

    return kind


def yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def one_of(kind: type[W]) -> Callable[[object], W]:
    """The member of an enum that has this value."""

    def check(value: object) -> W:
        for member in kind:
            if member.value == value:
                return member
        raise ValueError(f"must be one of {', '.join(member.value for member in kind)}, not {value!r}")

    return check


def hold_time(value: object) -> int:
    """RFC 4271 section 4.2: zero or at least three seconds."""
    if value == 0 and not isinstance(value, bool):
        return 0
    try:
        return between(3, 65535)(value)
    except ValueError:
        raise ValueError(f"must be 0 or a number from 3 to 65535, not {value!r}") from None


def unicast(value: object) -> IpAddress:
    """An address that one machine can have and another can reach."""
    said = text(value)
    try:
        address = IpAddress.parse(said)
    except ValueError:
        raise ValueError(f"must be an IP address, not '{said}'") from None
    what = ipaddress.ip_address(bytes(address))
    if what.is_multicast or what.is_unspecified or said == "255.255.255.255":
        raise ValueError(f"must be the address of one machine, not {address}")
    return address


def vtep(value: object) -> IpAddress:
    address = unicast(value)
    if address.version != 4:
        raise ValueError(
            f"must be an IPv4 address, not {address}: tunnels over IPv6 are not built yet, and the router-id and the"
            " Router's MAC are made from it"
        )
    return address


def reflector(value: object) -> IpAddress:
    address = unicast(value)
    if address.version != 4:
        raise ValueError(f"must be an IPv4 address, not {value}: BGP is spoken from the vtep")
    return address


def router_id(value: object) -> IpAddress:
    """RFC 6286: four bytes, not zero."""
    address = unicast(value)
    if address.version != 4:
        raise ValueError(f"must be written as an IPv4 address, not {address}")
    return address


def password(value: object) -> str:
    """The value itself is in no error."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if len(value.encode()) > KEY_MAX or not value.isprintable():
        raise ValueError(f"must have at most {KEY_MAX} bytes, all of them printable")
    return value


def target_ranges(value: object) -> tuple[TargetRange, ...]:
    return tuple(_each(value, TargetRange.parse, "route targets, such as 64512:5, 64512:100-199 or 64512:*"))


def prefixes(value: object) -> tuple[Prefix, ...]:
    return tuple(_each(value, Prefix.parse, "prefixes"))


def prefixes_v4(value: object) -> tuple[Prefix, ...]:
    found = tuple(_each(value, Prefix.parse, "IPv4 prefixes"))
    if any(prefix.version != 4 for prefix in found):
        raise ValueError("must be a list of IPv4 prefixes: tunnels over IPv6 are not built yet")
    return found


def _each(value: object, parse: Callable[[str], T], what: str) -> list[T]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must be a list of {what}")
    try:
        return [parse(one) for one in value]
    except ValueError as error:
        raise ValueError(f"must be a list of {what}: {error}") from None


ENCAPSULATIONS = {"vxlan": Encapsulation.VXLAN, "mpls": Encapsulation.MPLS_IN_GRE}


def families(value: object) -> tuple[Family, ...]:
    """What is spoken, in the order in which we have it."""
    if (named := FamilyName.named(value)) is None:
        raise ValueError(f"must be a list of at least one of {', '.join(FamilyName)}, each once, not {value!r}")
    return tuple(FAMILY_OF[name] for name in named)


def preference(value: object) -> tuple[Encapsulation, ...]:
    """All of them: whatever a route is sent to in has its place."""
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(ENCAPSULATIONS):
        raise ValueError(f"must be a list of {' and '.join(ENCAPSULATIONS)}, the preferred first, not {value!r}")
    return tuple(ENCAPSULATIONS[one] for one in value)


def endpoint(value: object) -> str:
    """As Open vSwitch's programs take it: unix:<path>, tcp:<address>:<port> or ssl:<address>:<port>."""
    said = text(value)
    kind, _, rest = said.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return said
    if kind in ("tcp", "ssl"):
        host, _, port = rest.rpartition(":")
        if _is_host(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return said
    raise ValueError(f"must be unix:/<path>, tcp:<host>:<port> or ssl:<host>:<port>, not '{said}'")


def _is_host(text: str) -> bool:
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    bracketed = text.startswith("[") and text.endswith("]")
    if bracketed or ":" in text or text.replace(".", "").isdigit():
        try:
            version = ipaddress.ip_address(text[1:-1] if bracketed else text).version
        except ValueError:
            return False
        return bracketed == (version == 6)
    return bool(text) and not any(c in text for c in ", []/")


def endpoints(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list with at least one endpoint")
    return tuple(endpoint(v) for v in value)


def datapath_type(value: object) -> str:
    if value not in DATAPATH_TYPES:
        raise ValueError(f"must be 'system', 'netdev' or empty (as the integration bridge has it), not {value!r}")
    return text(value)


def path(value: object) -> Path:
    found = Path(text(value))
    if not found.is_absolute() or "\0" in str(found):
        raise ValueError(f"must be an absolute path, not {str(found)!r}")
    if any(len(os.fsencode(part)) > NAME_MAX for part in found.parts):
        raise ValueError(f"must have no part of more than {NAME_MAX} bytes")
    return found


def readable(value: object) -> Path:
    found = path(value)
    if not found.is_file() or not os.access(found, os.R_OK):
        raise ValueError(f"must be a file that can be read; {found} is not")
    return found


def socket(value: object) -> Path:
    """Where a socket can be made, in a directory that is there or can be made."""
    found = path(value)
    if len(os.fsencode(found)) > SOCKET_PATH_MAX:
        raise ValueError(f"must have at most {SOCKET_PATH_MAX} bytes: no socket has a longer path")
    if found.is_dir():
        raise ValueError(f"must be a file's path; {found} is a directory")
    _below_directories(found.parent)
    return found


def directory(value: object) -> Path:
    found = path(value)
    _below_directories(found)
    return found


def _below_directories(where: Path) -> None:
    for part in (where, *where.parents):
        if part.exists() and not part.is_dir():
            raise ValueError(f"must be below directories; {part} is a file")


def listen(value: object) -> Listen:
    """`host:port`, `[v6]:port` or empty for nowhere."""
    said = text(value)
    if not said:
        return Listen("", 0)
    host, _, port = said.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and 0 <= int(port) < 65536):
        raise ValueError(f"must be <address>:<port> or empty, not '{said}'")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"must be <address>:<port> or empty, not '{said}'") from None
    return Listen(host, int(port))
