"""An association made and deleted by the API, again and again, while packets are sent all the time, both ways.

What is measured begins when the request is sent. Cloud b is associated all along; cloud a's router comes and goes.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping

from benchmarks import scene
from benchmarks.packets import Packets
from benchmarks.stations import (
    BY_BGP,
    HAS_FLOW,
    HAS_FLOW_NO_MORE,
    IN_NORTHBOUND,
    IN_SOUTHBOUND,
    LET_IN,
    LET_IN_NO_MORE,
    TOLD,
    Stations,
    Watch,
    on_the_way,
    rows,
)
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Step

ALL = "all four ways"
MAKING = (
    ("Neutron: request sent → rows in OVN's northbound", IN_NORTHBOUND),
    ("OVN: → row in the southbound", IN_SOUTHBOUND),
    ("agent on a-h1: → ports plugged, flows confirmed", LET_IN),
    ("agent on a-h1: → UPDATE sent", TOLD),
    *BY_BGP,
    ("agent on b-h1: → flow in br-vpn", HAS_FLOW),
)
DELETING = (
    ("Neutron: request sent → rows gone from OVN's northbound", IN_NORTHBOUND),
    ("OVN: → row gone from the southbound", IN_SOUTHBOUND),
    ("agent on a-h1: → UPDATE sent", TOLD),
    *BY_BGP,
    ("agent on b-h1: → flow gone from br-vpn", HAS_FLOW_NO_MORE),
)

SILENT_S = 1.0
"""Silent for so long is cut off: a packet is sent every 5 ms, and a round trip is under one."""

Figures = dict[str, list[float]]


class Rounds:
    """The figures of each round, by what they are figures of."""

    def __init__(self) -> None:
        self.made: Figures = defaultdict(list)
        self.deleted: Figures = defaultdict(list)
        self.making: Figures = defaultdict(list)
        self.deleting: Figures = defaultdict(list)
        """Where the time went."""


def watches(ground: Ground) -> list[Watch]:
    lab = ground.lab
    return [
        rows(lab, "a", "OVN_Northbound", "Logical_Switch_Port", "name", "isthmus-ac-", IN_NORTHBOUND),
        rows(lab, "a", "OVN_Southbound", "Port_Binding", "logical_port", "isthmus-ac-", IN_SOUTHBOUND),
        *on_the_way(lab, str(ground.vms[scene.HERE].address(4))),
    ]


def measure(ground: Ground, count: int, step: Step) -> Rounds:
    """Begins and ends with the association there."""
    api, router = ground.admin("a").network, ground.routers["a", "red"].id
    corp = scene.bgpvpn(ground.admin("a"))
    done = Rounds()
    ways = scene.four_ways(ground.vms[scene.HERE], ground.vms[scene.THERE])
    with Packets(ways) as packets, Stations(ground.lab, watches(ground)) as stations:
        packets.until_all(packets.names, time.time())
        for number in range(1, count + 1):
            step.note(f"round {number} of {count}")
            [association] = [one for one in api.bgpvpn_router_associations(corp.id) if one.router_id == router]
            stations.forget()
            sent = time.time()
            api.delete_bgpvpn_router_association(corp, association)
            answered = time.time()
            _left(done, packets, stations, sent, answered)

            packets.forget()
            stations.forget()
            sent = time.time()
            api.create_bgpvpn_router_association(corp, router_id=router, project_id="tenant1")
            answered = time.time()
            _came(done, packets, stations, sent, answered)
    return done


def _came(done: Rounds, packets: Packets, stations: Stations, sent: float, answered: float) -> None:
    first = packets.until_all(packets.names, sent)
    done.made["request sent → answered"].append(answered - sent)
    for name in packets.names:
        done.made[f"request sent → first packet {name}"].append(first[name] - sent)
    last = max(first.values())
    done.made[f"request sent → {ALL}"].append(last - sent)
    done.made[f"request answered → {ALL}"].append(last - answered)
    add(done.making, stations.stages(MAKING, sent))


def _left(done: Rounds, packets: Packets, stations: Stations, sent: float, answered: float) -> None:
    last = packets.until_silent(packets.names, sent, SILENT_S)
    done.deleted["request sent → answered"].append(answered - sent)
    for name in packets.names:
        done.deleted[f"request sent → last packet {name}"].append(last[name] - sent)
    done.deleted["request sent → nothing passes any way"].append(max(last.values()) - sent)
    stations.until(LET_IN_NO_MORE, sent)  # the last thing to go; the next round begins from nothing
    add(done.deleting, stations.stages(DELETING, sent))


def add(into: Figures, one: Mapping[str, float]) -> None:
    for name, seconds in one.items():
        into[name].append(seconds)
