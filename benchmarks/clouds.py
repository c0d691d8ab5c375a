"""Two real clouds in namespaces: how long it takes until packets pass or pass no more, and what passing costs.

    association → first packet · plugged → reachable · deleted → unreachable · throughput and passes beside plain Geneve

Brings up the lab of `make demo` from nothing, measures, takes it down, and writes its section of docs/figures.md. Run:
python -m benchmarks.clouds [--rounds N] [--only WORDS] [--keep] [--print]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks import association, forwarding, page, plugging, scene
from benchmarks.machine import Run, switch, version
from benchmarks.samples import table, times, verdicts
from isthmus.lab import lab as whole
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.plan import BGPD
from isthmus.lab.progress import Progress, Step

ROUNDS = 24
AIM_S = 1.0

Part = Callable[[Ground, int, Step], str]


def associations(ground: Ground, rounds: int, step: Step) -> str:
    done = association.measure(ground, rounds, step)
    total = done.made[f"request sent → {association.ALL}"]
    step.result(f"{sorted(total)[len(total) // 2] * 1000:.0f} ms in the middle")
    return "\n\n".join(
        [
            "### Association → first packet across, and back",
            "A VM of each cloud sends to the other all the time, every 5 ms, IPv4 and IPv6. Cloud b's network is "
            "associated; cloud a's router is associated (POST) and dissociated (DELETE) by the API.",
            times(done.made),
            "DELETE:",
            times(done.deleted),
            aim(done.made, done.deleted),
            "Where the time of a POST goes, stage after stage (the databases and br-vpn are watched by their own "
            "tools, BGP by tcpdump on the WAN; FRR gathers what it passes on for 50 ms):",
            times(done.making),
            "And of a DELETE:",
            times(done.deleting),
        ]
    )


def plugs(ground: Ground, rounds: int, step: Step) -> str:
    done = plugging.measure(ground, rounds, step)
    total = done.plugged["plugged → first packet from the other cloud, IPv4"]
    step.result(f"{sorted(total)[len(total) // 2] * 1000:.0f} ms in the middle")
    return "\n\n".join(
        [
            "### Port plugged → reachable from the other cloud, and gone",
            "A VM with its addresses configured; its interface is put into br-int as Nova does (the moment the request "
            "to Open vSwitch is made). Two rounds of plugging for each of the other two.",
            times(done.plugged),
            "Taken away:",
            times(done.gone),
            aim(done.plugged, done.gone),
            "Where the time of plugging goes:",
            times(done.stages),
        ]
    )


def passing(ground: Ground, rounds: int, step: Step) -> str:
    ways = forwarding.ways(ground)
    found = forwarding.measure(ground.lab, ways, max(1, rounds // 2), step)
    rows = list(forwarding.compared(found, [(way, forwarding.GENEVE) for way in (forwarding.VPN, forwarding.NEAR)]))
    step.result(f"TCP {rows[0][4]}, packets {rows[1][4]} of plain Geneve")
    return "\n\n".join(
        [
            "### Throughput through the VPN beside plain Geneve",
            "A VM sends to one of the other cloud (VXLAN, routed, the WAN's router between), to one of another network "
            "on the other hypervisor of its own cloud (the same, without a WAN), and to one of its own network there "
            "(Geneve, switched), by turns; one tool, one MTU, all switches in userspace, each in one thread, on the "
            "cores that sender and receiver use too. Ratios are of the rounds side by side, their spread in brackets.",
            table(("what", *ways, "across to Geneve", "in one cloud to Geneve", "rounds"), rows),
            "Small packets are sent as fast as one process can, more than any of these ways takes. In namespaces what "
            "stands between two hypervisors works on the sender's time: across clouds that is a router more.",
            "### Flows of the datapath that a packet meets",
            f"`dpctl/dump-flows` before and after {forwarding.LOOK_RATE * forwarding.LOOK_S:,.0f} packets: the flows "
            "that all of them met, which is how often the datapath looks a packet up.",
            table(("sender + receiver", *ways), forwarding.met_by_each(ground.lab, ways)),
        ]
    )


PARTS: dict[str, Part] = {"associations": associations, "plugs": plugs, "passing": passing}


def aim(*figures: association.Figures) -> str:
    """Whether the aim is kept. When Neutron answers is not in it: packets do not wait for that."""
    asked = {name: found for some in figures for name, found in some.items() if not name.endswith("answered")}
    late = verdicts(asked, AIM_S)
    return f"Above the aim: {'; '.join(late)}." if late else f"Aim, p95 under {AIM_S:.0f} s each: kept."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clouds")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="only that part, printed, not written")
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    words = parser.parse_args()
    run = Run()
    with Progress(sys.stdout) as progress:
        if whole.is_there():
            progress.line(f"an earlier lab goes first: {whole.down()}")
        lab = whole.up(*scene.topology_text(), agents=True, progress=progress)
        ground = Ground(lab)
        with progress.step("networks and VMs in both clouds, joined"):
            scene.build(ground)
        texts = []
        for name, part in PARTS.items():
            if words.only is None or name in words.only:
                with progress.step(name) as step:
                    texts.append(part(ground, words.rounds, step))
        said = run.sentence(switch(), f"FRR {version(BGPD, '--version')}", f"OVN {version('ovn-northd', '--version')}")
        text = "\n\n".join([said, *texts])
        if words.only is None:
            page.write(page.CLOUDS, text)
        progress.line(text)
        if not words.keep:
            progress.line(whole.down())


if __name__ == "__main__":
    main()
