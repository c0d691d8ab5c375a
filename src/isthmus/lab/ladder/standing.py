"""What a BGPVPN says of itself: `status` and its reason, as the API answers them."""

from __future__ import annotations

from functools import partial

from isthmus.lab import hypervisor, neutron
from isthmus.lab.ladder.climb import Rung, until
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Step

CORP = "corp"
NOTICED_S = 60.0
"""Neutron asks the agents every half of its agent_down_time (the lab's: 20 s), and two questions must be missed."""


def must_stand(ground: Ground, step: Step, cloud: str, name: str, status: str, *, within_s: float = 20.0) -> None:
    """Until the BGPVPN has this status."""
    until(
        step,
        f"BGPVPN {name} of cloud {cloud} to be {status}",
        partial(_not, ground, cloud, name, status),
        within_s=within_s,
    )


def _not(ground: Ground, cloud: str, name: str, status: str) -> str | None:
    path = f"/v2.0/bgpvpn/bgpvpns?name={name}&fields=status&fields=status_reason&fields=status_details"
    code, answer = neutron.call(ground.lab.topology.cloud(cloud), "GET", path)
    if code != 200:
        return f"the API answers {code}: {answer}"
    (found,) = answer["bgpvpns"]
    return None if found["status"] == status else f"it is {found['status']}: {found['status_reason']}"


def agent_away(ground: Ground, step: Step) -> None:
    """An agent is stopped: forwarding stays, and the BGPVPN says that somebody is missing; then it is back."""
    hosts = {ground.vms[name].host for name in ("a-red1", "a-red2")}  # one, after a move
    site, lab = ground.lab.site(f"a-{min(hosts)}"), ground.lab
    must_stand(ground, step, "a", CORP, "ACTIVE")
    hypervisor.stop_agent(site, lab.processes)
    must_stand(ground, step, "a", CORP, "DEGRADED" if len(hosts) > 1 else "ERROR", within_s=NOTICED_S)
    hypervisor.start_agent(site, lab.processes, lab.programs)
    must_stand(ground, step, "a", CORP, "ACTIVE", within_s=NOTICED_S)


SLOW = (
    Rung(21, "an agent is stopped: its BGPVPN is not active and says so, and is again when it is back", agent_away),
)
