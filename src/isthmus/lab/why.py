"""`isthmus-lab why`: the operator's `isthmus why`, asking every agent of the lab at once.

Rules: the command that is tried is the one that is installed beside the agent. Only names of VMs are the lab's own;
everything else goes on as it was typed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from isthmus.lab.lab import Lab


def command(lab: Lab, source: str, destination: str, as_json: bool) -> list[str]:
    """What is to be run."""
    program = lab.programs.agent.parent / "isthmus"
    words = [str(program), "why", "--from", port_of(lab, source), "--to", port_of(lab, destination)]
    for site in lab.plan.sites:
        words += ["--socket", f"{site.node}={lab.places.agent_socket(site.node)}"]
    return [*words, *(["--json"] if as_json else [])]


def port_of(lab: Lab, name: str) -> str:
    """The port of a VM by its name in the lab (`a-red1`); any other word as it is."""
    record = _record(lab, name)
    return record["port_id"] if record else name


def home_of(lab: Lab, name: str) -> str | None:
    """The hypervisor of a VM: from there the underlay can be measured."""
    record = _record(lab, name)
    return f"{record['cloud']}-{record['host']}" if record else None


def _record(lab: Lab, name: str) -> dict[str, str] | None:
    file = lab.places.vms / f"{name}.json"
    if "/" in name or not file.exists():
        return None
    record: dict[str, str] = json.loads(file.read_text())
    return record


def stopped(lab: Lab) -> Iterator[str]:
    """Agents that do not run, with the lab's own remedy."""
    running = lab.processes.running()
    for site in lab.plan.sites:
        if f"{site.node}-agent" not in running:
            yield f"the agent of {site.node} does not run (isthmus-lab agent start {site.node})"
