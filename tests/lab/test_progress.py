"""What the reader sees while the lab works."""

from __future__ import annotations

import io
import re
import threading

import pytest

from isthmus.lab.crew import Job, work
from isthmus.lab.fault import Interrupted, PartFailed, Refusal
from isthmus.lab.progress import Progress, Step, live_line
from tests.eventually import eventually


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(out: io.StringIO) -> list[str]:
    return [re.sub(r"\d+\.\d", "0.0", line) for line in out.getvalue().splitlines()]


def test_each_step_is_printed_with_its_time_when_it_ends() -> None:
    out = io.StringIO()
    with Progress(out) as progress, progress.step("outer"), progress.step("inner"):
        pass
    assert lines(out) == ["   0.0 s  ok       inner", "   0.0 s  ok       outer"]


@pytest.mark.parametrize(
    ("fault", "printed"),
    [
        (PartFailed("x", "y", "z"), ["   0.0 s  failed   step"]),
        (Interrupted(), ["   0.0 s  stopped  step"]),
        (KeyboardInterrupt(), ["   0.0 s  stopped  step"]),
        (Refusal("no"), []),
    ],
)
def test_a_step_that_does_not_end_well_says_so(fault: BaseException, printed: list[str]) -> None:
    out = io.StringIO()
    with pytest.raises(type(fault)), Progress(out) as progress, progress.step("step"):
        raise fault
    assert lines(out) == printed


def test_only_what_takes_longer_is_on_the_live_line_with_what_it_waits_for() -> None:
    slow, fast = Step("Neutron of a", 10.0), Step("cables", 14.0)
    slow.note("the API to answer")
    assert live_line([slow, fast], 15.0) == "  … Neutron of a 5 s (the API to answer)"
    assert live_line([fast], 15.0) == ""


def test_a_terminal_gets_the_live_line_and_ends_without_it() -> None:
    out, over = Terminal(), threading.Event()

    def drawn() -> None:
        assert "\r" in out.getvalue()

    with Progress(out) as progress, progress.step("slow"):
        eventually(drawn)
        over.set()
    assert out.getvalue().endswith("\r\x1b[2K")


def test_jobs_wait_for_those_they_come_after_and_only_for_them() -> None:
    order: list[str] = []
    both = threading.Barrier(2, timeout=10)

    def meet(name: str) -> None:
        both.wait()
        order.append(name)

    jobs = [
        Job("last", ("left", "right"), lambda: order.append("last")),
        Job("left", (), lambda: meet("left")),
        Job("right", (), lambda: meet("right")),
    ]
    with Progress(io.StringIO()) as progress:
        work(jobs, progress, threading.Event())
    assert set(order[:2]) == {"left", "right"}
    assert order[2] == "last"


def test_a_failed_job_stops_the_rest_and_is_the_one_reported() -> None:
    stop, begun = threading.Event(), []

    def fail() -> None:
        raise PartFailed("MariaDB", "a socket", "nothing")

    def wait_for_stop() -> None:
        assert stop.wait(10)
        raise Interrupted("waiting")

    jobs = [
        Job("fails", (), fail),
        Job("waits", (), wait_for_stop),
        Job("never", ("fails",), lambda: begun.append("never")),
    ]
    with Progress(io.StringIO()) as progress, pytest.raises(PartFailed, match="MariaDB"):
        work(jobs, progress, stop)
    assert stop.is_set()
    assert begun == []
