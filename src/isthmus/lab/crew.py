"""Jobs that wait for one another only where they must: each starts when those it comes after have ended.

The first job that fails stops the rest: jobs not begun are dropped, waits under way end (`stop`), and the failure is
raised once all threads are back, so nothing goes on behind the user's back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from isthmus.lab.progress import Progress

WORKERS_MAX = 16


@dataclass(frozen=True, slots=True)
class Job:
    """`after` names the jobs that must have ended well before."""

    name: str
    after: tuple[str, ...]
    run: Callable[[], None]


def work(jobs: Sequence[Job], progress: Progress, stop: threading.Event) -> None:
    """Run all jobs. Raises the first failure."""
    waiting = {job.name: job for job in jobs}
    for job in jobs:
        assert set(job.after) <= waiting.keys(), f"{job.name} comes after a job that does not exist"
    ended: set[str] = set()
    under_way: dict[Future[None], str] = {}
    with ThreadPoolExecutor(WORKERS_MAX, thread_name_prefix="crew") as pool:
        try:
            while waiting or under_way:
                for job in [j for j in waiting.values() if ended.issuperset(j.after)]:
                    under_way[pool.submit(_timed, job, progress)] = waiting.pop(job.name).name
                assert under_way, f"jobs wait for one another: {sorted(waiting)}"
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    ended.add(under_way.pop(future))
                    future.result()
        except BaseException:
            stop.set()
            raise


def _timed(job: Job, progress: Progress) -> None:
    with progress.step(job.name):
        job.run()
