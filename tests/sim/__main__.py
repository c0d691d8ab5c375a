"""`python -m tests.sim --seed N --steps M [--trace]` or `--seeds A-B`: run histories, print the first thing wrong."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim.course import Course


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Seeded histories of two joined clouds.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, metavar="N")
    which.add_argument("--seeds", metavar="A-B", help="all seeds from A to B")
    parser.add_argument("--steps", type=int, default=5000, metavar="M", help="for each seed (default 5000)")
    parser.add_argument("--trace", action="store_true", help="print the whole story")
    arguments = parser.parse_args()
    seeds = [arguments.seed] if arguments.seeds is None else _range(arguments.seeds)
    begun, steps, rests, fates, failed = time.monotonic(), 0, 0, 0, 0
    actions: Counter[str] = Counter()
    for seed in seeds:
        course = Course(seed, trace=print if arguments.trace else None)
        fault = course.run(arguments.steps)
        tally = course.sim.tally
        steps, rests, fates = steps + course.line.steps, rests + tally.rests, fates + tally.fates
        actions.update(tally.actions)
        if len(seeds) == 1:
            print(f"the history's digest: {course.line.digest:08x}")
        if fault is not None:
            failed += 1
            print(f"{fault}\nagain: python -m tests.sim --seed {seed} --steps {arguments.steps} --trace\n", flush=True)
    seconds = time.monotonic() - begun
    print(f"{len(seeds)} seeds, {failed} failed; {steps} steps, {sum(actions.values())} actions and scenes,")
    print(f"{rests} rests, {fates} fates compared; {seconds:.1f} s, {steps / max(seconds, 0.001):.0f} steps/s")
    print(", ".join(f"{name} {count}" for name, count in sorted(actions.items())))
    return 1 if failed else 0


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


if __name__ == "__main__":
    sys.exit(main())
