"""The ways in to our commands. What they need is imported late: Neutron's libraries announce their own future on
stderr while they are imported, and a command says only what concerns its user."""

from __future__ import annotations

import warnings


def db_sync() -> int:
    """isthmus-db-sync."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from isthmus.neutron.commands.sync import command
    return command.main()


def import_bgpvpn() -> int:
    """isthmus-import-bgpvpn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from isthmus.neutron.commands.upstream import command
    return command.main()
