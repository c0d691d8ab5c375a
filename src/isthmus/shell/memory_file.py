"""The file in which one run of the agent leaves its memory to the next (node/memory.py says what is in it).

Rules: whole or not at all, also when the machine dies while it is written. A first line names the boot of the machine:
across a reboot no connection lives, and no clock can be compared. Without a readable file a run begins like the first.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from isthmus.node.handed_on import decode, encode
from isthmus.node.memory import BadMemory, Memory, PeerMemory

log = logging.getLogger(__name__)

FILE = "memory"
BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """A name for the time since the machine started."""
    return BOOT.read_text(encoding="ascii").strip()


def write(directory: Path, memory: Memory) -> None:
    """Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / FILE
    fresh = file.with_suffix(".new")
    fresh.write_bytes(boot().encode() + b"\n" + encode(memory))
    fresh.chmod(0o600)
    fresh.replace(file)


def read(directory: Path) -> Memory | None:
    """None when there is nothing to read; that is logged unless there was never anything."""
    file = directory / FILE
    try:
        when, _, text = file.read_bytes().partition(b"\n")
        memory = decode(text)
    except FileNotFoundError:
        return None
    except (OSError, BadMemory) as error:
        log.warning("%s is not used: %s", file, getattr(error, "strerror", None) or error)
        return None
    return memory if when.decode(errors="replace") == boot() else _of_another_boot(memory)


def without_sessions(memory: Memory) -> Memory:
    return replace(memory, peers={address: PeerMemory(left.told) for address, left in memory.peers.items()})


def _of_another_boot(memory: Memory) -> Memory:
    """What peers were told stays true; who was there may be gone."""
    return replace(without_sessions(memory), at=0.0, answers={})
