"""Bringing OVN to what the database says: one attachment at once after a change, all of them on a timer.

Level, not edge: a call names an attachment that may have changed, and what is done follows from the database and the
northbound rows as they are now; a call too many writes nothing, a call that got lost is made good by the next full
pass. Of several who settle one attachment the later wins: the drawing in docs/design/neutron.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from neutron_lib import context as neutron_context
from neutron_lib import exceptions as neutron_exceptions
from oslo_db import exception as db_exc
from oslo_log import log as logging

from isthmus.model.delta import diff
from isthmus.neutron.attachments import settling
from isthmus.neutron.attachments.desired import Skipped, Unserved
from isthmus.neutron.ovn.northbound import Northbound, Outcome, Unavailable, complete
from isthmus.neutron.words.conf import Settings

LOG = logging.getLogger(__name__)

ROUNDS_MAX = 5
"""Times that an attachment is written anew because others settle it meanwhile; the full pass does the rest."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attachment."""

    attachment: str
    outcome: Outcome
    written: int = 0
    removed: int = 0
    skipped: tuple[Skipped, ...] = ()


class Reconciler:
    """Owns nothing but the way to the northbound database and what it has said already."""

    def __init__(self, northbound: Northbound, settings: Settings) -> None:
        self._northbound = northbound
        self._settings = settings
        self._said: dict[str, tuple[Outcome, tuple[Skipped, ...]]] = {}

    def converge(self, attachment: str) -> Result:
        """Bring one attachment to OVN. Raises Unavailable, NeutronException (no number left) and oslo.db's DBError."""
        written = removed = 0
        for _round in range(ROUNDS_MAX):
            seen = self._northbound.revision(attachment)
            context = neutron_context.get_admin_context()
            settled = settling.settle(context, attachment, self._settings.cloud, seen)
            applied = self._northbound.apply(attachment, settled.desired.rows, settled.revision)
            if applied.outcome is Outcome.WRITTEN:
                written, removed = written + len(applied.plan.put), removed + len(applied.plan.delete)
            if applied.outcome is not Outcome.NEWER and settling.revision(context, attachment) <= settled.revision:
                break
        outcome = Outcome.WRITTEN if written or removed else applied.outcome
        return self._tell(Result(attachment, outcome, written, removed, settled.desired.skipped))

    def deliver(self, attachments: Collection[str]) -> None:
        """After a commit: what cannot be written now is left to the full pass, and said."""
        for attachment in sorted(attachments):
            try:
                self._attempt(attachment)
            except Unavailable as error:
                # Each further try would wait for the same database, and a request waits for all of them.
                LOG.warning("%d attachments are not in OVN yet, the next full pass tries: %s", len(attachments), error)
                return

    def _attempt(self, attachment: str) -> Result | None:
        """None when this one cannot be settled; the others may. Raises Unavailable."""
        try:
            return self.converge(attachment)
        except (db_exc.DBError, neutron_exceptions.NeutronException) as error:
            LOG.warning("%s is not in OVN yet, the next full pass tries again: %s", attachment, error)
            return None

    def full_pass(self, keep_on: Callable[[], bool] = lambda: True) -> list[Result]:
        """Compare everything, then converge what differs, and what has no right to be there.

        One attachment that cannot be written does not keep the others from it. Raises Unavailable and DBError when
        there is nothing to compare with.
        """
        found = settling.survey(neutron_context.get_admin_context(), self._settings.cloud)
        results = []
        for attachment in sorted(set(found) | self._northbound.attachments()):
            if not keep_on():
                break
            settled = found.get(attachment)
            if settled is not None and not self._differs(attachment, settled):
                self._tell(Result(attachment, Outcome.UNCHANGED, skipped=settled.desired.skipped))
                continue
            result = self._attempt(attachment)
            if result is not None:
                results.append(result)
        return results

    def _differs(self, attachment: str, settled: settling.Settled) -> bool:
        return bool(diff(complete(settled.desired.rows), self._northbound.rows(attachment)))

    def _tell(self, result: Result) -> Result:
        """Log what was done; what is left out or waited for once, until it changes."""
        if result.outcome is Outcome.WRITTEN:
            LOG.info("%s: %d rows written, %d removed", result.attachment, result.written, result.removed)
        said = (result.outcome, result.skipped)
        if result.outcome is Outcome.WAITING and self._said.get(result.attachment) != said:
            LOG.warning("%s: %s", result.attachment, result.outcome.value)
        for skipped in result.skipped:
            loud = bool(skipped.what) or skipped.why is Unserved.TOO_LARGE
            if loud and skipped not in self._said.get(result.attachment, (None, ()))[1]:
                what = skipped.what or "the whole attachment"
                LOG.warning("%s: %s is left out: %s", result.attachment, what, skipped.why.value)
        self._said[result.attachment] = said
        return result
