"""Whether this hypervisor is taken out of use: one empty file, so that a restart does not bring it back in.

Rules: the file is the wish; the node is told of it at the start and at each change.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "drained"


def stored(directory: Path) -> bool:
    return (directory / FILE).exists()


def store(directory: Path, wanted: bool) -> None:
    """Raises OSError: a wish that would be forgotten is not taken."""
    file = directory / FILE
    if wanted:
        directory.mkdir(parents=True, exist_ok=True)
        file.touch()
    else:
        file.unlink(missing_ok=True)
    log.info("this hypervisor is %s", "drained: nothing is announced" if wanted else "back in use")
