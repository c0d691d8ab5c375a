"""A breath of the fuzzer, and what it has found once; the long run is `make fuzz` (docs/design/simulation.md)."""

from __future__ import annotations

import pytest

from tests.fuzz.engine import Finding, once, plainly
from tests.fuzz.measure import TooMuch, within_bounds
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

INPUTS = {"session": 150, "node": 60, "next-run": 200}
"""One of theirs is two sessions, a node with two, the beginning of a node."""

FOUND = [
    # Label 0 with an unused bit, above another: it was read as a stack of two and written as one that ends with the
    # first, so the next process took the labels behind it for a route distinguisher.
    ("vpnv4", "78000002000000" + "00010a3c00090010" + "0a"),
    ("vpnv6", "78000002" + 12 * "00"),
]


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_nothing_is_raised_and_everything_means_what_it_meant(target: Target) -> None:
    plainly(target, number=1, inputs=INPUTS.get(target.name, 1500))


@pytest.mark.parametrize(("target", "octets"), FOUND)
def test_what_was_found_once(target: str, octets: str) -> None:
    once(TARGETS[target], bytes.fromhex(octets))


def test_a_fault_is_found_and_said_how_to_see_again() -> None:
    def run(raw: bytes) -> None:
        assert 7 not in raw

    with pytest.raises(Finding, match=r"again: python -m tests.fuzz --target dummy --again [0-9a-f]*07"):
        plainly(Target("dummy", lambda: [b"\x05"], lambda chance, raw: raw + chance.randbytes(1), run), 1, 10_000)


@pytest.mark.parametrize("run", [lambda raw: [str(n) for n in range(len(raw) ** 2)], lambda raw: bytes(10**8)])
def test_what_costs_more_than_its_length_excuses_is_found(run: object) -> None:
    with pytest.raises(TooMuch):
        within_bounds(run, bytes(600))  # type: ignore[arg-type]
