"""What it is worth to an agent that its reflector is asked for targets (RFC 4684): a start in a cloud of 100,000 routes
of which it imports one in a hundred, with and without, by turns.

    behind GoBGP                         of those tried the only one to speak it: what a cloud would see today
    behind one that answers at once      octets made before (answering.py): what of that is the agent's own

Each start is a process of its own: the real core and session, and a switch that obeys at once. Measured from the
session's coming up to the last flow, processor time of agent and GoBGP in that span, memory of the process. Writes its
section of docs/figures.md. Run: python -m benchmarks.asked [--rounds N] [--profile]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.build import ip
from tests.contract.speakers import GoBgp, LiveSession, gobgp
from tests.eventually import eventually

from benchmarks import page
from benchmarks.answering import ADDRESS, HOLD_S, ROUTES_EACH, TARGETS, Prompt, said
from benchmarks.machine import Run, version
from benchmarks.octets import ASN
from benchmarks.samples import ms, table
from benchmarks.starting import LIMIT_S, Ran, Reflector, Start
from isthmus.bgp.family import EVPN
from isthmus.bgp.session import SessionConfig

ROOT = Path(__file__).parent.parent
FEEDER = "127.0.1.1"
ROUNDS, TURNS = 3, 5
"""With GoBGP, and in each of them with the other one, which takes little time."""
GOBGP, AT_ONCE = "GoBGP", "one that answers at once"


class How(NamedTuple):
    """How many targets are imported, and whether the reflector is asked for them."""

    imported: int
    asked: bool


ASKED, ALL, FOR_ONE = How(10, True), How(10, False), How(1, True)
Starts = dict[tuple[str, How], list[Start]]
"""By who reflects, and how it was."""
AIM_TIME, AIM_MEMORY = 1 / 20, 1 / 10
DEFERRAL_S = 8
"""As docs/operator/install.md has it. Nobody waits for it: an agent says at once that its memberships were all."""
IDLE_S = 0.1
"""Of processor time in half a second, with what it takes to ask."""


def fill(peer: GoBgp, feeder: LiveSession) -> None:
    """All routes of the cloud."""
    for number in range(TARGETS):
        feeder.session.send_routes(said(number))
        feeder.pump(0)

    def full() -> None:
        feeder.pump(0.05)
        held = peer.ask("global rib summary -a evpn")
        assert f"{TARGETS * ROUTES_EACH}" in held, held

    eventually(full, within=LIMIT_S, every=0.5)


def rest(peer: GoBgp, feeder: LiveSession) -> None:
    """Until GoBGP is done with whoever came last: else the next one pays for that."""
    spent = 0.0

    def rested() -> None:
        nonlocal spent
        feeder.pump(0.05)
        before, spent = spent, Ran.of(peer.process.pid).cpu
        assert spent - before < IDLE_S, f"GoBGP is at work still: {spent - before:.1f} s of processor time"

    eventually(rested, within=LIMIT_S, every=0.5)


def started(number: int, reflector: Reflector, how: How, *more: str) -> str:
    """What a start in a process of its own prints."""
    said = [json.dumps(one) for one in (number, reflector, *how)]
    words = [sys.executable, "-m", "benchmarks.starting", *said, *more]
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S * 2).stdout


SPAN, REFLECTOR_CPU = "Established to the last flow", "GoBGP's processor time in that span"
AGENT_CPU, MEMORY, ROUTES = "processor time of the agent", "memory of the agent", "routes remembered"


def medians(starts: Starts, who: str, of: Callable[[Start], float]) -> tuple[float, float]:
    """Asked, and not asked."""
    one, other = (statistics.median(of(start) for start in starts[who, how]) for how in (ASKED, ALL))
    return one, other


def text(run: Run, starts: Starts) -> str:
    rounds = len(starts[GOBGP, ASKED])
    about = (
        f"A start in a cloud of {TARGETS * ROUTES_EACH:,} routes with {TARGETS:,} targets, of which {ASKED.imported} "
        f"are imported; medians of {rounds} rounds by turns ({TURNS} times as many behind the script), a process each. "
        "Of the reflectors tried GoBGP alone speaks RT-Constrain. The other one is a script with all octets made "
        "before: what a start takes behind it is the agent's own."
    )
    head = ("behind", "what", "asked for targets (RFC 4684)", "not asked", "ratio")
    said = run.sentence(f"GoBGP {version('gobgpd', '--version')}")
    return "\n\n".join([said, about, table(head, rows(starts)), _share(starts), aims(starts)])


def rows(starts: Starts) -> Iterator[tuple[str, ...]]:
    for who in (GOBGP, AT_ONCE):
        yield _row(who, SPAN, *medians(starts, who, lambda one: one.seconds), as_ms)
        if who == GOBGP:
            yield _row(who, REFLECTOR_CPU, *medians(starts, who, lambda one: one.reflector_cpu), as_ms)
        yield _row(who, AGENT_CPU, *medians(starts, who, lambda one: one.cpu), as_ms)
        yield _row(who, MEMORY, *medians(starts, who, lambda one: one.memory), as_mb)
        yield who, ROUTES, *(f"{one:,.0f}" for one in medians(starts, who, lambda one: one.routes)), ""


def _share(starts: Starts) -> str:
    """Whose the time behind GoBGP is."""
    span, _ = medians(starts, GOBGP, lambda one: one.seconds)
    theirs, _ = medians(starts, GOBGP, lambda one: one.reflector_cpu)
    ours, _ = medians(starts, GOBGP, lambda one: one.cpu)
    waited, _ = medians(starts, GOBGP, lambda one: one.reflector_waited)
    for_one = statistics.median(one.reflector_cpu for one in starts[GOBGP, FOR_ONE])
    return (
        f"Behind GoBGP a start that asks takes {as_ms(span)}. In that span GoBGP uses {as_ms(theirs)} of processor "
        f"time, which its threads together wait {as_ms(waited)} for on this machine, and the agent {as_ms(ours)}. "
        "GoBGP has all routes and is idle before. It looks through all of them for each target that it is asked for: "
        f"for one target instead of {ASKED.imported} it takes {as_ms(for_one)} (each agent asks for one more, that of "
        "beacons)."
    )


def aims(starts: Starts) -> str:
    found = [
        _verdict(f"{SPAN}, behind {AT_ONCE}", *medians(starts, AT_ONCE, lambda one: one.seconds), AIM_TIME),
        _verdict(f"{SPAN}, behind {GOBGP}", *medians(starts, GOBGP, lambda one: one.seconds), AIM_TIME),
    ]
    for who in (AT_ONCE, GOBGP):
        found.append(_verdict(f"{AGENT_CPU}, behind {who}", *medians(starts, who, lambda one: one.cpu), AIM_TIME))
        found.append(_verdict(f"{MEMORY}, behind {who}", *medians(starts, who, lambda one: one.memory), AIM_MEMORY))
    return "Aims. " + " ".join(found)


def as_ms(seconds: float) -> str:
    return f"{ms(seconds)} ms"


def as_mb(octets: float) -> str:
    return f"{octets / 2**20:.1f} MB"


def _row(who: str, what: str, mine: float, all_: float, say: Callable[[float], str]) -> tuple[str, ...]:
    return who, what, say(mine), say(all_), f"{mine / all_:.3f}" if all_ else ""


def _verdict(what: str, mine: float, all_: float, aim: float) -> str:
    return f"{what}: {mine / all_:.3f}, aim {aim:.2f}, {'met' if mine / all_ <= aim else '**not met**'}."


@contextlib.contextmanager
def reflectors() -> Iterator[tuple[Reflector, Reflector, Callable[[], None]]]:
    """GoBGP and the other, with the whole cloud in them; and what waits for GoBGP to be at rest."""
    with contextlib.ExitStack() as stack:
        prompt = stack.enter_context(Prompt())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asked")))
        clients = {"127.0.0.0/16": ASN}
        peer = stack.enter_context(gobgp(home, local_as=ASN, peers=clients, hold_s=HOLD_S, rtc_deferral_s=DEFERRAL_S))
        config = SessionConfig(ASN, ASN, ip("10.9.0.1"), (EVPN,), HOLD_S)
        feeder = stack.enter_context(LiveSession(config, peer.address, peer.port, FEEDER))
        eventually(feeder.pump_until_up)
        fill(peer, feeder)
        slow = Reflector(GOBGP, peer.address, peer.port, peer.process.pid)
        yield slow, Reflector(AT_ONCE, ADDRESS, prompt.port), lambda: rest(peer, feeder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asked")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--profile", action="store_true", help="only where a start's time goes that asks; writes nothing"
    )
    words = parser.parse_args()
    if words.profile:
        with Prompt() as prompt:
            print(started(0, Reflector(AT_ONCE, ADDRESS, prompt.port), ASKED, "--profile"))
        return
    run = Run()
    starts: Starts = defaultdict(list)
    with reflectors() as (slow, prompt, at_rest):
        for _ in range(words.rounds):
            for one, how in (*product([slow], (FOR_ONE, ASKED, ALL)), *product([prompt] * TURNS, (ASKED, ALL))):
                at_rest()
                number = sum(map(len, starts.values()))
                starts[one.name, how].append(Start(**json.loads(started(number, one, how))))
                print(one.name, how, starts[one.name, how][-1], file=sys.stderr, flush=True)
    found = text(run, starts)
    page.write(page.ASKED, found)
    print(found)


if __name__ == "__main__":
    main()
