"""`status`, `status_reason` and `status_details` beside the other attributes of an answer, and `status` as a filter.

The database knows no status: with that filter it is asked for everything that the other filters let through
(`unlimited`), and the page is cut from what has the status (`bgpvpns_of`, `associations_of`).

An administrator who looks at one BGPVPN also reads in its details which of the cloud's pools are nearly empty.

Rule: nothing is read for whoever asks for other fields only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from isthmus.neutron.attachments.backend import Backend
from isthmus.neutron.rows import pools
from isthmus.neutron.rows.paging import Listing
from isthmus.neutron.state import observed
from isthmus.neutron.state.status import Verdict
from isthmus.neutron.words import apidef
from isthmus.neutron.words.conf import Settings
from isthmus.neutron.words.values import AnyAssociation, Association, Bgpvpn, Ref

Answer = dict[str, Any]
Verdicts = Mapping[str, Verdict]
"""By id."""
_Bound = TypeVar("_Bound", Association, AnyAssociation)
_Found = TypeVar("_Found", Bgpvpn, Association, AnyAssociation)
STATUS, DETAILS = "status", "status_details"
POOLS_S = 10.0
"""How old what is said of the pools may be: an administrator's tools ask often, and counting is not free."""


def unlimited(asked: Listing) -> Listing:
    """What the database is asked for."""
    return replace(asked, limit=None) if STATUS in asked.filters else asked


class Statuses:
    """Adds to answers what was asked for."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self._backend, self._cloud, self._settings = backend, settings.cloud, settings
        self._notices: tuple[float, list[Answer]] = (-POOLS_S, [])

    def bgpvpns_of(self, context: Any, asked: Listing, found: list[Bgpvpn]) -> tuple[list[Bgpvpn], Verdicts | None]:
        """Of an `unlimited` list, what was asked for, with the verdicts if that took any."""
        if STATUS not in asked.filters or not found:
            return found, None
        verdicts = self._of_bgpvpns(context, [b.id for b in found], exact=False)
        return _page(asked, found, verdicts), verdicts

    def associations_of(
        self, context: Any, asked: Listing, found: list[_Bound]
    ) -> tuple[list[_Bound], Verdicts | None]:
        """The same."""
        if STATUS not in asked.filters or not found:
            return found, None
        verdicts = self._of_associations(context, found, exact=False)
        return _page(asked, found, verdicts), verdicts

    def bgpvpns(
        self,
        context: Any,
        ids: Sequence[str],
        answers: Sequence[Answer],
        fields: Any = None,
        *,
        exact: bool = False,
        known: Verdicts | None = None,
    ) -> list[Answer]:
        """The answers about these BGPVPNs, in their order; `exact` where only one was asked for, `known` where the
        verdicts are there already."""
        if not (wanted := _wanted(fields)) or not ids:
            return list(answers)
        verdicts = known or self._of_bgpvpns(context, ids, exact=exact)
        told = [answer | _shown(verdicts[i], wanted) for i, answer in zip(ids, answers, strict=True)]
        if exact and DETAILS in wanted and context.is_admin:
            for answer in told:
                answer[DETAILS] += self._of_pools(context)
        return told

    def _of_pools(self, context: Any) -> list[Answer]:
        """A line for each pool that is nearly empty: it concerns no hypervisor."""
        now = time.monotonic()
        if now - self._notices[0] >= POOLS_S:
            found = pools.nearly_empty(context, self._settings)
            self._notices = now, [{"host": "", "state": "warning", "reason": str(pool)} for pool in found]
        return self._notices[1]

    def associations(
        self,
        context: Any,
        found: Sequence[Association | AnyAssociation],
        answers: Sequence[Answer],
        fields: Any = None,
        *,
        exact: bool = False,
        known: Verdicts | None = None,
    ) -> list[Answer]:
        """The answers about these associations, in their order."""
        if not (wanted := _wanted(fields)) or not found:
            return list(answers)
        verdicts = known or self._of_associations(context, found, exact=exact)
        return [answer | _shown(verdicts[a.id], wanted) for a, answer in zip(found, answers, strict=True)]

    def _of_bgpvpns(self, context: Any, ids: Sequence[str], *, exact: bool) -> Verdicts:
        return observed.bgpvpn_verdicts(context, self._backend, self._cloud, ids, exact=exact)

    def _of_associations(self, context: Any, found: Sequence[Association | AnyAssociation], *, exact: bool) -> Verdicts:
        refs = [Ref(a.id, a.kind, a.bgpvpn, a.target) for a in found]
        return observed.association_verdicts(context, self._backend, self._cloud, refs, exact=exact)


def _page(asked: Listing, found: list[_Found], verdicts: Verdicts) -> list[_Found]:
    """`found` is in the order of the answer, also where the page is the one before the marker."""
    kept = [one for one in found if verdicts[one.id].status in asked.filters[STATUS]]
    if not asked.limit:
        return kept
    return kept[-asked.limit :] if asked.reverse else kept[: asked.limit]


def _wanted(fields: Any) -> set[str]:
    return set(apidef.STATUS_ATTRIBUTES) & set(fields) if fields else set(apidef.STATUS_ATTRIBUTES)


def _shown(verdict: Verdict, wanted: set[str]) -> Answer:
    whole = {"status": verdict.status.value, "status_reason": verdict.reason, DETAILS: verdict.details}
    return {name: value for name, value in whole.items() if name in wanted}
