"""Bringing OVN to what the database says: after a change, when they are marked, and all of them on a timer.

Level, not edge: a call names an attachment that may have changed, and what is done follows from the database and the
northbound rows as they are now; a call too many writes nothing, a call that got lost is made good by the next full
pass. Of several who settle one attachment the later wins: the drawing in docs/design/neutron.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from neutron_lib import context as neutron_context
from neutron_lib import exceptions as neutron_exceptions
from oslo_db import exception as db_exc
from oslo_log import log as logging

from isthmus.model.delta import Plan, diff
from isthmus.neutron.attachments import settling, vpns
from isthmus.neutron.attachments.desired import Settled, Skipped, Unserved
from isthmus.neutron.ovn.northbound import Applied, Northbound, Outcome, Seen, Unavailable, complete
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
        self._left_all = False

    def converge(self, attachments: Collection[str]) -> list[Result]:
        """Bring these attachments and BGPVPNs to OVN, in one transaction there. Raises Unavailable, NeutronException
        (no number left) and oslo.db's DBError."""
        found = {name: Result(name, Outcome.UNCHANGED) for name in attachments}
        pending, context = set(attachments), neutron_context.get_admin_context()
        referred, needed = set[str](), dict[str, frozenset[str]]()
        for _round in range(ROUNDS_MAX):
            seen = self._northbound.seen(pending)
            settled = self._settle(context, seen)
            referred.update(*(one.bgpvpns for one in seen.values()))
            needed |= {name: one.desired.bgpvpns for name, one in settled.items()}
            applied = self._apply(context, settled)
            latest = _latest(context, pending)
            for name in pending:
                found[name] = found[name].after(applied[name], settled[name].desired.skipped)
            pending = {
                name
                for name in pending
                if applied[name].outcome is Outcome.NEWER or latest[name] > settled[name].revision
            }
            if not pending:
                break
        self._let_go(context, referred.difference(*needed.values()))
        return [self._tell(found[name]) for name in sorted(found)]

    def _settle(self, context: Any, seen: Mapping[str, Seen]) -> dict[str, Settled]:
        """All of them, each kind as it is settled."""
        own = {name: one.revision for name, one in seen.items() if vpns.is_one(name)}
        places = {name: one for name, one in seen.items() if name not in own and name != vpns.SWITCHES}
        settled = vpns.settle(context, own) if own else {}
        if vpns.SWITCHES in seen:
            settled[vpns.SWITCHES] = vpns.settle_holders(context)
        if places:
            revisions = {name: one.revision for name, one in places.items()}
            beside = {name: one.highest for name, one in places.items()}
            settled |= settling.settle(context, revisions, self._settings.cloud, beside=beside)
        return settled

    def _apply(self, context: Any, settled: Mapping[str, Settled]) -> dict[str, Applied]:
        """Rows of BGPVPNs that are lacking are written in the same transaction; nothing refers to what has no place."""
        lacking = self._northbound.lacks(set[str]().union(*(one.desired.bgpvpns for one in settled.values())))
        homeless = {bgpvpn for bgpvpn, has_place in lacking.items() if not has_place}
        more = {vpns.name_of(bgpvpn): 0 for bgpvpn in lacking if vpns.name_of(bgpvpn) not in settled}
        whole = {**settled, **(vpns.settle(context, more) if more else {})}
        done = {name: Applied(Outcome.LEFT, Plan()) for name, one in whole.items() if one.left}
        for name, one in whole.items():
            if not homeless.isdisjoint(one.desired.bgpvpns):
                done[name] = Applied(Outcome.WAITING, Plan())
        writes = {n: (one.desired.rows, one.revision) for n, one in whole.items() if n not in done}
        return done | self._northbound.apply(writes)

    def _let_go(self, context: Any, bgpvpns: Collection[str]) -> None:
        """BGPVPNs that are no longer referred to from where they were: their rows may go. While others have yet to be
        written, perhaps because of the same change, that waits until they are."""
        names = sorted(map(vpns.name_of, bgpvpns))
        if names and dirty.any_is(context):
            dirty.put(context, names)
        elif names:
            self.converge(names)

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
        if not found:
            return self._leave_all()
        results: list[Result] = []
        for attachment in _in_order(found, self._northbound.attachments()):
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

    def _leave_all(self) -> list[Result]:
        if not self._left_all:
            LOG.warning("a newer release of Isthmus decides how rows are written: this one writes none")
        self._left_all = True
        return []

    def _differs(self, attachment: str, settled: Settled) -> bool:
        return bool(diff(complete(settled.desired.rows), self._northbound.rows(attachment)))

    def _tell(self, result: Result) -> Result:
        """Log what was done; what is left out or waited for once, until it changes."""
        if result.outcome is Outcome.WRITTEN:
            LOG.info("%s: %d rows written, %d removed", result.attachment, result.written, result.removed)
        said = (result.outcome, result.skipped)
        if result.outcome in (Outcome.WAITING, Outcome.LEFT) and self._said.get(result.attachment) != said:
            LOG.warning("%s: %s", result.attachment, result.outcome.value)
        for skipped in result.skipped:
            loud = bool(skipped.what) or skipped.why is Unserved.TOO_LARGE
            if loud and skipped not in self._said.get(result.attachment, (None, ()))[1]:
                what = skipped.what or "the whole attachment"
                LOG.warning("%s: %s is left out: %s", result.attachment, what, skipped.why.value)
        self._said[result.attachment] = said
        return result


def _latest(context: Any, names: Collection[str]) -> dict[str, int]:
    """The revisions last given."""
    own = {name for name in names if vpns.is_one(name)}
    found = {vpns.SWITCHES: 0} | vpns.latest(context, own)
    return found | settling.revisions(context, set(names) - own)


def _in_order(found: Mapping[str, Settled | None], there: Collection[str]) -> list[str]:
    """A row is there before what refers to it, and goes after: the switches of BGPVPNs, BGPVPNs, attachments, then
    BGPVPNs that go, and last the switches."""
    holders = found.get(vpns.SWITCHES)
    wanted = holders is not None and bool(holders.desired.rows)

    def place(name: str) -> tuple[int, str]:
        if name == vpns.SWITCHES:
            return (0 if wanted else 4), name
        if not vpns.is_one(name):
            return 2, name
        settled = found.get(name)
        stays = name in found and (settled is None or bool(settled.desired.rows))
        return (1 if wanted and stays else 3), name

    return sorted({*found, *there}, key=place)
