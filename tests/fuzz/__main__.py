"""`python -m tests.fuzz [--target NAME] [--inputs N | --seconds S]`: decoders with inputs that nobody would send.

Where atheris is installed (`.venv-fuzz`) coverage leads; elsewhere, or with `--plain`, only chance does. Each target
has a process of its own, because libFuzzer leaves none behind. `--again HEX` is one input again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.engine import Finding, once, plainly, with_coverage


def main() -> int:
    arguments = _arguments()
    guided = not arguments.plain and arguments.again is None and importlib.util.find_spec("atheris") is not None
    if guided and arguments.target is not None:
        import atheris

        instrumented: contextlib.AbstractContextManager[object] = atheris.instrument_imports(include=["isthmus"])
    else:
        instrumented = contextlib.nullcontext()
    with instrumented:
        from tests.fuzz.targets import TARGETS
    if arguments.target is None:
        return max([_in_a_process_of_its_own(name, arguments) for name in TARGETS])
    target = TARGETS[arguments.target]
    until = time.monotonic() + arguments.seconds if arguments.seconds is not None else float("inf")
    inputs = arguments.inputs or (20_000 if arguments.seconds is None else sys.maxsize)
    if guided:
        with_coverage(target, arguments.seed, inputs, until, Path(arguments.corpus) if arguments.corpus else None)
    try:
        if arguments.again is not None:
            once(target, bytes.fromhex(arguments.again))
            tried = 1
        else:
            tried = plainly(target, arguments.seed, inputs, until)
    except Finding as finding:
        print(finding)
        return 1
    print(f"tried {tried}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Every decoder, with inputs at random.")
    parser.add_argument("--target", metavar="NAME", help="one of them (default: all, one after the other)")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--inputs", type=int, metavar="N", help="for each target (default 20000)")
    much.add_argument("--seconds", type=float, metavar="S", help="for each target")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="chance begins here (default 1)")
    parser.add_argument("--plain", action="store_true", help="without coverage, though it could be had")
    parser.add_argument("--corpus", metavar="DIR", help="where inputs that reach something new are kept")
    parser.add_argument("--again", metavar="HEX", help="this input, and no other")
    return parser.parse_args()


def _in_a_process_of_its_own(name: str, arguments: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--seed", str(arguments.seed)]
    for option in ("inputs", "seconds"):
        if (value := getattr(arguments, option)) is not None:
            command += [f"--{option}", str(value)]
    command += ["--plain"] if arguments.plain else []
    if arguments.corpus is not None:
        (Path(arguments.corpus) / name).mkdir(parents=True, exist_ok=True)
        command += ["--corpus", str(Path(arguments.corpus) / name)]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tried = re.search(r"^tried (\d+)$", done.stdout, re.MULTILINE)
    print(f"{name:14} {tried[1] if tried else '?':>9} inputs {time.monotonic() - begun:7.1f} s", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
