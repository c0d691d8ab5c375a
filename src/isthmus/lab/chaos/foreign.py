"""The cases of a lab with PEs that are not ours. Between clouds nothing may be lost.

What it costs to and from such a PE is printed: FRR 8.4 forgets EVPN routes with the session that they came by.
"""

from __future__ import annotations

from collections.abc import Callable

from isthmus.lab.chaos.cases import Case, agent_exchanged, agent_killed, nothing, reflector_killed
from isthmus.lab.chaos.table import NOTHING
from isthmus.lab.guests import pe as pes
from isthmus.lab.lab import Lab
from isthmus.lab.pe import PeKind
from isthmus.lab.plan import Site


def _killed(kind: PeKind) -> Callable[[Lab, Site], None]:
    """Gone with its kernel, and started again at once."""

    def act(lab: Lab, site: Site) -> None:
        for pe in lab.topology.pes:
            if pe.kind is kind:
                lab.processes.kill(pe.name)
                pes.start(pe, lab.topology, lab.processes, lab.programs)

    return act


BESIDE = (
    Case("nothing happens, beside PEs that are not ours", NOTHING, nothing, far=NOTHING),
    Case("agent exchanged, beside PEs that are not ours", NOTHING, agent_exchanged, far=NOTHING),
    Case("agent kill -9, back after 1 s, beside PEs that are not ours", NOTHING, agent_killed),
    Case("the only reflector kill -9, back after 3 s, beside PEs that are not ours", NOTHING, reflector_killed),
)
CARRIER = Case("the carrier's PE kill -9 and back", NOTHING, _killed(PeKind.CARRIER))
FOREIGN = (
    *BESIDE,
    CARRIER,
    Case("the fabric's PE kill -9 and back", NOTHING, _killed(PeKind.FABRIC)),
)
