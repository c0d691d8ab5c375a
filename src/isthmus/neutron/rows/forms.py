"""The form in which the rows of OVN are written (`model/intent`): one number for the cloud.

The reconcile worker decides it (`ovn/readers.py`), everybody who settles reads it in the same transaction.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from isthmus.model.intent import WRITES
from isthmus.neutron.rows import models

OLDEST = 1
"""What every agent reads: nobody has decided yet."""

_THE_ROW = 1


def in_force(session: Any) -> int:
    """`session` may be a connection."""
    return _read(session, _query())


def held(session: Any) -> int:
    """The same, and it stays so until the end of the transaction: what is changed here, the survey after the next
    decision sees."""
    return _read(session, _query().with_for_update(read=True))


def _query() -> Any:
    return sa.select(models.IntentForm.form).where(models.IntentForm.id == _THE_ROW)


def _read(session: Any, query: Any) -> int:
    form = session.scalar(query)
    return OLDEST if form is None else int(form)


def numbered(form: int) -> bool:
    """Whether the cloud gives a number to each pair: the first form has no words for one without. Later the hypervisor
    gives it, and one that is there stays."""
    return form == OLDEST


def is_newer(form: int) -> bool:
    """Whether a newer release than this one decided it: then this one writes nothing."""
    return form > WRITES


@db_api.retry_if_session_inactive()
def decide(context: Any, form: int) -> int:
    """Write it from now on. The form until now; one that a newer release has decided stays."""
    with db_api.CONTEXT_WRITER.using(context):
        row = context.session.get(models.IntentForm, _THE_ROW, with_for_update=True)
        if row is None:
            context.session.add(models.IntentForm(id=_THE_ROW, form=form))
            return OLDEST
        before = int(row.form)
        if not is_newer(before):
            row.form = form
        return before
