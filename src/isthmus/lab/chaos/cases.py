"""The cases: what is done to the lab, and what may be lost. Each leaves the lab as it found it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from isthmus.lab import frr, gobgp, hypervisor, neutron
from isthmus.lab.chaos.table import AGAIN_S, KNOWN_S, NOTHING, PRINTED, Allowed, Finding, noticed
from isthmus.lab.lab import Lab
from isthmus.lab.ladder import agents
from isthmus.lab.network import namespace_of
from isthmus.lab.plan import WAN, Daemon, Site, api, central, ovs_env, reflector, switch
from isthmus.lab.process import listening
from isthmus.lab.topology import Reflector, ReflectorKind
from isthmus.node.order import END_OF_RIB_WAIT_S, RESTART_TIME_S, SETTLE_S

AWAY_S = 3.0
"""How long something stays away that is stopped and started: long enough to be missed, short of FRR's hold time."""

SILENT_S = 5.0
DEFERRING_S = 60.0
"""An agent's attempts to connect are up to 30 s apart; so long again it used to wait for End-of-RIB."""
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Case:
    """`act` does it and undoes it, and may return a finding."""

    title: str
    allowed: Allowed
    """Whatever the reflector."""
    act: Callable[[Lab, Site], Finding | None]
    reflectors: int | None = None
    """Only in a lab whose clouds have so many."""
    kind: ReflectorKind | None = None
    """Only where they are such."""
    far: Allowed = PRINTED
    """What streams to PEs that are not ours may lose, where there are any."""

    def fits(self, lab: Lab) -> bool:
        kinds = {one.kind for cloud in lab.topology.clouds for one in cloud.reflectors}
        numbers = (len(cloud.reflectors) for cloud in lab.topology.clouds)
        return self.reflectors in (None, *numbers) and self.kind in (None, *kinds)


def nothing(lab: Lab, site: Site) -> None:
    time.sleep(AWAY_S)


def _agent_stopped(lab: Lab, site: Site) -> None:
    hypervisor.stop_agent(site, lab.processes)
    time.sleep(AWAY_S)
    hypervisor.start_agent(site, lab.processes, lab.programs)


def agent_exchanged(lab: Lab, site: Site) -> None:
    hypervisor.exchange_agent(site, lab.processes)


def agent_killed(lab: Lab, site: Site) -> None:
    hypervisor.crash_agent(site, lab.processes)


def reflector_killed(lab: Lab, site: Site) -> None:
    daemon = reflector(site.cloud.reflectors[0], lab.places)
    lab.processes.kill(daemon.name)
    time.sleep(AWAY_S)
    lab.processes.start(daemon)


def _deferring(lab: Lab, site: Site) -> Finding:
    """A reflector restarts, and one of its neighbours is switched off: it says no route until it has waited for that
    one in vain. It is not waited for to the end; what counts is past the half minute in which others are back."""
    one = site.cloud.reflectors[0]
    nobody = next(a for a in reversed(list(site.cloud.underlay.hosts())))
    usual = gobgp.configuration(site.cloud, one, lab.topology)
    patient = gobgp.configuration(site.cloud, one, lab.topology, deferral_s=gobgp.DEFERRAL_DEFAULT_S, absent=[nobody])
    daemon = reflector(one, lab.places)
    _restarted(lab, daemon, one, patient)
    time.sleep(DEFERRING_S)
    peer = next(p for p in agents.status(lab, site.node)["peers"] if p["address"] == str(one.address))
    _restarted(lab, daemon, one, usual)
    up = peer["since_s"] if peer["state"] == "Established" else 0.0
    words = f"{site.node} had a session for {up:.0f} s and {'an' if peer['in_sync'] else 'no'} End-of-RIB"
    return Finding(words, kept=up > END_OF_RIB_WAIT_S and not peer["in_sync"])


def _restarted(lab: Lab, daemon: Daemon, one: Reflector, text: str) -> None:
    lab.processes.kill(daemon.name)
    gobgp.write(one, text, lab.processes)
    lab.processes.start(daemon)


def _one_without_wan(lab: Lab, site: Site) -> Finding:
    """The second reflector of the cloud loses its sessions with the other one, and the first is killed."""
    second = site.cloud.reflectors[1]
    abroad = [peer.address for _, peer in lab.topology.reflectors_beside(site.cloud)]
    bgp = f"router bgp {site.cloud.asn}"
    frr.configure(second, lab.processes, bgp, *(f"neighbor {address} shutdown" for address in abroad))
    time.sleep(AWAY_S)
    routes = {peer["address"]: peer["received"] for peer in agents.status(lab, site.node)["peers"]}
    whole, part = routes[str(site.cloud.reflectors[0].address)], routes[str(second.address)]
    try:
        reflector_killed(lab, site)
        time.sleep(SETTLE_S)
    finally:
        frr.configure(second, lab.processes, bgp, *(f"no neighbor {address} shutdown" for address in abroad))
    return Finding(f"{site.node} had {whole} routes of the one that was killed, {part} of the other", kept=part < whole)


def _crash_without_southbound(lab: Lab, site: Site) -> Finding:
    """Longer than anybody holds what an agent said that cannot be heard."""
    daemon = next(d for d in central(site.cloud, lab.places) if d.name == f"{site.cloud.name}-sb")
    lab.processes.kill(daemon.name)
    hypervisor.crash_agent(site, lab.processes)
    time.sleep(RESTART_TIME_S + AWAY_S)
    said = agents.status(lab, site.node)
    lab.processes.start(daemon)
    announced = min(peer["announced"] for peer in said["peers"])
    words = f"{site.node} announced {announced} routes without its southbound database"
    return Finding(words, kept=announced > 0 and said["switch"]["southbound"] != "in sync")


def _api_killed(lab: Lab, site: Site) -> None:
    daemon = api(site.cloud, lab.places, lab.programs)
    lab.processes.kill(daemon.name)
    # A process that ends loses its environment, by which we find it, before its sockets.
    lab.processes.until(
        f"Neutron {site.cloud.name}", "its port to be free", lambda: _taken(site.cloud.api_port), within_s=10
    )
    started = lab.processes.start(daemon)
    lab.processes.until(
        f"Neutron {site.cloud.name}",
        "the API to answer again",
        lambda: neutron.unanswered(site.cloud),
        within_s=90,
        watch=[started],
    )


def _taken(port: int) -> str | None:
    with socket.socket() as probe:
        return "somebody still listens" if probe.connect_ex(("127.0.0.1", port)) == 0 else None


def _central(name: str) -> Callable[[Lab, Site], None]:
    """Kill and start a part of the cloud's OVN central."""

    def act(lab: Lab, site: Site) -> None:
        daemon = next(d for d in central(site.cloud, lab.places) if d.name == f"{site.cloud.name}-{name}")
        lab.processes.kill(daemon.name)
        time.sleep(AWAY_S)
        lab.processes.start(daemon)

    return act


def _controller(*, clean: bool) -> Callable[[Lab, Site], None]:
    def act(lab: Lab, site: Site) -> None:
        daemon = switch(site, lab.places)[2]
        if clean:
            words = ["ovn-appctl", "-t", "ovn-controller", "exit"]
            lab.processes.run(f"controller of {site.node}", words, env=ovs_env(lab.places.of(site.node)))
            lab.processes.until(
                f"controller of {site.node}",
                "it to end",
                lambda: "it still runs" if daemon.name in lab.processes.running() else None,
                within_s=15,
            )
        else:
            lab.processes.kill(daemon.name)
        time.sleep(AWAY_S)
        lab.processes.start(daemon)

    return act


def _switch_killed(lab: Lab, site: Site) -> None:
    lab.processes.kill(switch(site, lab.places)[1].name)
    hypervisor.start_switch(site, lab.processes)


def _silent(lab: Lab, site: Site) -> Finding:
    """As if its power were cut: nothing says goodbye. Its neighbour in the other cloud should notice by itself."""
    observer = next(s.node for s in lab.plan.sites if s.cloud != site.cloud)
    address = str(site.hypervisor.address)

    def until(wanted: bool) -> float:
        began = time.monotonic()
        while (address in agents.status(lab, observer)["switch"]["endpoints_silent"]) is not wanted:
            if time.monotonic() > began + max(SILENT_S, AGAIN_S):
                return float("inf")
            time.sleep(POLL_S)
        return time.monotonic() - began

    _cable(lab, site, "down")
    began = time.monotonic()
    out = until(True)
    time.sleep(max(0.0, SILENT_S - (time.monotonic() - began)))
    _cable(lab, site, "up")
    return noticed(observer, out, until(False))


def _cable(lab: Lab, site: Site, state: str) -> None:
    """The hypervisor's only one; the device in the WAN is called as the node."""
    words = ["ip", "-n", namespace_of(WAN), "link", "set", site.node, state]
    lab.processes.run(f"cable of {site.node}", words)


NO_MORE_THAN_PLAIN = Allowed("plain, within 0.02 s", 2, beyond_plain=True)
"""Streams are a hundredth of a second apart: what hits all of them at once may cost one a packet more."""

CASES = (
    Case("nothing happens", NOTHING, nothing),
    Case("agent exchanged (systemctl restart)", NOTHING, agent_exchanged),
    Case("agent stopped, started 3 s later", NOTHING, _agent_stopped),
    Case("agent kill -9, back after 1 s", NOTHING, agent_killed),
    Case("the only reflector kill -9, back after 3 s", NOTHING, reflector_killed, reflectors=1),
    Case("one of two reflectors kill -9, back after 3 s", NOTHING, reflector_killed, reflectors=2),
    Case(
        "the only reflector restarts, waits 360 s for a neighbour that is off; a minute of it",
        NOTHING,
        _deferring,
        reflectors=1,
        kind=ReflectorKind.GOBGP,
    ),
    Case(
        "one of two reflectors has lost its WAN, the other kill -9, back after 3 s",
        NOTHING,
        _one_without_wan,
        reflectors=2,
        kind=ReflectorKind.FRR,
    ),
    Case("southbound away for two minutes, agent kill -9 at its beginning", NOTHING, _crash_without_southbound),
    Case("Neutron API kill -9 and back", NOTHING, _api_killed),
    Case("northd kill -9, back after 3 s", NOTHING, _central("northd")),
    Case("southbound database kill -9, back after 3 s", NOTHING, _central("sb")),
    Case("ovn-controller exit, back after 3 s", NO_MORE_THAN_PLAIN, _controller(clean=True)),
    Case("ovn-controller kill -9, back after 3 s", NO_MORE_THAN_PLAIN, _controller(clean=False)),
    Case("ovs-vswitchd kill -9 and back", Allowed("plain and 0.5 s", 50, beyond_plain=True), _switch_killed),
    Case("hypervisor falls silent for 5 s", Allowed(f"printed; known within {KNOWN_S:g} s", None), _silent),
)


def unwell(lab: Lab) -> str | None:
    """What is not as it should be, or None."""
    for site in lab.plan.sites:
        if (wrong := listening(lab.places.agent_socket(site.node))) is not None:
            return f"agent of {site.node}: {wrong}"
        said = agents.status(lab, site.node)
        for peer in said["peers"]:
            if peer["state"] != "Established" or not peer["in_sync"]:
                return f"{site.node}: session with {peer['address']} {peer['state']}, in sync: {peer['in_sync']}"
        here = said["switch"]
        silent = here["endpoints_silent"] or here.get("endpoints_doubted")  # builds before this one doubt nobody
        if not here["in_sync"] or here["southbound"] != "in sync" or silent:
            return f"{site.node}: {here}"
    return None
