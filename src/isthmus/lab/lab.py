"""The lab as a whole: up, down, and what other commands need to find a lab that runs.

`up` is sweep, then build: whatever a crash left is found by its mark (process.py) and prefix (netns.py) and removed,
so there is one path, not a repair for each way to fail. Parts that do not need one another start together (crew.py).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from isthmus.lab import dhcp, hypervisor, machine, mariadb, netns, neutron, ovn, reflectors
from isthmus.lab.crew import Job, work
from isthmus.lab.fault import Refusal
from isthmus.lab.guests import pe as pes
from isthmus.lab.pe import Pe
from isthmus.lab.places import DEFAULT_ROOT, Places
from isthmus.lab.plan import Plan, Programs, Site
from isthmus.lab.process import Processes, directories_in_use
from isthmus.lab.progress import Progress
from isthmus.lab.topology import Cloud, Topology, read

DIRECTORY_VARIABLE = "ISTHMUS_LAB_DIR"


@dataclass(frozen=True, slots=True)
class Lab:
    """A planned lab and the means to build it."""

    plan: Plan
    processes: Processes

    @property
    def places(self) -> Places:
        return self.plan.places

    @property
    def topology(self) -> Topology:
        return self.plan.topology

    @property
    def programs(self) -> Programs:
        return self.plan.programs

    def site(self, node: str) -> Site:
        """The hypervisor of that name (`a-h1`), or a Refusal."""
        for site in self.plan.sites:
            if site.node == node:
                return site
        known = ", ".join(s.node for s in self.plan.sites)
        raise Refusal(f"there is no hypervisor '{node}' in this lab (there are: {known})")


def places_of_environment() -> Places:
    return Places(Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_ROOT).absolute())


def make(topology: Topology, places: Places, programs: Programs) -> Lab:
    """A lab of that plan; nothing is touched."""
    return Lab(Plan(topology, places, programs), Processes(places, threading.Event()))


def find() -> Lab:
    """The lab that `up` built, or a Refusal."""
    places = places_of_environment()
    if not places.topology.exists():
        raise Refusal(f"there is no lab in {places.root}: build one with isthmus-lab up")
    topology = read(places.topology.read_text(), str(places.topology))
    return make(topology, places, machine.programs())


def up(text: str, source: str, *, agents: bool | None, progress: Progress, programs: Programs | None = None) -> Lab:
    """Build the lab described by `text`. A lab of the same topology that runs whole is left as it is. `programs`:
    others than this environment's."""
    topology = read(text, source)
    ours = machine.check(topology)
    places = places_of_environment()
    lab = make(topology, places, programs or ours)
    places.check_sockets([*lab.plan.nodes, *(c.name for c in topology.clouds)])
    with _alone(places):
        if _runs_whole(lab, text):
            progress.line("the lab is up already")
        else:
            with progress.step("sweep what is left of an earlier lab"):
                sweep(lab.processes)
            machine.check_ports(topology)
            claim(places, text)
            build(lab, progress)
            places.ready.write_text(text)
        if topology.agents if agents is None else agents:
            start_agents(lab, [s.node for s in lab.plan.sites], progress)
    return lab


def build(lab: Lab, progress: Progress) -> None:
    """Everything but the agents, from nothing."""
    places, processes = lab.places, lab.processes
    places.clouds_yaml.write_text(neutron.clouds_yaml(lab.topology.clouds))
    dhcp.write_script(places)
    jobs = [
        Job("namespaces and cables", (), lambda: netns.apply(lab.plan.network, processes)),
        Job("MariaDB", (), lambda: mariadb.start(lab.topology, processes)),
    ]
    for cloud in lab.topology.clouds:
        jobs.extend(_cloud_jobs(lab, cloud))
    jobs.extend(_hypervisor_job(lab, site) for site in lab.plan.sites)
    jobs.extend(_pe_job(lab, pe) for pe in lab.topology.pes)
    work(jobs, progress, processes.stop)


def _cloud_jobs(lab: Lab, cloud: Cloud) -> Iterator[Job]:
    name, processes, programs = cloud.name, lab.processes, lab.programs
    schema, central, api = f"Neutron's schema of {name}", f"OVN central of {name}", f"Neutron API of {name}"

    def migrate() -> None:
        neutron.write_configuration(cloud, lab.topology.vpn_mtu(cloud), lab.places, programs)
        neutron.migrate(cloud, processes, programs)

    yield Job(central, (), lambda: ovn.start(cloud, processes))
    yield Job(schema, ("MariaDB",), migrate)
    for one in cloud.reflectors:
        yield Job(
            f"reflector {one.node}",
            ("namespaces and cables",),
            partial(reflectors.start, cloud, one, lab.topology, processes),
        )
    yield Job(api, (schema, central), lambda: neutron.start(cloud, processes, programs))
    log = lab.places.log(f"{name}-api")
    yield Job(f"network public of {name}", (api,), lambda: neutron.make_public(cloud, log))


def _hypervisor_job(lab: Lab, site: Site) -> Job:
    after = ("namespaces and cables", f"OVN central of {site.cloud.name}")
    return Job(f"hypervisor {site.node}", after, lambda: hypervisor.start(site, lab.processes, lab.programs))


def _pe_job(lab: Lab, pe: Pe) -> Job:
    after = ("namespaces and cables",)
    return Job(f"PE {pe.name}", after, lambda: pes.start(pe, lab.topology, lab.processes, lab.programs))


def start_agents(lab: Lab, nodes: list[str], progress: Progress) -> None:
    """Start the agents of these hypervisors; one that runs is left alone."""
    running = lab.processes.running()
    idle = [lab.site(node) for node in nodes if f"{node}-agent" not in running]
    work([_agent_job(lab, site) for site in idle], progress, lab.processes.stop)


def _agent_job(lab: Lab, site: Site) -> Job:
    return Job(f"agent of {site.node}", (), lambda: hypervisor.start_agent(site, lab.processes, lab.programs))


def is_there() -> bool:
    """Whether there is a lab in our directory, whole or not."""
    return places_of_environment().mark.exists()


def down() -> str:
    """Remove everything the lab made; a sentence about what there was."""
    machine.require_root()
    places = places_of_environment()
    with _alone(places):
        existed = places.root.exists() or bool(netns.present())
        processes, namespaces = sweep(Processes(places, threading.Event()))
    if not existed:
        return f"there was no lab in {places.root}"
    return f"{processes} processes, {namespaces} namespaces and {places.root} are gone"


def sweep(processes: Processes) -> tuple[int, int]:
    """End our processes, remove our namespaces and our directory. How many processes and namespaces there were."""
    places = processes.places
    foreign = directories_in_use() - {str(places.root)}
    if foreign:
        other = min(foreign)
        raise Refusal(f"another lab runs in {other}: end it first with {DIRECTORY_VARIABLE}={other} isthmus-lab down")
    _require_ours(places)
    made = places.mark.read_text().split() if places.mark.exists() else []
    ended = processes.sweep()
    nodes = netns.present()
    netns.delete(sorted(nodes), processes)
    if str(netns.RUN) in made:
        netns.remove_directory()
    if str(places.root) in made:
        shutil.rmtree(places.root)
    elif places.mark.exists():
        _empty(places)
    return ended, len(nodes)


def _empty(places: Places) -> None:
    """The directory was there before us: only what is in it goes, the mark last."""
    for entry in sorted(places.root.iterdir(), key=lambda e: e == places.mark):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _require_ours(places: Places) -> None:
    """A directory with something in it that does not carry our mark is never deleted."""
    if places.root.is_dir() and any(places.root.iterdir()) and not places.mark.exists():
        raise Refusal(f"{places.root} is not a lab's directory and not empty: set {DIRECTORY_VARIABLE} to another one")


def claim(places: Places, text: str) -> None:
    """Make the directory ours. The mark lists the directories that were not there before and so are ours to remove."""
    made = [directory for directory in (places.root, netns.RUN) if not directory.exists()]
    places.root.mkdir(exist_ok=True)
    places.mark.write_text("".join(f"{directory}\n" for directory in made))
    places.logs.mkdir()
    places.vms.mkdir()
    places.topology.write_text(text)


def _runs_whole(lab: Lab, text: str) -> bool:
    """Whether `up` ended well before, with this very topology, and everything it started still runs."""
    places = lab.places
    if not places.ready.exists() or places.ready.read_text() != text:
        return False
    running = lab.processes.running()
    wanted = {d.name for d in lab.plan.daemons if not d.name.endswith("-agent")}
    return wanted <= running.keys() and set(lab.plan.nodes) <= netns.present()


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """One `up` or `down` at a time for a directory; the lock ends with the process, however it ends."""
    if not places.root.parent.is_dir():
        raise Refusal(f"{places.root.parent}, where the lab's directory is to stand, does not exist")
    handle = os.open(places.root.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal("another isthmus-lab is building or removing a lab: wait for it to end") from None
        yield
    finally:
        os.close(handle)
