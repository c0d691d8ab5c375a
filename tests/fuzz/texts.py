"""What is read that is no BGP: the memory of the last run, the cloud's rows, the switch's dump, the operator's file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from isthmus.flows.parse import parse_dump
from isthmus.model.intent import (
    BadIntent,
    BgpvpnIntent,
    from_memory,
    networks_named,
    read_attachment,
    read_bgpvpn,
    resolve,
    to_external_ids,
    to_memory,
    written_by,
)
from isthmus.model.intent.writing import bgpvpn_external_ids
from isthmus.node.handed_on import decode, encode, sealed
from isthmus.node.memory import BadMemory
from isthmus.node.report import status
from isthmus.shell.config import Config, ConfigError, parse
from tests import build
from tests.fuzz import mutation
from tests.fuzz.target import Target
from tests.fuzz.worlds import FAMILIES, left
from tests.world import World

ROOT = Path(__file__).parent.parent.parent


def memory(text: bytes) -> None:
    """Within its seal: what a disk has damaged is another's test."""
    try:
        read = decode(sealed(text))
    except BadMemory as error:
        assert str(error)
        return
    assert decode(encode(read)) == read, "it is written as another memory"


def next_run(text: bytes) -> None:
    """A node that begins with whatever can be read: it must not end of it later."""
    try:
        read = decode(sealed(text))
    except BadMemory:
        return
    world = World(memory=read, families=FAMILIES)
    world.switch_on()
    world.wait(2.0)
    status(world.node, world.now)


def _change_memory(chance: Random, text: bytes) -> bytes:
    head, line, sections = text.partition(b"\n")
    if sections and chance.randrange(2) == 0:
        return head + line + mutation.octets(chance, sections)
    return _change_json(chance, head) + line + sections


def _change_json(chance: Random, text: bytes) -> bytes:
    if chance.randrange(10) == 0:
        return mutation.octets(chance, text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mutation.octets(chance, text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        value = mutation.value(chance, value)
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except (ValueError, RecursionError):  # a number of thousands of digits
        return text


def rows() -> list[dict[str, str]]:
    networks = ("neutron-a", "neutron-b")
    one = build.association(16, networks=networks, both=("64512:1", "64512:2"), local_pref=200)
    asked = build.attachment(1, one, networks=networks, subnets=("10.1.0.0/24", "fd00:1::/64"))
    more = replace(asked, lanes=(21, 22), routes=asked.subnets, own_defaults=(4, 6), addresses=(build.ip("10.1.0.1"),))
    vpn = BgpvpnIntent(one.bgpvpn, 1, one.vni, one.imports, one.exports, one.local_pref)
    return [to_external_ids(asked), to_external_ids(more, 2), bgpvpn_external_ids(vpn)]


def intent(text: bytes) -> None:
    """A row, and what is remembered of it."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(row, dict) or not all(isinstance(v, str) for v in row.values()):
        return  # a row's columns are text
    written_by(row)
    networks_named(row)
    try:
        read_bgpvpn(row)
    except BadIntent as error:
        assert str(error)
    try:
        read = resolve(read_attachment(row), {})
    except BadIntent as error:
        assert str(error)
        return
    assert from_memory(json.loads(json.dumps(to_memory(read)))) == read, "it is remembered as another"


_FLOWS = (
    ("0x6973746800000001", 0, "n_bytes=0, idle_age=7, priority=100,tun_id=0x1b59", "resubmit(,1)"),
    ("0x6973746800000001", 2, "n_bytes=98, send_flow_rem priority=32,ip,metadata=0x7,nw_dst=10.1.0.0/24", "output:3"),
    ("0x6973746800000001", 3, "n_bytes=0, ", "drop"),
    ("0x0", 0, "n_bytes=0, priority=0", "NORMAL"),
)
DUMP = "OFPST_FLOW reply (OF1.5) (xid=0x2):\n" + "".join(
    f" cookie={cookie}, duration=7.5s, table={table}, n_packets=12, {rest} actions={actions}\n"
    for cookie, table, rest, actions in _FLOWS
)


def dump(raw: bytes) -> None:
    text = raw.decode(errors="replace")
    try:
        found = parse_dump(text)
    except ValueError as error:
        assert "that this agent cannot read" in str(error)
        return
    assert len(found) <= len(text.splitlines())
    for key, flow in found.items():
        line = f" cookie={flow.cookie:#x}, duration=1s, table={key.table}, n_packets={flow.packets}, n_bytes=0, "
        line += f"priority={key.priority}{key.match and ','}{key.match} actions={flow.actions}"
        assert parse_dump(line) == {key: flow}, "it is written as another flow"


FILE = Path("agent.toml")


def agent_file(raw: bytes) -> None:
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # said before anything is parsed
        return
    try:
        config: Config = parse(text, FILE)
    except ConfigError as error:
        assert str(error).startswith(f"{FILE}: ")
        return
    addresses = [reflector.address for reflector in config.reflectors]
    assert config.southbound and addresses and len(set(addresses)) == len(addresses)
    assert config.vtep.can_be_endpoint is not None and hash(config.router_id)


def _files() -> list[bytes]:
    """The example as it is, and with all that it only mentions."""
    example = re.sub(r'"ssl:([^"]*)"', r'"tcp:\1"', (ROOT / "etc/agent.toml").read_text())
    example = re.sub(r"(?m)^(private_key|certificate|ca_cert).*\n", "", example)
    mentioned = "\n".join(
        line.lstrip("# ") if re.match(r"#\s+(\w+ = |\[)", line) else line for line in example.splitlines()
    )
    return [example.encode(), mentioned.encode()]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def targets() -> Iterator[Target]:
    yield Target("memory", left, _change_memory, memory)
    yield Target("next-run", left, _change_memory, next_run)
    yield Target("intent", lambda: [_json(row) for row in rows()], _change_json, intent)
    yield Target("dump", lambda: [DUMP.encode()], mutation.lines, dump)
    yield Target("agent-file", _files, mutation.lines, agent_file)
