"""What OVN has otherwise than the database says, in words, and one repair for everything.

Log and repair look with the same eyes; repair is the reconciler's own full pass. While requests are served, the two
databases are read a moment apart: only what differs twice, a second apart, is called a difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from neutron_lib import context as neutron_context

from isthmus.model.delta import diff
from isthmus.neutron.attachments import settling
from isthmus.neutron.attachments.desired import Key, Row, Settled
from isthmus.neutron.commands.sync import leftovers
from isthmus.neutron.ovn.northbound import Northbound, complete
from isthmus.neutron.ovn.reconciler import Reconciler
from isthmus.neutron.words.conf import Settings

BACKEND = "ovn"
"""Other backends say themselves what differs."""
SECOND_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Repaired:
    """What differed, and what still does."""

    found: list[str]
    left: list[str]


class Sync:
    """The database and OVN, side by side."""

    def __init__(self, northbound: Northbound, settings: Settings) -> None:
        self._northbound, self._settings = northbound, settings

    def look(self) -> list[str]:
        """A line for each difference; nothing is changed. Raises Unavailable and oslo.db's DBError."""
        faults = leftovers.look(neutron_context.get_admin_context(), self._settings)
        return faults + self._steady()

    def repair(self) -> Repaired:
        """The same, then right it and look again. Raises Unavailable and oslo.db's DBError."""
        faults = leftovers.right(neutron_context.get_admin_context(), self._settings)
        found = self._steady()
        Reconciler(self._northbound, self._settings).full_pass()
        return Repaired(faults + found, self.look())

    def _steady(self) -> list[str]:
        first = self._differences()
        if not first:
            return []
        time.sleep(SECOND_LOOK_S)
        again = set(self._differences())
        return [line for line in first if line in again]

    def _differences(self) -> list[str]:
        context = neutron_context.get_admin_context()
        survey = settling.survey(context, self._settings.cloud)
        if not survey:
            return ["a newer release of Isthmus decides how rows are written: this one compares none"]
        found = self._northbound.strays()
        for name in sorted(set(survey) | self._northbound.attachments()):
            there = self._northbound.rows(name)
            if name not in survey:
                lines = [f"nothing is associated, but OVN has {_row(key)}" for key in sorted(there)]
                lines = lines or ["nothing is associated, but OVN has rows that say they are its own"]
            else:
                lines = list(_lines(survey[name], there))
            found += [f"{name}: {line}" for line in lines]
        return found


def _lines(settled: Settled | None, there: Mapping[Key, Row]) -> Iterator[str]:
    if settled is None:
        yield "its associations, or what they rest on, have changed, and OVN has not been told"
        return
    plan = diff(complete(settled.desired.rows), there)
    for key in sorted(plan.put):
        if key in there:
            old = dict(there[key])
            columns = [column for column, value in plan.put[key] if old.get(column) != value]
            yield f"{_row(key)} differs in {', '.join(columns)}"
        else:
            yield f"{_row(key)} is missing"
    for key in sorted(plan.delete):
        yield f"{_row(key)} should not be there"


def _row(key: Key) -> str:
    return f"{key.table.value} {key.name}" + (f" of {key.parent}" if key.parent else "")
