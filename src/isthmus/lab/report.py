"""What the lab says about itself: how to go on after `up`, and what `status` found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from isthmus.lab import netns, neutron, reflectors
from isthmus.lab.access import ADMIN
from isthmus.lab.fault import PartFailed
from isthmus.lab.guests import pe as pes
from isthmus.lab.lab import Lab


def invitation(lab: Lab) -> str:
    """What to type next."""
    first = lab.topology.clouds[0]
    entries = [neutron.cloud_name(c, user) for c in lab.topology.clouds for user in (ADMIN, *c.tenants)]
    return "\n".join(
        [
            "",
            f"  export OS_CLIENT_CONFIG_FILE={lab.places.clouds_yaml}",
            f"  openstack --os-cloud {first.name} network list        # clouds: {' '.join(entries)}",
            "  isthmus-lab status | vm add | exec | logs | down",
        ]
    )


def status(lab: Lab) -> tuple[list[str], bool]:
    """Lines for a reader, and whether everything that should run does."""
    running = lab.processes.running()
    lines, well = [], True
    for cloud in lab.topology.clouds:
        fault = neutron.unanswered(cloud)
        lines.append(f"cloud {cloud.name}  AS {cloud.asn}  http://127.0.0.1:{cloud.api_port}  {fault or 'answers'}")
        for one in cloud.reflectors:
            lines.extend(
                f"  session of {one.node} with {peer}: {state}"
                for peer, state in _sessions(partial(reflectors.sessions, one, lab.processes))
            )
        well = well and fault is None
    for pe in lab.topology.pes:
        lines.append(f"PE {pe.name}  {pe.kind}  AS {pe.asn}  {pe.address}")
        lines.extend(f"  session with {peer}: {state}" for peer, state in _sessions(partial(pes.sessions, pe)))
    lines.append("daemons")
    for daemon in lab.plan.daemons:
        pids = running.get(daemon.name, [])
        wanted = not daemon.name.endswith("-agent") or lab.topology.agents
        well = well and (bool(pids) or not wanted)
        lines.append(f"  {daemon.name:16} {'pid ' + str(min(pids)) if pids else 'not running'}")
    missing = sorted(set(lab.plan.nodes) - netns.present())
    if missing:
        lines.append(f"namespaces missing: {', '.join(missing)}")
    lines.extend(_vms(lab))
    return lines, well and not missing


def _sessions(ask: Callable[[], dict[str, str]]) -> list[tuple[str, str]]:
    try:
        return sorted(ask().items())
    except PartFailed as failure:
        return [("anybody", failure.seen)]


def _vms(lab: Lab) -> list[str]:
    from isthmus.lab import vm

    return [f"VM {v.node} on {v.site_node}: {' '.join(v.addresses)}" for v in vm.all_of(lab)]
