"""Bringing OVN to what the database says: after a change, when they are marked, and all of them on a timer.

Level, not edge: a call names an attachment that may have changed, and what is done follows from the database and the
northbound rows as they are now; a call too many writes nothing, a call that got lost is made good by the next full
pass. Of several who settle one attachment the later wins: the drawing in docs/design/neutron.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from neutron_lib import context as neutron_context
from neutron_lib import exceptions as neutron_exceptions
from oslo_db import exception as db_exc
from oslo_log import log as logging

from isthmus.model.delta import diff
from isthmus.neutron.attachments import settling
from isthmus.neutron.attachments.desired import Skipped, Unserved
from isthmus.neutron.ovn.northbound import Applied, Northbound, Outcome, Unavailable, complete
from isthmus.neutron.rows import dirty
from isthmus.neutron.words.conf import Settings

LOG = logging.getLogger(__name__)

BATCH = 50
"""Attachments that the worker settles and writes in one transaction."""
POLL_S = 0.5
"""How often it is looked for what is marked: a statement that finds nothing, by a key."""
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

    def after(self, applied: Applied, skipped: tuple[Skipped, ...]) -> Result:
        """With one more round."""
        written, removed = self.written, self.removed
        if applied.outcome is Outcome.WRITTEN:
            written, removed = written + len(applied.plan.put), removed + len(applied.plan.delete)
        outcome = Outcome.WRITTEN if written or removed else applied.outcome
        return Result(self.attachment, outcome, written, removed, skipped)


class Reconciler:
    """Owns nothing but the way to the northbound database and what it has said already."""

    def __init__(self, northbound: Northbound, settings: Settings) -> None:
        self._northbound = northbound
        self._settings = settings
        self._said: dict[str, tuple[Outcome, tuple[Skipped, ...]]] = {}

    def converge(self, attachments: Collection[str]) -> list[Result]:
        """Bring these attachments to OVN, in one transaction there. Raises Unavailable, NeutronException (no number
        left) and oslo.db's DBError."""
        found = {name: Result(name, Outcome.UNCHANGED) for name in attachments}
        pending, context = set(attachments), neutron_context.get_admin_context()
        for _round in range(ROUNDS_MAX):
            settled = settling.settle(context, self._northbound.revisions(pending), self._settings.cloud)
            applied = self._northbound.apply({n: (s.desired.rows, s.revision) for n, s in settled.items()})
            latest = settling.revisions(context, pending)
            for name in pending:
                found[name] = found[name].after(applied[name], settled[name].desired.skipped)
            pending = {
                name
                for name in pending
                if applied[name].outcome is Outcome.NEWER or latest[name] > settled[name].revision
            }
            if not pending:
                break
        return [self._tell(found[name]) for name in sorted(found)]

    def deliver(self, attachments: Collection[str]) -> None:
        """After a commit: what cannot be written now is left to the full pass, and said."""
        try:
            self._attempt(attachments)
        except Unavailable as error:
            LOG.warning("%d attachments are not in OVN yet, the next full pass tries: %s", len(attachments), error)

    def drain(self, keep_on: Callable[[], bool] = lambda: True) -> bool:
        """Write what is marked, BATCH attachments a transaction; whether all of it could be. Raises Unavailable,
        DBError."""
        context, failed = neutron_context.get_admin_context(), set[str]()
        while keep_on():
            marks = dirty.oldest(context, BATCH + len(failed))
            marks = {name: marked for name, marked in marks.items() if name not in failed}
            if not marks:
                break
            done = {result.attachment for result in self._attempt(marks)}
            failed |= marks.keys() - done
            dirty.clear(context, {name: marked for name, marked in marks.items() if name in done})
        return not failed

    def _attempt(self, attachments: Collection[str]) -> list[Result]:
        """Those that could be settled; one that cannot does not keep the others from it. Raises Unavailable."""
        if not attachments:
            return []
        try:
            return self.converge(attachments)
        except (db_exc.DBError, neutron_exceptions.NeutronException) as error:
            if len(attachments) > 1:
                return [result for name in sorted(attachments) for result in self._attempt([name])]
            [name] = attachments
            LOG.warning("%s is not in OVN yet, the next full pass tries again: %s", name, error)
            return []

    def full_pass(self, keep_on: Callable[[], bool] = lambda: True) -> list[Result]:
        """Write what is marked, compare everything, then converge what differs, and what has no right to be there.

        One attachment that cannot be written does not keep the others from it, and what is marked meanwhile does not
        wait for the end. Raises Unavailable and DBError when there is nothing to compare with.
        """
        self.drain(keep_on)
        found, drained = settling.survey(neutron_context.get_admin_context(), self._settings.cloud), time.monotonic()
        results: list[Result] = []
        for attachment in sorted(set(found) | self._northbound.attachments()):
            if not keep_on():
                break
            if time.monotonic() - drained >= POLL_S:
                self.drain(keep_on)
                drained = time.monotonic()
            settled = found.get(attachment)
            if settled is not None and not self._differs(attachment, settled):
                self._tell(Result(attachment, Outcome.UNCHANGED, skipped=settled.desired.skipped))
                continue
            results += self._attempt([attachment])
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
