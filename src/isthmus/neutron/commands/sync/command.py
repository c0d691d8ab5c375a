"""isthmus-db-sync: what differs between Neutron's database and OVN about BGPVPNs, and the repair of it.

Exit codes: 0 nothing differs (any more), 1 something does, 2 nothing could be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from oslo_config import cfg

from isthmus.neutron.commands import from_files
from isthmus.neutron.commands.sync.drift import BACKEND, Sync
from isthmus.neutron.ovn import ovsdb
from isthmus.neutron.ovn.northbound import Northbound
from isthmus.neutron.words.conf import BadConfiguration

LOG, REPAIR = "log", "repair"
IN_SYNC, DIFFERS = 0, 1

_OPTIONS = [
    cfg.StrOpt(
        "sync_mode",
        positional=True,
        required=False,
        default=LOG,
        choices=[LOG, REPAIR],
        metavar="log|repair",
        help="log (the default) prints a line for each difference and changes nothing; repair also rights it.",
    ),
]
_USAGE = (
    "%(prog)s [--config-file FILE]... [log|repair]\n\n"
    "Give the files that Neutron's server is given, with those that have [database], [ovn] and [isthmus]."
)


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    return from_files.guarded(lambda: _run(words))


def _run(arguments: Sequence[str]) -> int:
    settings = from_files.read(arguments, _OPTIONS, _USAGE)
    if settings.backend != BACKEND:
        raise BadConfiguration(f"[isthmus] backend = {settings.backend}: this command compares with OVN only")
    api = ovsdb.connect()
    try:
        sync = Sync(Northbound(lambda: api), settings)
        return _log(sync) if cfg.CONF.sync_mode == LOG else _repair(sync)
    finally:
        api.ovsdb_connection.stop()


def _log(sync: Sync) -> int:
    found = sync.look()
    for line in found:
        print(line)
    print(f"{len(found)} differences" if found else "in sync")
    return DIFFERS if found else IN_SYNC


def _repair(sync: Sync) -> int:
    repaired = sync.repair()
    for line in repaired.found:
        print(f"found: {line}")
    for line in repaired.left:
        print(f"left: {line}")
    print(f"{len(repaired.found)} differences found, {len(repaired.left)} left")
    return DIFFERS if repaired.left else IN_SYNC
