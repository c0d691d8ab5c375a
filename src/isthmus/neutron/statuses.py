"""`status`, `status_reason` and `status_details` beside the other attributes of an answer.

Rule: nothing is read for whoever asks for other fields only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.neutron import apidef, observed
from isthmus.neutron.backend import Backend
from isthmus.neutron.conf import Settings
from isthmus.neutron.observed import Ref
from isthmus.neutron.status import Verdict
from isthmus.neutron.values import AnyAssociation, Association

Answer = dict[str, Any]


class Statuses:
    """Adds to answers what was asked for."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self._backend, self._cloud = backend, settings.cloud

    def bgpvpns(
        self, context: Any, ids: Sequence[str], answers: Sequence[Answer], fields: Any = None, *, exact: bool = False
    ) -> list[Answer]:
        """The answers about these BGPVPNs, in their order; `exact` where only one was asked for."""
        if not (wanted := _wanted(fields)) or not ids:
            return list(answers)
        verdicts = observed.bgpvpn_verdicts(context, self._backend, self._cloud, ids, exact=exact)
        return [answer | _shown(verdicts[i], wanted) for i, answer in zip(ids, answers, strict=True)]

    def associations(
        self,
        context: Any,
        found: Sequence[Association | AnyAssociation],
        answers: Sequence[Answer],
        fields: Any = None,
        *,
        exact: bool = False,
    ) -> list[Answer]:
        """The answers about these associations, in their order."""
        if not (wanted := _wanted(fields)) or not found:
            return list(answers)
        refs = [Ref(a.id, a.kind, a.bgpvpn, a.target) for a in found]
        verdicts = observed.association_verdicts(context, self._backend, self._cloud, refs, exact=exact)
        return [answer | _shown(verdicts[a.id], wanted) for a, answer in zip(found, answers, strict=True)]


def _wanted(fields: Any) -> set[str]:
    return set(apidef.STATUS_ATTRIBUTES) & set(fields) if fields else set(apidef.STATUS_ATTRIBUTES)


def _shown(verdict: Verdict, wanted: set[str]) -> Answer:
    whole = {"status": verdict.status.value, "status_reason": verdict.reason, "status_details": verdict.details}
    return {name: value for name, value in whole.items() if name in wanted}
