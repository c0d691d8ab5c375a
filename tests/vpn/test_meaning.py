"""What sets of attributes mean, and what remembering that may take."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.heard import Heard, ases
from isthmus.model.vpn import ExtendedCommunity
from isthmus.vpn.meaning import meaning
from tests.build import attributes, speaker

SETS, OCTETS_EACH = 200, 1000
PLAIN = attributes("64512:1")


def many_extended(number: int) -> PathAttributes:
    unknown = (ExtendedCommunity(b"\x43\x99" + (number << 16 | n).to_bytes(6, "big")) for n in range(400))
    return replace(PLAIN, extended_communities=(*PLAIN.extended_communities, *unknown))


def many_communities(number: int) -> PathAttributes:
    return replace(PLAIN, communities=tuple(number << 16 | n for n in range(500)))


@pytest.mark.parametrize("made", [many_extended, many_communities])
def test_many_long_sets_of_attributes_take_no_memory_by_what_they_mean(made: Callable[[int], PathAttributes]) -> None:
    """Beyond the routes themselves, which are counted: but for a few, what they mean is worked out again each time."""
    plain = meaning(Heard.of(PLAIN), speaker())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(SETS):
            heard = Heard.of(made(number))
            assert ases(heard.common) == {64513}
            assert meaning(heard, speaker())._replace(common=plain.common) == plain
        del heard
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < OCTETS_EACH * SETS, f"{(after - before) // SETS} octets a set"
