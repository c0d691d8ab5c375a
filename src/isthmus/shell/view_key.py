"""The key of the numbers of views: a secret of this hypervisor's, made once and kept beside the generation.

A tenant chooses what his VPNs import, so without a secret he could look for two sets that have one number (ADR 2). With
another key every view has another number. That costs nothing while a run goes on with the sessions of the last, of all
reflectors, for it knows every route; else what only the others have said would be nowhere until they have said it
again. So a hypervisor that has run an earlier release keeps the numbers that it has until such an exchange.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection
from pathlib import Path

from isthmus.model.net import IpAddress
from isthmus.node.memory import Memory
from isthmus.shell import memory_file

log = logging.getLogger(__name__)

FILE = "view-key"
KEY_BYTES = 32


def knows_all(reflectors: Collection[IpAddress], memory: Memory | None, connections: Collection[IpAddress]) -> bool:
    """Whether the run goes on with the sessions of all of them, and each had said all it knew."""
    for address in reflectors:
        left = memory.peers.get(address) if memory is not None and address in connections else None
        if left is None or left.session is None:
            return False
        if not all(channel.in_sync for channel in left.session.channels.values()):
            return False
    return True


def view_key(directory: Path, *, goes_on: bool) -> bytes:
    """`goes_on`: whether this run knows all that the last one did (`knows_all`)."""
    file = directory / FILE
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
        if len(key) == KEY_BYTES:
            return key
        log.warning("%s holds no key; a new one is made", file)
    except FileNotFoundError:
        # There was a run before, whether or not what it left can be read.
        if (directory / memory_file.FILE).exists() and not goes_on:
            said = "until the agent is restarted by `systemctl restart` while all reflectors are in sync"
            log.info("views keep the numbers of the release before %s", said)
            return b""
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s); a new key is made", file, error)
    return _made(file)


def _made(file: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch(mode=0o600)
        fresh.chmod(0o600)
        fresh.write_text(f"{key.hex()}\n", encoding="ascii")
        fresh.replace(file)
    except OSError as error:
        log.warning("%s cannot be written (%s); views have the numbers that anybody can work out", file, error.strerror)
        return b""
    return key
