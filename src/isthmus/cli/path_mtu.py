"""How large a packet the underlay carries whole to a tunnel's far end, as the kernel here learns it.

One datagram that must not be fragmented is sent to the discard port. A router that cannot pass it says so and how much
it can (RFC 1191), and the kernel remembers; the far end refuses the port, which says that it came through.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import NamedTuple

DISCARD_PORT = 9
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
"""linux/in.h; Python's socket module has no names for them."""
HEADERS = 28
"""IPv4 and UDP."""
VXLAN_OVERHEAD = 50
"""IPv4, UDP, VXLAN and the inner Ethernet header (RFC 7348)."""
GRE_OVERHEAD, LABEL_OVERHEAD = 24, 4
"""IPv4 and GRE without a key (RFC 4023), and each label behind them."""
ANSWER_S = 0.3
TRIES_MAX = 4
"""Each narrower link of the path is told of once."""


class Path(NamedTuple):
    """MTUs: of our own link, and of the whole way."""

    link: int
    whole: int

    @property
    def narrow(self) -> bool:
        return self.whole < self.link

    def remark(self, far: str, labels: int = 0) -> str:
        """What it means for machines behind it. `labels`: how many go before each packet; 0: they go in VXLAN."""
        inner = self.whole - (GRE_OVERHEAD + labels * LABEL_OVERHEAD if labels else VXLAN_OVERHEAD)
        sentence = f"the underlay to {far} carries {self.whole} bytes, so of a virtual machine packets of {inner}"
        return f"{sentence}: the plugin's vpn_mtu must be at most that"


def measure(near: str, far: str) -> Path | None:
    """None when this machine is not the near end, or the way is not over IPv4."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        try:
            probe.bind((near, 0))
            probe.connect((far, DISCARD_PORT))
        except OSError:
            return None
        link = mtu = _mtu(probe)
        for _ in range(TRIES_MAX):
            with contextlib.suppress(OSError):  # an answer to the last one: refused, or too big
                probe.send(bytes(mtu - HEADERS))
            select.select([probe], [], [], ANSWER_S)
            before, mtu = mtu, _mtu(probe)
            if mtu == before:
                break
    return Path(link, mtu)


def _mtu(probe: socket.socket) -> int:
    return probe.getsockopt(socket.IPPROTO_IP, IP_MTU)
