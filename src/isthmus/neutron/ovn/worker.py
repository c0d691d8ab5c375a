"""The process in `neutron-periodic-workers` that writes what requests have marked, at once, and makes the full passes,
when it holds the OVSDB lock.

Several control nodes run one each; the northbound server gives the lock to one of them, and to the next when that one
dies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from neutron_lib import context as neutron_context
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log as logging
from ovsdbapp import exceptions as ovsdb_exceptions

from isthmus.neutron.attachments import vpns
from isthmus.neutron.ovn import ovsdb
from isthmus.neutron.ovn.northbound import Northbound, Unavailable
from isthmus.neutron.ovn.readers import Decision, Readers, Report
from isthmus.neutron.ovn.reconciler import POLL_S, Reconciler
from isthmus.neutron.rows import forms, pools
from isthmus.neutron.words.conf import Settings
from neutron import worker

LOG = logging.getLogger(__name__)

LOCK = "isthmus_reconciler"
RETRY_S_MAX = 5.0
"""Soonest next try when there is no lock, or something failed."""


class ReconcileWorker(worker.NeutronBaseWorker):
    """Neutron starts it in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(worker_process_count=1, desc="isthmus reconciler")
        self._settings = settings
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: frozenset[str] = frozenset()
        self._next_pass = 0.0
        self._form = _Form()
        self._reconciler: tuple[Any, Northbound, Reconciler] | None = None
        """Of a connection: it says once what it says."""

    def start(self, **_ignored: Any) -> None:
        super().start(desc=self.desc)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=self.desc, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def reset(self) -> None:
        """Nothing is read again on SIGHUP."""

    def _run(self) -> None:
        api, had_lock = None, False
        while not self._stop.is_set():
            pause = min(self._settings.reconcile_interval_s, RETRY_S_MAX)
            try:
                api = api or ovsdb.connect(LOCK)
                if api.idl.has_lock != had_lock:
                    had_lock = api.idl.has_lock
                    self._next_pass = time.monotonic()
                    LOG.info("this process %s the full passes", "makes" if had_lock else "no longer makes")
                if had_lock and self._work(api):
                    pause = min(pause, POLL_S)
            except (Unavailable, db_exc.DBError, OSError) as error:
                LOG.warning("OVN is not compared, tried again in %.0f s: %s", pause, error)
            except Exception:
                LOG.exception("full pass failed, begun anew in %.0f s", pause)
                api, had_lock = self._close(api), False
            self._stop.wait(pause)

    def _work(self, api: Any) -> bool:
        """Write what is marked and, when its time has come, make a full pass; whether all that is marked was
        written."""

        def keep_on() -> bool:
            return bool(api.idl.has_lock) and not self._stop.is_set()

        if self._reconciler is None or self._reconciler[0] is not api:
            northbound = Northbound(lambda: api)
            self._reconciler = api, northbound, Reconciler(northbound, self._settings)
        _api, northbound, reconciler = self._reconciler
        written = reconciler.drain(keep_on)
        if time.monotonic() >= self._next_pass and keep_on():
            self._form.decide(northbound)
            self._full_pass(reconciler, keep_on)
            self._next_pass = time.monotonic() + self._settings.reconcile_interval_s
        return written

    @staticmethod
    def _close(api: Any) -> None:
        """The lock goes with the connection, to whoever waits for it."""
        if api is not None:
            api.ovsdb_connection.stop()

    def _full_pass(self, reconciler: Reconciler, keep_on: Callable[[], bool]) -> None:
        started = time.monotonic()
        results = reconciler.full_pass(keep_on)
        if results:
            LOG.info("full pass: %d attachments differed, %.1f s", len(results), time.monotonic() - started)
        self._look_at_pools()

    def _look_at_pools(self) -> None:
        """Say of each pool once that it is nearly empty."""
        found = {pool.what: pool for pool in pools.nearly_empty(neutron_context.get_admin_context(), self._settings)}
        for what in sorted(found.keys() - self._said):
            LOG.warning("nearly empty: %s", found[what])
        self._said = frozenset(found)


class _Form:
    """The form that rows are written in, decided by what agents report."""

    def __init__(self) -> None:
        self._reports: Any = None
        self._readers = Readers()
        self._said: object = None

    def decide(self, northbound: Northbound) -> None:
        """Without the southbound database it stays as it is. Raises Unavailable when the northbound does not answer,
        and DBError."""
        try:
            decision = self._ask()
        except (Unavailable, OSError) as error:
            self._say(str(error), "the form of rows stays as it is: %s", error)
            return
        if decision.form > forms.OLDEST:
            # They are there before anybody writes what hangs on them.
            northbound.apply({vpns.SWITCHES: (vpns.holders(decision.form).desired.rows, 0)})
        before = forms.decide(neutron_context.get_admin_context(), decision.form)
        if before != decision.form and not forms.is_newer(before):
            LOG.info("rows are written in form %d from now on, not %d", decision.form, before)
        if decision.held_up_by:
            names = ", ".join(decision.held_up_by[:10])
            self._say(decision, "rows are written in form %d: the agents of %s read no newer", decision.form, names)
        else:
            self._said = None

    def _ask(self) -> Decision:
        self._reports = self._reports or ovsdb.connect_to_reports()
        reports = [Report(r.name, dict(r.external_ids)) for r in self._rows(ovsdb.REPORTS)]
        nb_cfg = max((int(r.nb_cfg) for r in self._rows(ovsdb.GLOBAL)), default=0)
        return self._readers.decide(reports, nb_cfg, time.monotonic(), cfg.CONF.agent_down_time)

    def _rows(self, table: str) -> list[Any]:
        try:
            return list(self._reports.db_list_rows(table).execute(check_error=True))
        except (ovsdb_exceptions.OvsdbAppException, RuntimeError) as error:
            raise Unavailable(f"the southbound database did not answer as it should: {error}") from error

    def _say(self, what: object, words: str, *values: object) -> None:
        """Once, until it is something else."""
        if what != self._said:
            LOG.warning(words, *values)
        self._said = what
