"""What `isthmus why` says of every pair of machines in every broken world, against what becomes of a packet.

A path that is called whole lets packets pass, both ways; a path that lets them pass is called whole, or what is named
does not stop packets. So no fault beside a path is blamed for it, and none on it is overlooked.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from isthmus.cli.verdict import Cause
from isthmus.cli.why import why
from tests.faults.clouds import healthy
from tests.faults.faults import FAULTS, Fault
from tests.faults.packet import crosses

STOPS_NOTHING = {
    Cause.SOUTHBOUND_AWAY,
    Cause.SESSION_DOWN,
    Cause.NO_COMMON_FAMILY,
    Cause.FOREIGN_FLOW,
    Cause.FLOW_MISSING,
    Cause.ROW_NONSENSE,
    Cause.UNKNOWN_SCHEMA,
    Cause.AGENT_SILENT,
    Cause.DUPLICATE_ADDRESS,
}
"""What may be wrong though packets pass: what stood goes on, or the flow that is missing is another one."""

NOTHING = Fault("nothing at all", Cause.WHOLE, lambda w: None)


@pytest.mark.parametrize("fault", [NOTHING, *FAULTS], ids=lambda fault: fault.name)
def test_whole_means_that_packets_pass(fault: Fault) -> None:
    world = healthy(reflectors_each=fault.reflectors_each)
    fault.break_(world)
    machines = [name for cloud in world.clouds.values() for name in cloud.ports]
    passes = {
        (one, other, version): crosses(world, one, other, version)
        for one, other in permutations(machines, 2)
        for version in (4, 6)
    }
    known = world.known()
    wrong = []
    for one, other in permutations(machines, 2):
        ways = [passes[pair] for v in (4, 6) for pair in ((one, other, v), (other, one, v)) if passes[pair] is not None]
        if not ways:
            continue
        said = why(known, one, other)
        if said.whole != all(ways) and not (all(ways) and said.cause in STOPS_NOTHING):
            wrong.append(f"{one} -> {other}: packets pass: {ways}, but {said.cause.name}: {said.sentence}")
    assert wrong == []
