"""VPNv4 beside EVPN, from bytes to flows wanted: as many routes of as many PEs, by turns in one process.

Prints both and their ratio, of the medians. Run: python -m benchmarks.families [--runs N] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import statistics
import time

from tests.build import association, attachment, attributes, circuit, net, nlri, port
from tests.world import REFLECTOR, World

from benchmarks.routes import address, target
from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, VPNV4, Family
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher
from isthmus.node import effects, facts

RUNS, ROUTES, PES = 15, 10_000, 20


def said(family: Family) -> list[tuple[PathAttributes, Nlri]]:
    """Routes into one view; each PE's share a set of attributes."""
    found: list[tuple[PathAttributes, Nlri]] = []
    for pe in range(1, PES + 1):
        hop, rd = f"172.31.0.{pe}", f"172.31.0.{pe}:16"
        if family == EVPN:
            how = attributes(target(1), next_hop=hop)
        else:
            how = attributes(target(1), next_hop=hop, router_mac=None, encapsulations=(Encapsulation.MPLS_IN_GRE,))
        for number in range(pe, ROUTES + 1, PES):
            where = f"{address(number)}/32"
            if family == EVPN:
                found.append((how, nlri(where, rd=rd)))
            else:
                found.append((how, VpnPrefix(RouteDistinguisher.parse(rd), net(where), (7001,))))
    return found


def once(routes: list[tuple[PathAttributes, Nlri]]) -> float:
    """Seconds for one fresh node."""
    world = World(families=(EVPN, VPNV4))
    world.gre = 2
    world.switch_on()
    joined = association(16, networks=("neutron-1",), both=(target(1),))
    world.intent(
        {circuit(1): attachment(1, joined, networks=("neutron-1",))}, [port("p", "neutron-1", address(1, 100))]
    )
    far = world.reflectors[REFLECTOR].session
    far.send_routes(routes)
    data = b"".join(o.data for o in far.outputs() if hasattr(o, "data"))
    gc.collect()
    begun = time.perf_counter()
    world.node.handle(facts.Received(REFLECTOR, data), world.now)
    done = world.node.effects(world.now)
    took = time.perf_counter() - begun
    [wish] = [e for e in done if isinstance(e, effects.ApplyFlows)]
    assert len(wish.put) >= ROUTES
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--profile", action="store_true", help="of VPNv4, once, instead")
    words = parser.parse_args()
    gc.set_threshold(100_000, 50, 100)  # as the agent does
    cases = {family: said(family) for family in (EVPN, VPNV4)}
    if words.profile:
        profile = cProfile.Profile()
        profile.runcall(once, cases[VPNV4])
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    found: dict[Family, list[float]] = {family: [] for family in cases}
    for _ in range(words.runs):
        for family, routes in cases.items():
            found[family].append(once(routes))
    medians = {family: statistics.median(times) for family, times in found.items()}
    print(f"{ROUTES:,} routes of {PES} PEs, in milliseconds:")
    for family, median in medians.items():
        print(f"{family}: {1000 * median:.1f} (best {1000 * min(found[family]):.1f})")
    print(f"VPNv4 takes {medians[VPNV4] / medians[EVPN]:.2f} of EVPN's")


if __name__ == "__main__":
    main()
