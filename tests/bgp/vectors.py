"""Vectors: one fact said three ways. Each case in `tests/vectors/*.vec` is

    case: a sentence
    session: ibgp            ibgp, ebgp; after it `two-octet` for a peer without RFC 6793, `vpn` for one of all families
    kind: UPDATE
    hex: octets without the header; blanks, line breaks and `| comments` for the reader
    value: JSON, as `plain` makes it of what is decoded
    text: what an operator reads
    encode: no, because …    absent: encoding the value gives the octets back

Cases are separated by blank lines, a value goes on in lines that begin with a blank. With UPDATE_GOLDEN=1 the tests
write `value` and `text` anew instead of comparing; review the difference.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from isthmus.bgp.attribute import AsSegment, PathAttributes
from isthmus.bgp.capability import Agreed, Capability
from isthmus.bgp.errors import AttributeFault, MessageError
from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import (
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_notification,
    decode_open,
    decode_route_refresh,
    decode_update,
    encode_end_of_rib,
    encode_notification,
    encode_open,
    encode_route_refresh,
    encode_updates,
)
from isthmus.bgp.nlri.ethernet import AutoDiscovery, EthernetSegment, InclusiveMulticast, MacIp, MacOnly
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.text import text_of
from isthmus.model.net import IpAddress

FOLDER = Path(__file__).parent.parent / "vectors"
OUR_AS, THEIR_AS = 64512, 4200000001


@dataclasses.dataclass(frozen=True)
class Vector:
    file: Path
    fields: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.file.stem}: {self.fields['case']}"

    @property
    def octets(self) -> bytes:
        lines = (line.partition("|")[0] for line in self.fields["hex"].splitlines())
        return bytes.fromhex("".join(lines))

    @property
    def agreed(self) -> Agreed:
        return agreed_for(self.fields.get("session", "ibgp"))

    @property
    def is_reversible(self) -> bool:
        return "encode" not in self.fields


def agreed_for(session: str) -> Agreed:
    """An agreed session by the words of a vector."""
    return Agreed(
        local_as=OUR_AS,
        peer_as=OUR_AS if "ibgp" in session else THEIR_AS,
        families=(EVPN, VPNV4, VPNV6) if "vpn" in session else (EVPN,),
        hold_time_s=30,
        four_octet_as="two-octet" not in session,
        route_refresh=True,
        router_id=IpAddress.parse("10.60.0.2"),
        peer_router_id=IpAddress.parse("10.60.0.9"),
    )


def read(file: Path) -> list[Vector]:
    return [v for block in file.read_text().split("\n\n") if (v := _vector(block, file)) is not None]


def _vector(block: str, file: Path) -> Vector | None:
    fields: dict[str, str] = {}
    key = ""
    for line in block.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            fields[key] += "\n" + line.strip()
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return Vector(file, fields) if fields else None


def all_vectors() -> list[Vector]:
    return [vector for file in sorted(FOLDER.glob("*.vec")) for vector in read(file)]


Decoded = Open | Notification | RouteRefresh | tuple[Update, ...] | MessageError


def decode(vector: Vector) -> Decoded:
    """What the octets mean; an error that ends the session is a value here."""
    body = vector.octets
    try:
        match MessageType[vector.fields["kind"]]:
            case MessageType.OPEN:
                return decode_open(body)
            case MessageType.UPDATE:
                return decode_update(body, vector.agreed)
            case MessageType.NOTIFICATION:
                return decode_notification(body)
            case MessageType.ROUTE_REFRESH:
                return decode_route_refresh(body)
            case MessageType.KEEPALIVE:
                raise AssertionError("nothing to say about it")
    except MessageError as error:
        return error


def encode(decoded: Decoded, agreed: Agreed) -> bytes:
    """The whole message for what `decode` gave, without its header."""
    match decoded:
        case Open():
            return encode_open(decoded)[19:]
        case Notification():
            return encode_notification(decoded)[19:]
        case RouteRefresh(family):
            assert family is not None
            return encode_route_refresh(family)[19:]
        case MessageError():
            raise AssertionError("an error has no encoding")
        case updates:
            (update,) = updates
            if update.end_of_rib is not None:
                return encode_end_of_rib(update.end_of_rib)[19:]
            assert not (update.announced and update.withdrawn), "two messages, so say `encode: no`"
            if update.attributes is None:
                (message,) = encode_updates([], update.withdrawn, agreed)
            else:
                (message,) = encode_updates([(_as_sent(update.attributes), r) for r in update.announced], [], agreed)
            return message[19:]


def _as_sent(attributes: PathAttributes) -> PathAttributes:
    """Between ASes the writer puts our AS in front: take the first one away, as its sender had it."""
    path = attributes.as_path
    if not path or path[0].numbers[0] != OUR_AS:
        return attributes
    rest = path[0].numbers[1:]
    return dataclasses.replace(attributes, as_path=((AsSegment(path[0].kind, rest),) if rest else ()) + path[1:])


def text(decoded: Decoded) -> str:
    match decoded:
        case MessageError():
            return decoded.text
        case Open() | Notification() | RouteRefresh():
            return text_of(decoded)
        case updates:
            return "\n".join(text_of(update) for update in updates)


def plain(value: Any) -> Any:
    """JSON of a decoded value: names of enums, text of addresses, hex of octets; defaults are left out."""
    match value:
        case MessageError():
            return {"error": [int(value.code), int(value.subcode)], "data": value.data.hex()}
        case AttributeFault(kind, action, _):
            return [kind.name, action.name]
        case AsSegment(kind, numbers):
            return [kind.name, *numbers]
        case Capability(code, octets):
            return [int(code), octets.hex()]
        case (
            EvpnPrefix()
            | VpnPrefix()
            | MacIp()
            | MacOnly()
            | AutoDiscovery()
            | InclusiveMulticast()
            | EthernetSegment()
        ):
            return {k: plain(v) for k, v in value._asdict().items()}
        case Family():
            return str(value)
        case Heard():
            return plain(value.read())
        case Update():
            said = {k: v for k, v in value._asdict().items() if k == "family" or v != value._field_defaults[k]}
            return {{"heard": "attributes"}.get(k, k): plain(v) for k, v in said.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                {"heard": "attributes"}.get(f.name, f.name): plain(getattr(value, f.name))
                for f in dataclasses.fields(value)
                if f.compare and getattr(value, f.name) != f.default
            }
        case Enum():
            return value.name
        case bytes() if type(value) is bytes:
            return value.hex()
        case bool() | int() | None | str():
            return value
        case tuple() if hasattr(value, "_fields") and type(value).__name__ != "Prefix":
            return [plain(v) for v in value]
        case tuple() if not hasattr(value, "_fields"):
            return [plain(v) for v in value]
        case _:
            return str(value)


def rewrite(file: Path) -> None:
    """The file with `value` and `text` as they are decoded now."""
    out = []
    for block in file.read_text().split("\n\n"):
        vector = _vector(block, file)
        if vector is None:
            out.append(block.strip())
            continue
        decoded = decode(vector)
        value, shown = _readable(plain(decoded)), text(decoded).replace("\n", "\n  ")
        out.append("\n".join([_without(block, ("value", "text")), f"value: {value}", f"text: {shown}"]))
    file.write_text("\n\n".join(out) + "\n")


def _readable(value: Any) -> str:
    """JSON with one line for each field of a message."""
    messages = value if isinstance(value, list) else [value]
    shown = ",\n  ".join("{" + ",\n    ".join(f'"{k}": {json.dumps(v)}' for k, v in m.items()) + "}" for m in messages)
    return f"[{shown}]" if isinstance(value, list) else shown


def _without(block: str, keys: tuple[str, ...]) -> str:
    kept, dropping = [], False
    for line in block.strip().splitlines():
        if line and not line[0].isspace():
            dropping = line.partition(":")[0] in keys
        if not dropping:
            kept.append(line)
    return "\n".join(kept)
