"""One hypervisor: a namespace with its own OVS, ovn-controller and, on request, the agent. Where its switch forwards in
a kernel, all of these are in a guest (guests/switch.py).

In userspace br-phy holds the underlay NIC and the tunnel address: tunnels resolve their next hop only through an
address on a netdev bridge's internal port. br-ex leads to the internet, br-int belongs to OVN, br-vpn is made by the
agent.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from isthmus.lab import trust
from isthmus.lab.fault import PartFailed
from isthmus.lab.frr import HOLD_S
from isthmus.lab.guests import guest
from isthmus.lab.guests import switch as guests
from isthmus.lab.network import namespace_of
from isthmus.lab.places import Places
from isthmus.lab.plan import AGENT_FILE, AGENT_METRICS, Programs, Site, agent, ovs_env, switch
from isthmus.lab.process import Processes, listening
from isthmus.lab.topology import FAMILIES, Cloud, Family, Topology

OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PHYSICAL_NETWORK = "public"


def start(site: Site, processes: Processes, programs: Programs) -> None:
    """From nothing to a chassis that the cloud's OVN knows."""
    part, places, node = f"hypervisor {site.node}", processes.places, site.node
    home, env = places.of(node), ovs_env(places.of(node))
    if site.in_guest:
        guests.start(site, processes, programs)
    else:
        home.mkdir(parents=True)
    create = site.command(["ovsdb-tool", "create", str(home / "conf.db"), OVS_SCHEMA])
    processes.run(part, create, node=node)
    server, _, controller = switch(site, places)
    started = processes.start(server)
    processes.until(
        part,
        "ovsdb-server to listen",
        lambda: silent(site, places.ovsdb(node)),
        within_s=20,
        watch=[started],
    )
    processes.run(part, ["ovs-vsctl", "--no-wait", *bridges(site, places)], env=env)
    start_switch(site, processes)
    started = processes.start(controller)
    processes.run(
        part,
        ["ovn-sbctl", "--timeout=30", "wait-until", "Chassis_Private", node, f"name={node}"],
        env=ovs_env(places.of(site.cloud.name)),
        expected=f"ovn-controller to register the chassis {node}",
        blame=started,
    )


def start_switch(site: Site, processes: Processes) -> None:
    """Start ovs-vswitchd and give br-phy its address; for a restart as well: its devices end with it."""
    part, places = f"hypervisor {site.node}", processes.places
    _, vswitchd, _ = switch(site, places)
    started = processes.start(vswitchd)
    if site.in_guest:
        return  # ovn-controller waits by itself
    processes.run(
        part,
        ["ovs-vsctl", "--timeout=30", "wait-until", "Interface", "br-phy", "ofport>=1"],
        env=ovs_env(places.of(site.node)),
        expected="ovs-vswitchd to make br-phy",
        blame=started,
    )
    processes.until(part, "br-phy to take its address", lambda: _address(site, processes), within_s=20, watch=[started])


def bridges(site: Site, places: Places) -> list[str]:
    """Everything OVS and ovn-controller must know, as one ovs-vsctl transaction.

    hwaddr: br-phy keeps the NIC's MAC whatever ports come later. fail_mode of br-int: never a learning switch.
    """
    chassis = {
        "system-id": site.node,
        "hostname": site.node,
        "ovn-remote": site.southbound(places),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": str(site.hypervisor.address),
        "ovn-bridge-datapath-type": site.datapath_type,
        "ovn-bridge-mappings": f"{PHYSICAL_NETWORK}:br-ex",
    }
    if site.hypervisor.gateway:
        chassis["ovn-cms-options"] = "enable-chassis-as-gw"
    words = ["init", "--", "set", "Open_vSwitch", ".", *(f'external_ids:{k}="{v}"' for k, v in chassis.items())]
    kind = f"datapath_type={site.datapath_type}"
    words += ["--", "add-br", "br-int", "--", "set", "Bridge", "br-int", kind, "fail_mode=secure"]
    for bridge, port in (("br-ex", "ex"), *([] if site.in_guest else [("br-phy", "nic")])):
        words += ["--", "add-br", bridge, "--", "set", "Bridge", bridge, kind, "fail_mode=standalone"]
        words += ["--", "add-port", bridge, port]
    if site.in_guest:
        return words
    return [*words, "--", "set", "Bridge", "br-phy", f'other-config:hwaddr="{site.mac}"']


def _address(site: Site, processes: Processes) -> str | None:
    """Put the tunnel address and the way to the WAN on br-phy; None when that is done."""
    cloud = site.cloud
    lines = [
        f"addr replace {site.hypervisor.address}/{cloud.underlay.prefixlen} dev br-phy",
        "link set br-phy up",
        f"route replace default via {cloud.wan_router}",
    ]
    command = ["ip", "-n", namespace_of(site.node), "-batch", "-"]
    try:
        processes.run(f"hypervisor {site.node}", command, stdin="\n".join(lines) + "\n")
    except PartFailed as failure:
        return failure.seen  # after a restart the device takes a moment to come back
    return None


def _reflectors(cloud: Cloud, topology: Topology) -> str:
    return "\n".join(
        f"""[[reflectors]]
address = "{one.address}"
as = {cloud.asn}
port = 179
hold_time_s = {HOLD_S}
{trust.of_reflector(cloud, topology)}"""
        for one in cloud.reflectors
    )


def _families(topology: Topology) -> str:
    """None is said where there is but EVPN: it is what an agent speaks by itself."""
    if topology.families == (Family.EVPN,):
        return ""
    return f"[bgp]\nfamilies = {json.dumps([name for name, one in FAMILIES.items() if one in topology.families])}\n\n"


def agent_configuration(site: Site, places: Places) -> str:
    """The agent's file, as an operator would write it for this hypervisor."""
    address, cloud, home = site.hypervisor.address, site.cloud, places.of(site.node)
    # In a guest nothing is said, as in most operators' files: it is what br-int has.
    datapath = "" if site.in_guest else f'datapath_type = "{site.datapath_type}"\n'
    return f"""[agent]
host = "{site.node}"
vtep = "{address}"
router_id = "{address}"
as = {cloud.asn}

{_families(site.topology)}{_reflectors(cloud, site.topology)}
{trust.of_clouds(cloud, site.topology)}
[ovsdb]
endpoint = "unix:{places.ovsdb(site.node)}"
bridge = "br-vpn"
integration_bridge = "br-int"
{datapath}run_dir = "{home}"

[southbound]
endpoints = ["{site.southbound(places)}"]

[show]
socket = "{places.agent_socket(site.node)}"

[metrics]
listen = "{AGENT_METRICS}"

[state]
directory = "{home}"
"""


def stop_agent(site: Site, processes: Processes) -> None:
    """As `systemctl stop` does: for good, with a word to its peers."""
    part = f"{site.node}-agent"
    if processes.signal(part, signal.SIGTERM):
        processes.until(
            f"agent {site.node}",
            "the agent to end",
            lambda: "it still runs" if part in processes.running() else None,
            within_s=15,
        )


def exchange_agent(site: Site, processes: Processes) -> None:
    """As `systemctl restart` does, when another version was installed: the next process goes on with its sessions."""
    before = set(_agent(site, processes))
    if not processes.signal(f"{site.node}-agent", signal.SIGHUP):
        raise PartFailed(f"agent {site.node}", "an agent to exchange", "it does not run")
    _until_back(site, processes, before)


def crash_agent(site: Site, processes: Processes) -> None:
    """`kill -9` of the agent, not of what holds it, which starts it again after a second as systemd would."""
    before = _agent(site, processes)
    for pid in before[1:]:
        if site.in_guest:
            guests.run(site, ["kill", "-KILL", str(pid)])
        else:
            os.kill(pid, signal.SIGKILL)
    _until_back(site, processes, set(before))


def _agent(site: Site, processes: Processes) -> list[int]:
    """Its processes where it runs; first the one that holds it."""
    if site.in_guest:
        return guests.pids(site, guest.HOME / AGENT_FILE)
    part = f"{site.node}-agent"
    heads = processes.heads(part)
    return heads + [pid for pid in processes.running().get(part, []) if pid not in heads]


def _until_back(site: Site, processes: Processes, before: set[int]) -> None:
    def wrong() -> str | None:
        fresh = set(_agent(site, processes)) - before
        return silent(site, processes.places.agent_socket(site.node)) if fresh else "no new process runs"

    processes.until(f"agent {site.node}", "the next agent to answer on its socket", wrong, within_s=30)


def start_agent(site: Site, processes: Processes, programs: Programs) -> None:
    """From its file to an agent that answers on its socket."""
    places = processes.places
    file = places.of(site.node) / AGENT_FILE
    file.write_text(agent_configuration(site, places))
    file.chmod(0o640)  # there is a password in it
    if not site.in_guest:
        # A socket file left by an agent that was killed would answer nobody.
        places.agent_socket(site.node).unlink(missing_ok=True)
    started = processes.start(agent(site, places, programs))
    processes.until(
        f"agent {site.node}",
        "the agent to answer on its socket",
        lambda: silent(site, places.agent_socket(site.node)),
        within_s=30,
        watch=[started],
    )


def silent(site: Site, path: Path) -> str | None:
    """None if somebody accepts connections on that unix socket of the hypervisor, else what is wrong."""
    return guests.silent(site, str(path)) if site.in_guest else listening(path)
