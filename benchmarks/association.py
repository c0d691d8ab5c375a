"""An association made and deleted by the API, again and again, while packets are sent all the time, both ways.

What is measured begins when the request is sent. Cloud b is associated all along; cloud a's router comes and goes.
"""

from __future__ import annotations

import time
from collections import defaultdict

from benchmarks import scene
from benchmarks.packets import Packets
from benchmarks.stations import LET_IN_NO_MORE, Stations, Watch, on_the_way, rows
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Step

ALL = "all four ways"
SILENT_S = 1.0
"""Silent for so long is cut off: a packet is sent every 5 ms, and a round trip is under one."""

Figures = dict[str, list[float]]


class Rounds:
    """The figures of each round, by what they are figures of."""

    def __init__(self) -> None:
        self.made: Figures = defaultdict(list)
        self.deleted: Figures = defaultdict(list)
        self.stations: Figures = defaultdict(list)
        """Since the request was sent, in the rounds that associate."""
        self.leaving: Figures = defaultdict(list)
        """The same of the rounds that dissociate."""


def watches(ground: Ground) -> list[Watch]:
    lab = ground.lab
    return [
        rows(lab, "a", "OVN_Northbound", "Logical_Switch_Port", "name", "isthmus-ac-", "rows in OVN's northbound"),
        rows(lab, "a", "OVN_Southbound", "Port_Binding", "logical_port", "isthmus-ac-", "row in OVN's southbound"),
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
            [association] = api.bgpvpn_router_associations(corp.id)
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
    _noted(done.stations, stations, sent)


def _left(done: Rounds, packets: Packets, stations: Stations, sent: float, answered: float) -> None:
    last = packets.until_silent(packets.names, sent, SILENT_S)
    done.deleted["request sent → answered"].append(answered - sent)
    for name in packets.names:
        done.deleted[f"request sent → last packet {name}"].append(last[name] - sent)
    done.deleted["request sent → nothing passes any way"].append(max(last.values()) - sent)
    stations.until(LET_IN_NO_MORE, sent)  # the last thing to go; the next round begins from nothing
    _noted(done.leaving, stations, sent)


def _noted(into: Figures, stations: Stations, since: float) -> None:
    for station, at in stations.first(since).items():
        into[station].append(at - since)
