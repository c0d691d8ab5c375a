"""What a router at the far end of a VPN says of a packet comes back to whoever sent it.

The clouds' `vpn_mtu` differ (topologies/two-clouds.toml), so a packet may fit the near router and not the far one.
What OVN cannot do is said in docs/tenant/guide.md: an IPv6 packet whose hop limit ends at the far router is dropped in
silence.
"""

from __future__ import annotations

import re
import subprocess

from isthmus.lab.ladder import probe
from isthmus.lab.ladder.climb import Slipped
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.process import within
from isthmus.lab.progress import Step
from isthmus.lab.vm import Vm

FAR_ROUTER = "169.254.128.2"
"""What a router of another cloud is seen as."""
HEADERS = {4: 28, 6: 48}
"""IP and ICMP echo."""


def far_router(ground: Ground, step: Step) -> None:
    """TCP first: afterwards the senders know the size."""
    here, there = ground.vms["a-red1"], ground.vms["b-red2"]
    small, large = (_mtu(ground, cloud) for cloud in ("a", "b"))
    for one in (here, there):
        _forget_sizes(one)
    for one, other in ((there, here), (here, there)):
        ten_megabytes(one, other)
    _forget_sizes(there)
    for version, header in HEADERS.items():
        said = _ping(there, here, version, "-M", "do", "-s", str(large - header))
        if not re.search(rf"(Frag needed and DF set|Packet too big).*mtu ?= ?{small}", said):
            raise Slipped(f"{there.node} to be told by {here.node}'s router that at most {small} bytes pass", said)
    for one, other in ((there, here), (here, there)):
        said = _ping(one, other, 4, "-t", "2")
        if f"From {FAR_ROUTER}" not in said or "Time to live exceeded" not in said:
            raise Slipped(f"the second hop from {one.node} to {other.node} to be {FAR_ROUTER}", said)


def ten_megabytes(source: Vm, target: Vm) -> None:
    block = bytes(range(256)) * 4096 * 10
    for version in (4, 6):
        address = target.address(version)
        assert address is not None
        answer = probe.ask(source.node, address, stream=block)
        if answer.get("sha256") != probe.fingerprint(block):
            raise Slipped(f"10 MB over TCP from {source.node} to {target.node}, IPv{version}", str(answer))


def _mtu(ground: Ground, cloud: str) -> int:
    found = ground.lab.topology.vpn_mtu(ground.lab.topology.cloud(cloud))
    assert found is not None, "the lab's WAN carries less than its clouds"
    return found


def _forget_sizes(one: Vm) -> None:
    """What the sender has learnt of the path."""
    for family in ("-4", "-6"):
        subprocess.run(within(one.node, ["ip", family, "route", "flush", "cache"]), check=True)


def _ping(source: Vm, target: Vm, version: int, *more: str) -> str:
    address = target.address(version)
    assert address is not None
    words = ["ping", "-n", "-c", "2", "-i", "0.5", "-W", "1", *more, address]
    done = subprocess.run(within(source.node, words), capture_output=True, text=True)
    return (done.stdout + done.stderr)[-400:]
