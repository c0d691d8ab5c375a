"""The key of the numbers of views: a secret of this hypervisor's, made once and kept beside the generation.

A tenant chooses what his VPNs import, so without a secret he could look for two sets that have one number (ADR 2). With
another key every view has another number. That costs nothing while a run goes on with the sessions of the last, for it
knows every route; else a view would be empty until the reflectors have said theirs. So a hypervisor that has run an
earlier release keeps the numbers that it has until its first exchange.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "view-key"
KEY_BYTES = 32


def view_key(directory: Path, *, has_run: bool, goes_on: bool) -> bytes:
    """`has_run`: whether there was a run before on this hypervisor; `goes_on`: whether this one has its sessions."""
    file = directory / FILE
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
        if len(key) == KEY_BYTES:
            return key
        log.warning("%s holds no key; a new one is made", file)
    except FileNotFoundError:
        if has_run and not goes_on:
            log.info("views keep the numbers of the release before until the agent is restarted by `systemctl restart`")
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
