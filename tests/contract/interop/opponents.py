"""The speakers: how each is set up as a reflector of two clients, and how each is asked what it sees.

Every one has the same doors: what it shows of our routes, how it is made to ask for a refresh, to shut a session down
with words, what it has read of our OPEN and of our last words. A door that a product does not have says so in a
sentence, which is then the page's.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tests.contract import other_speakers, speakers
from tests.ports import free_port

ASN = 64512
NAMES = ("one", "two")
ONE, TWO, LOOPBACK_V6 = "127.0.1.1", "127.0.2.1", "::1"


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs between cases."""

    password: str = ""
    ipv6: bool = False
    hold_s: int = 9


class Missing(Exception):
    """What the product has no door for, in a sentence."""


class Opponent(ABC):
    """One product."""

    name: ClassVar[str]
    package: ClassVar[str]
    program: ClassVar[str]
    home: ClassVar[str]
    """Its address."""
    reflects: ClassVar[bool] = True

    def __init__(self) -> None:
        self.address, self.port = self.home, 0
        self.clients: tuple[str, ...] = (ONE, TWO)

    @classmethod
    def version(cls) -> str | None:
        """As its Debian package has it; None: not there."""
        if not (shutil.which(cls.program) or Path(cls.program).exists()):
            return None
        words = ["dpkg-query", "-W", "-f=${Version}", cls.package]
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        return found or "not from a package"

    @contextlib.contextmanager
    def running(self, directory: Path, setting: Setting) -> Iterator[None]:
        """With one client over IPv6, or two over IPv4."""
        self.address = LOOPBACK_V6 if setting.ipv6 else self.home
        self.clients = (LOOPBACK_V6,) if setting.ipv6 else (ONE, TWO)
        self.port = free_port(self.address)
        with self.start(directory, setting):
            yield

    @abstractmethod
    def start(self, directory: Path, setting: Setting) -> contextlib.AbstractContextManager[None]: ...

    @abstractmethod
    def shows(self) -> str:
        """What it prints of our routes, with all details."""

    @abstractmethod
    def open_read(self, client: int) -> str:
        """What it prints of the capabilities that one of our sessions has offered."""

    def ask_for_refresh(self) -> None:
        """Make it ask the first session for all routes again. Raises Missing."""
        raise Missing("has no command for it")

    def shut_down(self, text: str) -> None:
        """Make it end the first session, with these words. Raises Missing."""
        raise Missing("has no command for it")

    @abstractmethod
    def last_words(self) -> str:
        """Where what we said at the end of a session would be read."""


class Frr(Opponent):
    name, package, program, home = "FRR", "frr", str(speakers.BGPD), "127.0.0.10"
    speaker: speakers.Frr

    @contextlib.contextmanager
    def start(self, directory: Path, setting: Setting) -> Iterator[None]:
        lines = ["hostname frr", f"log file {directory}/frr.log informational", f"router bgp {ASN}"]
        lines += [f" bgp router-id {self.home}", f" bgp cluster-id {self.home}", " no bgp default ipv4-unicast"]
        lines += [" no bgp suppress-duplicates", " bgp log-neighbor-changes", " coalesce-time 0"]
        for one in self.clients:
            lines += [f" neighbor {one} remote-as {ASN}", f" neighbor {one} passive"]
            lines += [f" neighbor {one} advertisement-interval 0", f" neighbor {one} timers 3 {setting.hold_s}"]
            lines += [f" neighbor {one} password {setting.password}"] if setting.password else []
        for family in ("l2vpn evpn", "ipv4 vpn", "ipv6 vpn"):
            lines.append(f" address-family {family}")
            for one in self.clients:
                lines += [f"  neighbor {one} activate", f"  neighbor {one} route-reflector-client"]
            lines.append(" exit-address-family")
        config = "\n".join(lines) + "\n"
        with speakers.frr(
            directory, local_as=ASN, peers={}, address=self.address, port=self.port, config=config
        ) as self.speaker:
            yield

    def shows(self) -> str:
        commands = ["show bgp l2vpn evpn route detail"]
        for version, prefixes in (("ipv4", ("10.1.1.5/32", "0.0.0.0/0")), ("ipv6", ("fd01::5/128", "fd02::/64"))):
            commands += [f"show bgp {version} vpn {prefix}" for prefix in prefixes]
        return "\n".join(map(self.speaker.ask, commands))

    def open_read(self, client: int) -> str:
        return self.speaker.ask(f"show bgp neighbors {self.clients[client]} json")

    def ask_for_refresh(self) -> None:
        for family in ("l2vpn evpn", "ipv4 vpn", "ipv6 vpn"):
            self.speaker.ask(f"clear bgp {family} {self.clients[0]} soft in")

    def shut_down(self, text: str) -> None:
        self.speaker.configure(f"router bgp {ASN}", f"neighbor {self.clients[0]} shutdown message {text}")

    def last_words(self) -> str:
        log = (self.speaker.directory / "frr.log").read_text()
        return log + self.speaker.ask(f"show bgp neighbors {self.clients[0]}")


class GoBgp(Opponent):
    name, package, program, home = "GoBGP", "gobgpd", "gobgpd", "127.0.0.11"
    speaker: speakers.GoBgp

    @contextlib.contextmanager
    def start(self, directory: Path, setting: Setting) -> Iterator[None]:
        text = f'[global.config]\nas = {ASN}\nrouter-id = "{self.home}"\nport = {self.port}\n'
        text += f'local-address-list = ["{self.address}"]\n'
        for one in self.clients:
            text += f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{one}"\npeer-as = {ASN}\n'
            text += f'auth-password = "{setting.password}"\n' if setting.password else ""
            text += "[neighbors.transport.config]\npassive-mode = true\n"
            text += f"[neighbors.timers.config]\nhold-time = {setting.hold_s}\n"
            text += "idle-hold-time-after-reset = 1\n"
            text += "[neighbors.graceful-restart.config]\nenabled = true\nnotification-enabled = true\n"
            text += "restart-time = 120\n[neighbors.route-reflector.config]\nroute-reflector-client = true\n"
            text += f'route-reflector-cluster-id = "{self.home}"\n'
            for family in ("l2vpn-evpn", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast", "rtc"):
                text += f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{family}"\n'
                text += "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n"
        with speakers.gobgp(
            directory, local_as=ASN, peers={}, address=self.address, port=self.port, config=text
        ) as self.speaker:
            yield

    def shows(self) -> str:
        return "\n".join(
            self.speaker.ask(f"neighbor {self.clients[0]} adj-in -a {family}") for family in ("evpn", "vpnv4", "vpnv6")
        )

    def open_read(self, client: int) -> str:
        return self.speaker.ask(f"neighbor {self.clients[client]}").partition("Remote: restart time")[2]

    def ask_for_refresh(self) -> None:
        raise Missing("keeps what it has received, and never asks")

    def shut_down(self, text: str) -> None:
        self.speaker.ask(f"neighbor {self.clients[0]} shutdown --reason {text}")

    def last_words(self) -> str:
        return (self.speaker.directory / "gobgpd.out").read_text()


class Bird(Opponent):
    name, package, program, home = "BIRD", "bird2", "bird", "127.0.0.12"
    speaker: other_speakers.Bird

    @contextlib.contextmanager
    def start(self, directory: Path, setting: Setting) -> Iterator[None]:
        password = f'  password "{setting.password}";\n' if setting.password else ""
        config = f"""\
router id {self.home};
vpn4 table carrier4;
vpn6 table carrier6;
protocol device {{ }}
template bgp hypervisor {{
  local {self.address} port {self.port} as {ASN};
  strict bind on;
  passive on;
  multihop;
  rr client;
  rr cluster id {self.home};
  hold time {setting.hold_s};
{password}  vpn4 mpls {{ table carrier4; import all; export all; extended next hop on; }};
  vpn6 mpls {{ table carrier6; import all; export all; extended next hop on; }};
}}
"""
        for name, one in zip(NAMES, self.clients, strict=False):
            config += f"protocol bgp {name} from hypervisor {{ neighbor {one} as {ASN}; }}\n"
        with other_speakers.bird(directory, config, self.address, self.port) as self.speaker:
            yield

    def shows(self) -> str:
        return self.speaker.ask("show route all")

    def open_read(self, client: int) -> str:
        return self.speaker.ask(f"show protocols all {NAMES[client]}").partition("Neighbor capabilities")[2]

    def ask_for_refresh(self) -> None:
        self.speaker.ask("reload in one")

    def shut_down(self, text: str) -> None:
        self.speaker.ask(f'disable one "{text}"')

    def last_words(self) -> str:
        return (self.speaker.control.parent / "bird.log").read_text()


class OpenBgpd(Opponent):
    name, package, program, home = "OpenBGPD", "openbgpd", "/usr/sbin/bgpd", "127.0.0.13"
    speaker: other_speakers.OpenBgpd

    @contextlib.contextmanager
    def start(self, directory: Path, setting: Setting) -> Iterator[None]:
        config = f"""\
AS {ASN}
router-id {self.home}
listen on {self.address} port {self.port}
fib-update no
nexthop qualify via default
holdtime {setting.hold_s}
holdtime min 3
group "hypervisors" {{
  remote-as {ASN}
  passive
  route-reflector {self.home}
  announce IPv4 none
  announce IPv4 vpn
  announce IPv6 vpn
  announce restart yes
"""
        config += f'  tcp md5sig password "{setting.password}"\n' if setting.password else ""
        config += "".join(f'  neighbor {one} {{ descr "{one}" }}\n' for one in self.clients)
        config += "}\nallow from any\nallow to any\n"
        with other_speakers.openbgpd(directory, config, self.address, self.port) as self.speaker:
            yield

    def shows(self) -> str:
        return self.speaker.ask("show rib detail")

    def open_read(self, client: int) -> str:
        text = self.speaker.ask(f"show neighbor {self.clients[client]}")
        return text.partition("Neighbor capabilities")[2].partition("Negotiated")[0]

    def ask_for_refresh(self) -> None:
        self.speaker.ask(f"neighbor {self.clients[0]} refresh")

    def shut_down(self, text: str) -> None:
        self.speaker.ask(f"neighbor {self.clients[0]} down '{text}'")

    def last_words(self) -> str:
        return self.speaker.log.read_text() + self.speaker.ask(f"show neighbor {self.clients[0]}")


class ExaBgp(Opponent):
    name, package, program, home = "ExaBGP", "exabgp", "exabgp", "127.0.0.14"
    reflects = False
    speaker: other_speakers.ExaBgp

    @contextlib.contextmanager
    def start(self, directory: Path, setting: Setting) -> Iterator[None]:
        password = f'    md5-password "{setting.password}";\n' if setting.password else ""
        config = f"""\
process told {{
  run RELAY;
  encoder json;
}}
template {{
  neighbor hypervisor {{
    router-id {self.home};
    local-address {self.address};
    local-as {ASN};
    peer-as {ASN};
    hold-time {setting.hold_s};
    passive true;
{password}    capability {{ route-refresh enable; graceful-restart 120; }}
    family {{ ipv4 mpls-vpn; ipv6 mpls-vpn; l2vpn evpn; }}
    api {{
      processes [ told ];
      neighbor-changes;
      receive {{ parsed; open; update; notification; refresh; }}
    }}
  }}
}}
"""
        config += "".join(f"neighbor {one} {{ inherit hypervisor; }}\n" for one in self.clients)
        with other_speakers.exabgp(directory, config, self.address, self.port) as self.speaker:
            yield

    def events(self, kind: str, client: int = 0) -> list[Any]:
        """What it has heard from one session."""
        neighbors = [event["neighbor"] for event in self.speaker.events() if event["type"] == kind]
        return [one for one in neighbors if one["address"]["peer"] == self.clients[client]]

    def say(self, command: str) -> None:
        """To the second session."""
        self.speaker.tell(f"neighbor {self.clients[-1]} {command}")

    def shows(self) -> str:
        return json.dumps(self.events("update"))

    def open_read(self, client: int) -> str:
        return json.dumps([one["open"] for one in self.events("open", client) if one["direction"] == "receive"])

    def shut_down(self, text: str) -> None:
        self.speaker.tell(f"neighbor {self.clients[0]} teardown 2")
        raise Missing("its API takes a number and no words")

    def last_words(self) -> str:
        return json.dumps(self.events("notification")) + self.speaker.log.read_text()


OPPONENTS: tuple[type[Opponent], ...] = (Frr, GoBgp, Bird, OpenBgpd, ExaBgp)
