"""The agent's one file, `agent.toml`, read once into a frozen value.

Rules: every key is validated, a key nobody reads is refused, a default is written here and nowhere else. Every error is
one sentence that names the file, the key and the rule, so that an operator need not read this.
"""

from __future__ import annotations

import ssl
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from isthmus.bgp.capability import LONG_LIVED_MAX_S
from isthmus.bgp.family import EVPN, Family
from isthmus.fib.entries import SPREAD_MAX
from isthmus.model.net import IpAddress
from isthmus.model.vpn import Encapsulation
from isthmus.node.config import LONG_LIVED_S, Limits, Liveness
from isthmus.shell import config_kinds as kinds
from isthmus.shell.config_kinds import Listen
from isthmus.shell.tcp_guard import NO_GUARD, Guard
from isthmus.vpn.exports import PREFER
from isthmus.vpn.trust import EVERYTHING, Trust

T = TypeVar("T")

DEFAULT_PATH = Path("/etc/isthmus/agent.toml")
BGP_PORT = 179
AS_MAX = 2**32 - 1
"""RFC 6793."""

HOPS_MAX = 254
"""RFC 5082: of a TTL that begins with 255."""

OWN_AS_MAX = 10
"""As vendors have it."""

LIMIT_MAX = 10_000_000
"""Larger than any switch or memory here could serve: a typing mistake."""
OCTETS_MAX = 2**40


class ConfigError(ValueError):
    """One sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Reflector:
    """Whom to speak BGP with."""

    address: IpAddress
    asn: int
    port: int
    hold_time_s: int
    long_lived_s: int
    """How much longer than RFC 4724 asks for routes outlive its session (RFC 9494)."""
    guard: Guard = NO_GUARD
    trust: Trust = EVERYTHING
    rt_constrain: bool = True
    """Whether it is asked for the route targets that are used here, and no others (RFC 4684)."""
    families: tuple[Family, ...] = (EVPN,)


@dataclass(frozen=True, slots=True)
class Tls:
    """What a connection with `ssl:` presents and trusts."""

    private_key: Path
    certificate: Path
    ca_cert: Path


@dataclass(frozen=True, slots=True)
class LocalSwitch:
    """Where Open vSwitch of this machine is found, and what our bridge in it is called."""

    endpoint: str = "unix:/run/openvswitch/db.sock"
    bridge: str = "br-vpn"
    integration_bridge: str = "br-int"
    datapath_type: str = ""
    """Empty: as the integration bridge has it, because patch ports join bridges of one datapath only."""
    run_dir: Path = Path("/run/openvswitch")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    host: str | None
    """The chassis' name in OVN; None: what Open vSwitch has as `external_ids:system-id`."""
    vtep: IpAddress
    router_id: IpAddress
    asn: int
    reflectors: tuple[Reflector, ...]
    switch: LocalSwitch
    southbound: tuple[str, ...]
    tls: Tls | None
    socket: Path
    metrics: Listen
    state: Path
    limits: Limits
    liveness: Liveness
    clouds: Mapping[int, Trust] = field(default_factory=dict)
    """How far other clouds are trusted, by their AS."""
    prefer: tuple[Encapsulation, ...] = PREFER
    """Of two ways to one address the first of these."""
    multipath: int = 1
    """How many PEs of other makers may share a prefix."""


class _TomlTable:
    """A table of the file that knows where it is and which of its keys were read."""

    def __init__(self, file: Path, name: str, value: object) -> None:
        self.file, self.name = file, name
        if not isinstance(value, dict):
            raise ConfigError(f"{file}: {name} must be a table")
        self._value, self._read = value, set[str]()

    def fail(self, key: str, rule: str) -> ConfigError:
        return ConfigError(f"{self.file}: {self.name}.{key} {rule}")

    def take(self, key: str, kind: Callable[[object], T], default: T | None = None) -> T:
        """The value of a key; `kind` raises ValueError with the rule. Without a default the key is required."""
        self._read.add(key)
        if key not in self._value:
            if default is None:
                raise self.fail(key, "is missing")
            return default
        try:
            return kind(self._value[key])
        except ValueError as rule:
            raise self.fail(key, str(rule)) from None

    def has(self, key: str) -> bool:
        return key in self._value

    def take_if_said(self, key: str, kind: Callable[[object], T]) -> T | None:
        """Of a key that has no default."""
        self._read.add(key)
        return self.take(key, kind) if key in self._value else None

    def done(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._value:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                raise self.fail(key, f"is not a key of this table; known are {known}")


def _reflectors(file: Path, value: object, families: tuple[Family, ...]) -> tuple[Reflector, ...]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{file}: reflectors must have at least one [[reflectors]] table")
    found: dict[IpAddress, Reflector] = {}
    for number, item in enumerate(value, 1):
        table = _TomlTable(file, f"reflectors #{number}", item)
        reflector = Reflector(
            address=table.take("address", kinds.reflector),
            asn=table.take("as", kinds.between(1, AS_MAX)),
            port=table.take("port", kinds.between(1, 65535), BGP_PORT),
            hold_time_s=table.take("hold_time_s", kinds.hold_time, 30),
            long_lived_s=table.take("long_lived_s", kinds.between(0, LONG_LIVED_MAX_S), LONG_LIVED_S),
            guard=Guard(
                password=table.take("md5_password", kinds.password, ""),
                hops=table.take("ttl_security_hops", kinds.between(0, HOPS_MAX), 0),
            ),
            trust=_trust(table),
            rt_constrain=table.take("rt_constrain", kinds.yes_or_no, True),
            families=table.take("families", kinds.families, families),
        )
        table.done()
        if reflector.address in found:
            raise table.fail("address", f"{reflector.address} is already another reflector's")
        found[reflector.address] = reflector
    return tuple(found.values())


def _trust(table: _TomlTable) -> Trust:
    return Trust(
        accept_targets=table.take_if_said("accept_targets", kinds.target_ranges),
        announce_targets=table.take_if_said("announce_targets", kinds.target_ranges),
        accept_prefixes=table.take_if_said("accept_prefixes", kinds.prefixes),
        tunnel_endpoints=table.take_if_said("tunnel_endpoints", kinds.prefixes_v4),
        allow_own_as=table.take("allow_own_as", kinds.between(0, OWN_AS_MAX), 0),
    )


def _clouds(file: Path, value: object, own_as: int) -> dict[int, Trust]:
    """Other clouds, by their AS."""
    if not isinstance(value, list):
        raise ConfigError(f"{file}: clouds must be [[clouds]] tables")
    found: dict[int, Trust] = {}
    for number, item in enumerate(value, 1):
        table = _TomlTable(file, f"clouds #{number}", item)
        asn = table.take("as", kinds.between(1, AS_MAX))
        if asn == own_as:
            raise table.fail("as", f"{asn} is our own: by its AS such a cloud is not told from this one")
        if asn in found:
            raise table.fail("as", f"{asn} is already another cloud's")
        found[asn] = Trust(
            accept_targets=table.take_if_said("accept_targets", kinds.target_ranges),
            accept_prefixes=table.take_if_said("accept_prefixes", kinds.prefixes),
            tunnel_endpoints=table.take_if_said("tunnel_endpoints", kinds.prefixes_v4),
        )
        table.done()
    return found


def _limits(table: _TomlTable) -> Limits:
    default, most = Limits(), kinds.between(1, LIMIT_MAX)
    names = ("routes_per_view", "routes_per_peer", "ports", "routes_per_target")
    hops = ("next_hops_per_peer", "next_hops_per_target")
    found = {name: table.take(name, most, getattr(default, name)) for name in (*names, *hops)}
    for name in ("paths_per_prefix", "paths_per_target"):
        found[name] = table.take(name, kinds.between(2, LIMIT_MAX), getattr(default, name))
    for name in ("octets_per_peer", "octets_per_target"):
        found[name] = table.take(name, kinds.between(1, OCTETS_MAX), getattr(default, name))
    return Limits(circuits=table.take("attachments", most, default.circuits), **found)


def _switch(table: _TomlTable) -> LocalSwitch:
    default = LocalSwitch()
    switch = LocalSwitch(
        endpoint=table.take("endpoint", kinds.endpoint, default.endpoint),
        bridge=table.take("bridge", kinds.name, default.bridge),
        integration_bridge=table.take("integration_bridge", kinds.name, default.integration_bridge),
        datapath_type=table.take("datapath_type", kinds.datapath_type, default.datapath_type),
        run_dir=table.take("run_dir", kinds.path, default.run_dir),
    )
    table.done()
    if switch.bridge == switch.integration_bridge:
        raise table.fail("bridge", "must be another bridge than integration_bridge: its whole table is ours")
    if len(switch.bridge) > 15:
        raise table.fail("bridge", "must have at most 15 characters: the kernel makes a device of that name")
    return switch


def _southbound(table: _TomlTable, ovsdb: str) -> tuple[tuple[str, ...], Tls | None]:
    """The endpoints, and the one set of certificates that every `ssl:` connection of this process uses."""
    endpoints = table.take("endpoints", kinds.endpoints)
    tls = None
    if any(e.startswith("ssl:") for e in (*endpoints, ovsdb)):
        tls = Tls(
            private_key=table.take("private_key", kinds.readable),
            certificate=table.take("certificate", kinds.readable),
            ca_cert=table.take("ca_cert", kinds.readable),
        )
        _check_certificates(table, tls)
    for key in ("private_key", "certificate", "ca_cert"):
        if tls is None and table.has(key):
            raise table.fail(key, "has no use: no endpoint begins with ssl:")
    table.done()
    return endpoints, tls


def _check_certificates(table: _TomlTable, tls: Tls) -> None:
    """What OpenSSL says of them now, it would say of every connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for key, path in (("ca_cert", tls.ca_cert), ("certificate", tls.certificate)):
        try:
            context.load_verify_locations(path)
        except ssl.SSLError:
            raise table.fail(key, f"must have certificates in PEM; {path} has none") from None
    try:
        context.load_cert_chain(tls.certificate, tls.private_key, password=lambda: " ")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise table.fail("private_key", f"does not belong to certificate {tls.certificate}") from None
        raise table.fail(
            "private_key", f"must have a key in PEM without a password; {tls.private_key} has none"
        ) from None


def parse(text: str, file: Path) -> Config:
    """The configuration that `text` says; `file` is only named in errors. Raises ConfigError."""
    try:
        whole = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside its own error: a number of thousands of digits; deep nesting
        raise ConfigError(f"{file}: not TOML: {error}") from None
    _known_tables(whole, file)
    agent = _TomlTable(file, "agent", whole.get("agent", {}))
    host = agent.take("host", kinds.name, "") or None
    vtep = agent.take("vtep", kinds.vtep)
    router_id = agent.take("router_id", kinds.router_id, vtep)
    asn = agent.take("as", kinds.between(1, AS_MAX))
    switch = _switch(_TomlTable(file, "ovsdb", whole.get("ovsdb", {})))
    southbound, tls = _southbound(_TomlTable(file, "southbound", whole.get("southbound", {})), switch.endpoint)
    names = ("bgp", "show", "metrics", "state", "limits", "liveness")
    bgp, show, metrics, state, limits, liveness = (_TomlTable(file, name, whole.get(name, {})) for name in names)
    config = Config(
        host=host,
        vtep=vtep,
        router_id=router_id,
        asn=asn,
        reflectors=_reflectors(file, whole.get("reflectors"), bgp.take("families", kinds.families, (EVPN,))),
        switch=switch,
        southbound=southbound,
        tls=tls,
        socket=show.take("socket", kinds.socket, Path("/run/isthmus/agent.sock")),
        metrics=metrics.take("listen", kinds.listen, Listen("127.0.0.1", 9179)),
        state=state.take("directory", kinds.directory, Path("/var/lib/isthmus")),
        limits=_limits(limits),
        liveness=liveness.take("mode", kinds.one_of(Liveness), Liveness.ON),
        clouds=_clouds(file, whole.get("clouds", []), asn),
        prefer=bgp.take("prefer", kinds.preference, PREFER),
        multipath=bgp.take("multipath", kinds.between(1, SPREAD_MAX), 1),
    )
    for table in (agent, bgp, show, metrics, state, limits, liveness):
        table.done()
    return config


def _known_tables(whole: Mapping[str, object], file: Path) -> None:
    tables = ("agent", "bgp", "reflectors", "clouds", "ovsdb", "southbound")
    known = (*tables, "show", "metrics", "state", "limits", "liveness")
    for name in whole:
        if name not in known:
            raise ConfigError(f"{file}: {name} is not a table of this file; known are {', '.join(known)}")


def read(file: Path) -> Config:
    """Read and check the file. Raises ConfigError."""
    try:
        text, everybody = file.read_text(encoding="utf-8"), file.stat().st_mode & stat.S_IROTH
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8 text") from None
    config = parse(text, file)
    if everybody and any(reflector.guard.password for reflector in config.reflectors):
        raise ConfigError(f"{file}: has an md5_password and is readable by everybody; chmod o-r {file}")
    return config
