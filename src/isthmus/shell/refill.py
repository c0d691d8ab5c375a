"""Whether what the southbound database lacks may be believed, or whether northd has yet to write it. Pure.

A database that is made anew is empty, and who is registered in it may be told so before northd has filled it: that is
no wish of the cloud. northd writes everything in one transaction, with the `nb_cfg` of the northbound database and
options of its own in SB_Global; anybody may make that row, but only northd gives it options.

Rules: who has seen no row before believes what there is. Else the row must be the one seen last, or written by northd,
and its `nb_cfg` not lower. A northbound that was restored from a backup stays lower for ever, so what northd has
written is believed after `REFILL_S` whatever its number.
"""

from __future__ import annotations

from dataclasses import dataclass

REFILL_S = 60.0
"""A northbound that goes back is believed so much later: time for an operator to load the copy he meant to, or for
Neutron's repair to fill an empty one."""


@dataclass(frozen=True, slots=True)
class Global:
    """The one row of SB_Global."""

    uuid: str
    nb_cfg: int
    by_northd: bool


class Refill:
    """What this process has seen; outlives connections."""

    def __init__(self) -> None:
        self.until: float | None = None
        """When to ask again if nothing changes."""
        self._seen: Global | None = None
        self._doubted = ("", 0.0)
        """The row that northd has written and that is not believed, and since when."""

    def doubt(self, there: Global | None, now: float) -> str:
        """Why the database is not to be believed; empty if it is."""
        why = self._why(there)
        if why and there is not None and there.by_northd:
            if self._doubted[0] != there.uuid:
                self._doubted = there.uuid, now
            self.until = self._doubted[1] + REFILL_S
            if now < self.until:
                return why
            why = ""
        self.until, self._doubted = None, ("", 0.0)
        if not why:
            self._seen = there
        return why

    def _why(self, there: Global | None) -> str:
        if self._seen is None:
            return ""
        if there is None or (there.uuid != self._seen.uuid and not there.by_northd):
            return "the southbound database was made anew, and northd has not filled it yet"
        if there.nb_cfg < self._seen.nb_cfg:
            return f"the southbound database says less than before (nb_cfg {there.nb_cfg} after {self._seen.nb_cfg})"
        return ""
