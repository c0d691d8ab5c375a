"""BGP speakers for contract tests: FRR's bgpd and GoBGP as processes on loopback, and a session of ours on a socket.

Both foreign speakers take peers that dial, their AS told by the prefix they dial from: of their own AS as a route
reflector takes its clients, of another AS as a fabric does (next hop unchanged). Peers are told apart by their source
address, so each session of ours binds its own. Nothing touches the kernel's routes; ports are free ones; what is
started is stopped. FRR takes no route with a next hop in 127.0.0.0/8.

    with frr(tmp_path, local_as=64512, peers={ANYBODY: 64512}) as reflector:
        with LiveSession(config, reflector.address, reflector.port, source="127.0.1.1") as ours:
            eventually(ours.pump_until_up)
            reflector.ask("show bgp l2vpn evpn summary json")
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.bgp.session import (
    Closed,
    Connected,
    ConnectFailed,
    Dial,
    Down,
    Hangup,
    Output,
    Received,
    RefreshRequested,
    Routes,
    Send,
    Session,
    SessionConfig,
    Start,
    State,
    Stop,
    Up,
)
from isthmus.bgp.update import Update
from isthmus.model.net import IpAddress
from isthmus.shell.tcp_guard import NO_GUARD, Guard
from tests.eventually import eventually
from tests.ports import free_port

BGPD = Path("/usr/lib/frr/bgpd")
ANYBODY = "127.0.0.0/8"
STOP_WITHIN_S = 5.0


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block lasts; its output is in `log`."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _socket_family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listens(address: str, port: int, log: Path) -> None:
    with socket.socket(_socket_family(address)) as probe:
        probe.settimeout(1)
        assert probe.connect_ex((address, port)) == 0, f"nobody listens at {address}:{port}: {log.read_text()[-500:]}"


@dataclass(frozen=True, slots=True)
class Frr:
    """A running bgpd without zebra."""

    address: str
    port: int
    directory: Path
    process: subprocess.Popen[bytes]

    def ask(self, command: str) -> str:
        """What vtysh would print. The vty socket ends each answer with three zero octets and a status."""
        return self._type(command)

    def configure(self, *lines: str) -> None:
        """As `configure terminal` and these lines."""
        self._type("configure terminal", *lines)

    def _type(self, *lines: str) -> str:
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(10)
            vty.connect(str(self.directory / "bgpd.vty"))
            for line in ("enable", *lines):
                vty.sendall(line.encode() + b"\0")
                answer = b""
                while len(answer) < 4 or answer[-4:-1] != b"\0\0\0":
                    piece = vty.recv(65536)
                    assert piece, f"bgpd closed its vty over '{line}'"
                    answer += piece
        return answer[:-4].decode()

    def ask_json(self, command: str) -> Any:
        return json.loads(self.ask(command))


def frr_config(address: str, local_as: int, peers: Mapping[str, int], hold_s: int) -> str:
    """A reflector (same AS) or a fabric's neighbour (another AS) for EVPN; router-id and cluster-id are its address."""
    lines = ["hostname frr", "log stdout errors", f"router bgp {local_as}", f" bgp router-id {address}"]
    lines += [f" bgp cluster-id {address}", " no bgp default ipv4-unicast", " no bgp ebgp-requires-policy"]
    family = []
    for number, (prefix, peer_as) in enumerate(peers.items()):
        group = f"neighbor PE{number}"
        role = "route-reflector-client" if local_as == peer_as else "attribute-unchanged next-hop"
        lines += [f" {group} peer-group", f" {group} remote-as {peer_as}", f" {group} passive"]
        lines += [f" {group} timers {hold_s // 3} {hold_s}", f" {group} advertisement-interval 0"]
        lines += [f" bgp listen range {prefix} peer-group PE{number}"]
        family += [f"  {group} activate", f"  {group} {role}"]
    lines += [" bgp listen limit 500", " address-family l2vpn evpn", *family, " exit-address-family"]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def frr(
    directory: Path,
    *,
    local_as: int,
    peers: Mapping[str, int],
    address: str = "127.0.0.10",
    port: int = 0,
    hold_s: int = 30,
    config: str = "",
) -> Iterator[Frr]:
    """FRR's bgpd. `config` replaces the built-in configuration; a `port` brings a killed one back where it was."""
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port(address)
    file, log = directory / "bgpd.conf", directory / "bgpd.out"
    file.write_text(config or frr_config(address, local_as, peers, hold_s))
    command = [str(BGPD), "-Z", "-S", "-f", str(file), "-i", str(directory / "bgpd.pid")]
    command += ["--vty_socket", str(directory), "-l", address, "-p", str(port), "-P", "0"]
    with running(command, log) as process:
        eventually(lambda: listens(address, port, log))
        yield Frr(address, port, directory, process)


@dataclass(frozen=True, slots=True)
class GoBgp:
    """A running gobgpd."""

    address: str
    port: int
    api_port: int
    directory: Path
    process: subprocess.Popen[bytes]

    def ask(self, command: str) -> str:
        """What `gobgp` prints."""
        words = ["gobgp", "-u", _api_address(self.address), "-p", str(self.api_port), *command.split()]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout

    def ask_json(self, command: str) -> Any:
        return json.loads(self.ask(f"-j {command}"))


def _api_address(address: str) -> str:
    """Where its gRPC is: it has no way to be told an IPv6 address for that."""
    return "127.0.0.1" if ":" in address else address


GRACEFUL = """\
[peer-groups.afi-safis.mp-graceful-restart.config]
  enabled = true
"""
"""Of a family: keep its routes while the peer restarts. GoBGP does for EVPN what FRR 8.4 does not."""

LONG_LIVED = """\
[peer-groups.afi-safis.long-lived-graceful-restart.config]
  enabled = true
  restart-time = 60
"""
"""And for long (RFC 9494); the time is what GoBGP asks for its own routes."""


def rt_constrain(deferral_s: int | None) -> str:
    """RFC 4684; with a deferral GoBGP waits so long for a client's memberships before it says that this was all."""
    if deferral_s is None:
        return ""
    family = '[[peer-groups.afi-safis]]\n[peer-groups.afi-safis.config]\n  afi-safi-name = "rtc"\n'
    wait = f"[peer-groups.afi-safis.route-target-membership.config]\n  deferral-time = {deferral_s}\n"
    return family + (wait if deferral_s else "")


def gobgp_config(
    address: str,
    port: int,
    local_as: int,
    peers: Mapping[str, int],
    hold_s: int,
    graceful: bool = False,
    long_lived: bool = False,
    rtc_deferral_s: int | None = None,
) -> str:
    """As `frr_config`. Between ASes GoBGP is a route server, which leaves next hops and paths alone."""
    text = f"""\
[global.config]
  as = {local_as}
  router-id = "{address}"
  port = {port}
  local-address-list = ["{address}"]
"""
    for number, (prefix, peer_as) in enumerate(peers.items()):
        if local_as == peer_as:
            role = f'[peer-groups.route-reflector.config]\nroute-reflector-client = true\n\
route-reflector-cluster-id = "{address}"'
        else:
            role = "[peer-groups.route-server.config]\nroute-server-client = true"
        text += f"""
[[peer-groups]]
[peer-groups.config]
  peer-group-name = "pe{number}"
  peer-as = {peer_as}
{role}
[peer-groups.timers.config]
  hold-time = {hold_s}
[peer-groups.graceful-restart.config]
  enabled = true
  restart-time = 30
  notification-enabled = {str(graceful).lower()}
  long-lived-enabled = {str(long_lived).lower()}
[[peer-groups.afi-safis]]
[peer-groups.afi-safis.config]
  afi-safi-name = "l2vpn-evpn"
{GRACEFUL if graceful else ""}{LONG_LIVED if long_lived else ""}{rt_constrain(rtc_deferral_s)}[[dynamic-neighbors]]
[dynamic-neighbors.config]
  prefix = "{prefix}"
  peer-group = "pe{number}"
"""
    return text


@contextlib.contextmanager
def gobgp(
    directory: Path,
    *,
    local_as: int,
    peers: Mapping[str, int],
    address: str = "127.0.0.11",
    port: int = 0,
    hold_s: int = 30,
    config: str = "",
    graceful: bool = False,
    long_lived: bool = False,
    rtc_deferral_s: int | None = None,
) -> Iterator[GoBgp]:
    """GoBGP's daemon; `graceful` keeps EVPN routes of a client that restarts, `long_lived` those of one that stays
    away; `rtc_deferral_s` is as `rt_constrain` has it."""
    directory.mkdir(parents=True, exist_ok=True)
    api = _api_address(address)
    port, api_port = port or free_port(address), free_port(api)
    file, log = directory / "gobgpd.toml", directory / "gobgpd.out"
    file.write_text(
        config or gobgp_config(address, port, local_as, peers, hold_s, graceful, long_lived, rtc_deferral_s)
    )
    command = ["gobgpd", "-f", str(file), "--api-hosts", f"{api}:{api_port}", "--pprof-disable", "-p"]
    with running(command, log) as process:
        if api == address:  # over IPv6 who knocks counts as the peer, and the peer has to wait for seconds after that
            eventually(lambda: listens(address, port, log))
        eventually(lambda: listens(api, api_port, log))
        yield GoBgp(address, port, api_port, directory, process)


class LiveSession:
    """A session of ours on a blocking socket, moved by `pump`."""

    def __init__(self, config: SessionConfig, address: str, port: int, source: str, guard: Guard = NO_GUARD) -> None:
        self.session, self._guard = Session(config), guard
        self.events: list[Up | Down | Routes | RefreshRequested] = []
        self._target, self._source = (address, port), source
        self._socket: socket.socket | None = None

    def __enter__(self) -> LiveSession:
        self.session.handle(Start(), time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        self.session.handle(Stop(), time.monotonic())
        self.flush()
        assert self._socket is None, "a stopped session holds no connection"

    @property
    def updates(self) -> list[Update]:
        return [event.update for event in self.events if isinstance(event, Routes)]

    @property
    def downs(self) -> list[Down]:
        return [event for event in self.events if isinstance(event, Down)]

    def flush(self) -> None:
        """Do what the session asks for."""
        while outputs := self.session.outputs():
            for output in outputs:
                self._do(output)

    def _do(self, output: Output) -> None:
        match output:
            case Dial():
                self._dial()
            case Hangup():
                self._hang_up()
            case Send(data):
                if self._socket is not None:
                    with contextlib.suppress(OSError):  # the read that follows says Closed
                        self._socket.sendall(data)
            case Up() | Down() | Routes() | RefreshRequested():
                self.events.append(output)

    def _dial(self) -> None:
        connection = socket.socket(_socket_family(self._source))
        connection.settimeout(2)
        connection.bind((self._source, 0))
        if connection.family is socket.AF_INET:  # as the agent, which dials over nothing else
            self._guard.put_on(connection, IpAddress.parse(self._target[0]))
        try:
            connection.connect(self._target)
        except OSError as error:
            connection.close()
            self.session.handle(ConnectFailed(str(error)), time.monotonic())
            return
        self._socket = connection
        self.session.handle(Connected(), time.monotonic())

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def abandon(self) -> None:
        """As a process that dies: the connection goes without a word, and the session stays down."""
        self._hang_up()
        self.session.handle(Closed("abandoned"), time.monotonic())
        self.session.handle(Stop(), time.monotonic())

    def pump(self, within: float = 0.05) -> None:
        """One step: what is asked, what arrives (waiting a little for it), what is due."""
        self.flush()
        if self._socket is None:
            select.select([], [], [], within)
        elif select.select([self._socket], [], [], within)[0]:
            try:
                data = self._socket.recv(262144)
            except OSError as error:
                self._lost(str(error))
            else:
                self.session.handle(Received(data), time.monotonic()) if data else self._lost("end of stream")
        self.session.tick(time.monotonic())
        self.flush()

    def _lost(self, why: str) -> None:
        self._hang_up()
        self.session.handle(Closed(why), time.monotonic())

    def pump_until_up(self) -> None:
        """For `eventually`: one step, and whether the session stands."""
        self.pump()
        assert self.session.state is State.ESTABLISHED, f"{self.session.state}: {self.session.counters.last_error}"
