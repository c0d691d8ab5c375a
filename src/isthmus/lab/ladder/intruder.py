"""A stranger on the underlay sends VXLAN frames to a hypervisor's tunnel port, aimed where no announcement leads.

A frame for an address that *was* announced with its number is sent too, and must arrive: an ear that hears nothing
would otherwise prove nothing.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

from isthmus.lab.dhcp import NIC
from isthmus.lab.ladder import agents
from isthmus.lab.ladder.climb import Slipped, until
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import Ear, Frame, inject
from isthmus.lab.plan import WAN
from isthmus.lab.progress import Step

SILENCE_S = 1.0
COPIES = 3


def intrude(ground: Ground, step: Step) -> None:
    """Three targets that were never announced with that number, and one that was."""
    red, blue, grey, twin = (ground.vms[f"a-{name}1"] for name in ("red", "blue", "grey", "twin"))
    node = red.site_node
    endpoint = str(ground.lab.site(node).hypervisor.address)
    said = agents.status(ground.lab, node)
    vnis = {port["port"]: port["vni"] for port in said["ports"]}
    mac = bytes.fromhex(said["router_mac"].replace(":", ""))
    host = str(ground.lab.topology.cloud("a").internet_host)
    addresses = {one.name: one.addresses[0] for one in (red, blue, grey)}

    def frame(to: str, vni: int, marker: str) -> Frame:
        return Frame(vni, mac, to, "10.11.0.10", marker.encode())

    vni = vnis[red.port_id]
    attacks = {
        "a network outside the VPN": (
            Ear(grey.node, NIC, b"isthmus-grey"),
            frame(addresses[grey.name], vni, "isthmus-grey"),
        ),
        "the internet through the router": (
            Ear("a-internet", "br-ext", b"isthmus-out"),
            frame(host, vni, "isthmus-out"),
        ),
        "another tenant's VM": (
            Ear(blue.node, NIC, b"isthmus-twin"),
            frame(addresses[blue.name], vnis[twin.port_id], "isthmus-twin"),
        ),
    }
    before = counted(ground, node)
    with ExitStack() as ears, Ear(red.node, NIC, b"isthmus-good") as good:
        for ear, _ in attacks.values():
            ears.enter_context(ear)
        inject(WAN, endpoint, [frame(addresses[red.name], vni, "isthmus-good")])
        if not good.heard(5.0):
            raise Slipped("a frame for an announced address to arrive (the control)", "it did not")
        for what, (ear, attack) in attacks.items():
            inject(WAN, endpoint, [attack] * COPIES)
            if ear.heard(SILENCE_S):
                raise Slipped(f"a frame towards {what} to go nowhere", f"it was seen at {ear.where}")
    wanted = before + COPIES * len(attacks)

    def wrong() -> str | None:
        now = counted(ground, node)
        return None if now >= wanted else f"the drop counter went from {before} to {now}"

    until(step, f"{COPIES * len(attacks)} drops to be counted", wrong, within_s=5.0)


def counted(ground: Ground, node: str) -> int:
    """What `isthmus show switch` says was refused from tunnels."""
    text = ground.lab.processes.run(
        f"isthmus show on {node}",
        [
            str(ground.lab.programs.agent.parent / "isthmus"),
            "show",
            "switch",
            "--json",
            "--socket",
            str(ground.lab.places.agent_socket(node)),
        ],
    )
    return int(json.loads(text)["switch"]["dropped_inbound"])
