"""How one input becomes another: octets at random, and messages taken apart, changed in their parts and put together
with lengths that are right again (mostly: a length that lies is a change like others).

Rules: chance is handed in, so a seed is the whole story. Nothing here knows what a decoder does with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias

from isthmus.bgp.attribute_reader import span
from isthmus.bgp.frame import HEADER_BYTES, MARKER

Mutation: TypeAlias = Callable[[Random, bytes], bytes]
"""A new input out of an old one."""

LONGEST = 5000
"""Octets of an input: more than a message."""
_EDGES = (0, 1, 2, 3, 4, 5, 12, 16, 24, 32, 48, 88, 96, 112, 127, 128, 129, 216, 240, 254, 255)
_WIDE = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)


def octets(chance: Random, raw: bytes) -> bytes:
    """One to four small changes anywhere."""
    found = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        _change(chance, found)
    return bytes(found[:LONGEST])


def _change(chance: Random, found: bytearray) -> None:
    at = chance.randrange(len(found) + 1)
    until = min(len(found), at + chance.choice((1, 1, 2, 3, 4, 8, 16, 40)))
    match chance.randrange(8):
        case 0 if at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(found):
            found[at] = chance.choice(_EDGES)
        case 2 if at + 2 <= len(found):
            found[at : at + 2] = chance.choice(_WIDE).to_bytes(2, "big")
        case 3 if at < len(found):
            found[at] = (found[at] + chance.choice((-8, -1, 1, 8))) % 256
        case 4:
            found[at:until] = b""
        case 5:
            found[at:at] = found[at:until] or chance.randbytes(3)
        case 6:
            found[at:at] = chance.randbytes(chance.choice((1, 2, 3, 4, 8)))
        case _:
            found[at:until] = bytes(until - at)


def typed_routes(chance: Random, raw: bytes) -> bytes:
    """EVPN: routes with a type and a length in octets."""
    found, at = list[bytes](), 0
    while at + 2 <= len(raw) and (after := at + 2 + raw[at + 1]) <= len(raw):
        found.append(raw[at:after])
        at = after
    if not found or chance.randrange(3) == 0:
        return octets(chance, raw)
    which = chance.randrange(len(found))
    body = octets(chance, found[which][2:])[:255]
    kind = found[which][0] if chance.randrange(4) else chance.randrange(7)
    found[which] = bytes((kind, max(0, min(255, len(body) + _lie(chance))))) + body
    return b"".join(found) + raw[at:]


_LABELS = (
    b"\0\0\0",
    b"\0\0\1",
    b"\0\0\2",
    b"\0\0\x31",
    b"\0\1\1",
    b"\0\1\0",
    b"\x80\0\0",
    b"\x80\0\2",
    b"\xff\xff\xff",
)
"""Null and withdrawn with and without their unused bits, implicit null, ordinary ones at the bottom and not."""


def labelled_routes(chance: Random, raw: bytes) -> bytes:
    """VPN: routes with a length in bits; a label more, one less, or another in one of them."""
    found, at = list[tuple[int, bytes]](), 0
    while at < len(raw) and (after := at + 1 + (raw[at] + 7 >> 3)) <= len(raw):
        found.append((raw[at], raw[at + 1 : after]))
        at = after
    if not found or chance.randrange(3) == 0:
        return octets(chance, raw)
    which = chance.randrange(len(found))
    bits, body = found[which]
    match chance.randrange(4):
        case 0:
            bits, body = bits + 24, chance.choice(_LABELS) + body
        case 1 if bits >= 24:
            bits, body = bits - 24, body[3:]
        case 2:
            body = chance.choice(_LABELS) + body[3:]
        case _:
            body = octets(chance, body)[:31]
            bits = max(0, 8 * len(body) - chance.choice((0, 0, 1, 4, 7)))
    found[which] = (max(0, min(255, bits + _lie(chance))), body)
    return b"".join(bytes((length,)) + one for length, one in found) + raw[at:]


Attribute: TypeAlias = tuple[int, int, bytes]
"""Flags, type, value."""


def update(chance: Random, body: bytes) -> bytes:
    """An UPDATE without its header: its attributes as a list."""
    if chance.randrange(3) == 0 or len(body) < 4:
        return octets(chance, body)
    at = 2 + int.from_bytes(body[:2], "big")
    begin = at + 2
    end = begin + int.from_bytes(body[at:begin], "big")
    listed = attributes(chance, body[begin:end])
    withdrawn, announced = body[2:at], body[end:]
    if chance.randrange(12) == 0:
        withdrawn, announced = chance.choice(((b"\x08\x0a", b""), (b"", b"\x08\x0a"), (b"", b"")))
    lengths = (len(withdrawn) + _lie(chance)) % 2**16, (len(listed) + _lie(chance)) % 2**16
    return lengths[0].to_bytes(2, "big") + withdrawn + lengths[1].to_bytes(2, "big") + listed + announced


def _lie(chance: Random) -> int:
    return chance.choice((-3, -1, 1, 2, 256)) if chance.randrange(40) == 0 else 0


def attributes(chance: Random, raw: bytes) -> bytes:
    """A list of attributes: one twice, one gone, in another order, with other flags, or with another value."""
    found, at = list[Attribute](), 0
    while at < len(raw):
        start, stop = span(raw, at, len(raw))
        if stop > len(raw):
            break
        found.append((raw[at], raw[at + 1], raw[start:stop]))
        at = stop
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change_attributes(chance, found)
    return b"".join(_written(chance, one) for one in found) + raw[at:]


def _change_attributes(chance: Random, found: list[Attribute]) -> None:
    if not found or chance.randrange(8) == 0:
        code, value = (
            chance.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 40, 99)),
            chance.randbytes(8),
        )
        found.insert(chance.randrange(len(found) + 1), (chance.choice((0x40, 0x80, 0xC0, 0xE0)), code, value))
        return
    at = chance.randrange(len(found))
    flags, code, value = found[at]
    match chance.randrange(8):
        case 0:
            found.insert(chance.randrange(len(found) + 1), found[at])
        case 1:
            del found[at]
        case 2:
            chance.shuffle(found)
        case 3:
            found[at] = (flags ^ 1 << chance.randrange(8), code, value)
        case 4:
            found[at] = (flags, code, value * chance.choice((2, 3, 20)) if len(value) < 100 else b"")
        case _ if code == 14:
            found[at] = (flags, code, _reach(chance, value))
        case _:
            found[at] = (flags, code, octets(chance, value))


def _reach(chance: Random, value: bytes) -> bytes:
    """Of an MP_REACH_NLRI its routes, or anything."""
    begin = 5 + value[3] if len(value) > 3 else len(value)
    if begin >= len(value) or chance.randrange(3) == 0:
        return octets(chance, value)
    change = {70: typed_routes, 128: labelled_routes}.get(value[2], octets)
    return value[:begin] + change(chance, value[begin:])


def _written(chance: Random, one: Attribute) -> bytes:
    flags, code, value = one
    long = len(value) > 255 or flags & 0x10
    length = max(0, len(value) + _lie(chance))
    return (
        bytes((flags | 0x10 if long else flags & ~0x10, code))
        + (min(length, 65535).to_bytes(2, "big") if long else bytes((min(length, 255),)))
        + value
    )


def stream(chance: Random, raw: bytes) -> bytes:
    """Messages one after the other: some again, some gone, some in another order, one changed."""
    found, at = list[tuple[int, bytes]](), 0
    while at + HEADER_BYTES <= len(raw) and raw.startswith(MARKER, at):
        after = at + max(HEADER_BYTES, int.from_bytes(raw[at + 16 : at + 18], "big"))
        if after > len(raw):
            break
        found.append((raw[at + 18], raw[at + HEADER_BYTES : after]))
        at = after
    if not found or chance.randrange(6) == 0:
        return octets(chance, raw)
    which = chance.randrange(len(found))
    match chance.randrange(6):
        case 0:
            found.insert(chance.randrange(len(found) + 1), found[which])
        case 1:
            del found[which]
        case 2:
            chance.shuffle(found)
        case 3:
            found[which] = (chance.randrange(7), found[which][1])
        case _:
            kind, body = found[which]
            found[which] = (kind, update(chance, body) if kind == 2 else octets(chance, body))
    return b"".join(_message(chance, *one) for one in found)[:LONGEST] + raw[at:]


def _message(chance: Random, kind: int, body: bytes) -> bytes:
    return MARKER + ((HEADER_BYTES + len(body) + _lie(chance)) % 2**16).to_bytes(2, "big") + bytes((kind,)) + body


STRANGE: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 16, 2**16, 2**24, 2**31, 2**32, 2**64, -(2**63), 10**400, 0.5, 1e308, float("inf")),
    *(float("nan"), "", " ", "0", "\0", "é", "\ud800", "64512:1", "10.0.0.0/8", "::/0", "10.0.0.1", "all", "a" * 300),
    *([], [[]], {}, {"": None}, [None], ["", ""]),
)
"""What nobody would write where something else belongs."""


def value(chance: Random, found: Any) -> Any:
    """A JSON value with something in it changed."""
    if chance.randrange(6) == 0:
        return chance.choice(STRANGE)
    match found:
        case dict() if found:
            return _object(chance, found)
        case list() if found:
            return _list(chance, found)
        case str() if found[:1] in "{[" and chance.randrange(4):
            return _json_in_text(chance, found)
        case str():
            return text(chance, found)
        case bool():
            return not found
        case int():
            return found + chance.choice((-1, 1, -found, 2**16))
        case _:
            return chance.choice(STRANGE)


def _object(chance: Random, found: dict[str, Any]) -> dict[str, Any]:
    key = chance.choice(list(found))
    match chance.randrange(10):
        case 0:
            return {k: v for k, v in found.items() if k != key}
        case 1:
            return {text(chance, k) if k == key else k: v for k, v in found.items()}
        case 2:
            return found | {text(chance, key): found[chance.choice(list(found))]}
        case _:
            return found | {key: value(chance, found[key])}


def _list(chance: Random, found: list[Any]) -> list[Any]:
    at = chance.randrange(len(found))
    match chance.randrange(8):
        case 0:
            return found[:at] + found[at + 1 :]
        case 1:
            return [*found, found[at]]
        case 2:
            return chance.sample(found, len(found))
        case _:
            return [*found[:at], value(chance, found[at]), *found[at + 1 :]]


def _json_in_text(chance: Random, found: str) -> str:
    try:
        return json.dumps(value(chance, json.loads(found)))
    except ValueError:
        return text(chance, found)


def text(chance: Random, found: str) -> str:
    """Text with a piece of it changed; now and then with a character that is no ASCII."""
    at = chance.randrange(len(found) + 1)
    until = min(len(found), at + chance.choice((1, 1, 2, 5, 20)))
    put = chance.choice(
        ("", found[at:until] * 2, "0", "9" * 30, "-1", " ", "\n", "=", ",", "/", ":", "²", "٣", "\ud800", "\0")
    )
    return found[:at] + put + found[chance.choice((at, until)) :]


def lines(chance: Random, raw: bytes) -> bytes:
    """A text of lines: one again, one gone, one elsewhere, or one changed."""
    found = raw.decode(errors="replace").split("\n")
    at = chance.randrange(len(found))
    match chance.randrange(7):
        case 0:
            found.insert(chance.randrange(len(found) + 1), found[at])
        case 1:
            del found[at]
        case 2:
            found.insert(chance.randrange(len(found)), found.pop(at))
        case 3:
            return octets(chance, raw)
        case _:
            found[at] = text(chance, found[at])
    return "\n".join(found).encode(errors="replace")[:LONGEST]
