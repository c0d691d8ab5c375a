"""What labels need of the kernel where it forwards (datapath `system`), which says nothing when it is missing.

Seen with packets on Linux 6.1 (the lab's topology `kernel`); nothing of it concerns the userspace datapath:
- A packet larger than a frame, which a machine leaves to its NIC to cut, is cut behind a label by module mpls_gso. No
  part of the kernel asks for it by itself. Without it pings pass and TCP stands still.
- All GRE ports of the switch are one device, and the first of them says what it carries: Ethernet or other packets.
- A GRE device of the machine's own towards a PE takes what comes from there before the switch does.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

CUTS_LABELLED = "mpls_gso"
THE_KERNEL, THE_DEVICE = "the kernel", "the kernel's one device for GRE"


def faults(ethernet: Iterable[str], root: Path = Path("/")) -> dict[str, str]:
    """In words, by what they are about; empty words where it is well. `ethernet`: others' GRE ports that carry it."""
    shared = ", ".join(sorted(ethernet))
    return {
        THE_KERNEL: ""
        if has(CUTS_LABELLED, root)
        else f"has no module {CUTS_LABELLED}: behind labels it loses TCP of "
        f"machines that leave cutting to their NIC; modprobe {CUTS_LABELLED}",
        THE_DEVICE: f"is for labels or for Ethernet ({shared}), whichever came first: the other's packets are lost"
        if shared
        else "",
    }


def has(module: str, root: Path = Path("/")) -> bool:
    """Whether it is loaded or built in."""
    if (root / "sys/module" / module).exists():
        return True
    try:
        built_in = (root / "lib/modules" / platform.release() / "modules.builtin").read_text()
    except OSError:
        return False
    return f"/{module}.ko" in built_in
