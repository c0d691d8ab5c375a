"""What labels need of the kernel where it forwards (datapath `system`), which says nothing when it is missing.

Seen with packets on Linux 6.1 (the lab's topology `kernel`); nothing of it concerns the userspace datapath:
- A packet larger than a frame, which a machine leaves to its NIC to cut, is cut behind a label by module mpls_gso. No
  part of the kernel asks for it by itself. Without it pings pass and TCP stands still.
- All GRE ports of the switch are one device. It carries Ethernet, and then no label, if another GRE port of the switch
  was there first, or if the machine has a GRE device of its own for anybody (`external`): no error says so.
- A GRE device of the machine's own towards a PE takes what comes from there before the switch does.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

CUTS_LABELLED = "mpls_gso"
DEVICE, ETHERNET = "gre_sys", "1"
"""The switch's name for its GRE device, and ARPHRD_ETHER (linux/if_arp.h)."""
THE_KERNEL, THE_DEVICE = "the kernel", f"the kernel's one device for GRE, {DEVICE},"
LOOK_S = 5.0
"""No database says that any of this has changed."""
ROOT = Path("/")


def faults(ethernet: Iterable[str]) -> dict[str, str]:
    """In words, by what they are about; empty words where it is well. `ethernet`: others' GRE ports that carry it."""
    others = ", ".join(sorted(ethernet))
    cuts = f"has no module {CUTS_LABELLED}: behind labels it loses TCP of machines that leave cutting to their NIC"
    module, device = "" if has(CUTS_LABELLED) else cuts, ""
    if carries_ethernet():
        whose = others or "a GRE device of the machine"
        device = f"carries Ethernet, so no label ({whose}): only one of both is possible"
    elif others:
        device = f"carries labels, so no Ethernet ({others}), until the switch starts the next time: then by chance"
    return {THE_KERNEL: module, THE_DEVICE: device}


def carries_ethernet() -> bool:
    """Whether the GRE device is there and of the wrong kind."""
    try:
        return (ROOT / "sys/class/net" / DEVICE / "type").read_text().strip() == ETHERNET
    except OSError:
        return False


def has(module: str) -> bool:
    """Whether it is loaded or built in."""
    if (ROOT / "sys/module" / module).exists():
        return True
    try:
        built_in = (ROOT / "lib/modules" / platform.release() / "modules.builtin").read_text()
    except OSError:
        return False
    return f"/{module}.ko" in built_in
