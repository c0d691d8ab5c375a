"""The command `isthmus-lab`: words to calls, and failures to sentences and exit codes.

Exit codes: 0 done, 1 a part failed (the message names it), 2 the lab cannot begin (one sentence), 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from isthmus.lab import hypervisor, netns, report, topology, why
from isthmus.lab import lab as whole
from isthmus.lab.access import ADMIN
from isthmus.lab.fault import Interrupted, PartFailed, Refusal
from isthmus.lab.guests import pe as pes
from isthmus.lab.neutron import cloud_name
from isthmus.lab.pe import Pe
from isthmus.lab.plan import ovs_env
from isthmus.lab.process import within
from isthmus.lab.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    words = parser().parse_args(arguments)
    try:
        return int(words.act(words))
    except Refusal as sentence:
        print(f"isthmus-lab: {sentence}", file=sys.stderr)
        return 2
    except PartFailed as failure:
        print(f"isthmus-lab: {failure}", file=sys.stderr)
        print("  what is there stays for a look (isthmus-lab status, logs) until isthmus-lab down", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        print(
            "isthmus-lab: interrupted; isthmus-lab up begins anew, isthmus-lab down removes what is there",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # `isthmus-lab logs … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="isthmus-lab",
        description="Real OpenStack clouds in network namespaces of this machine. ISTHMUS_LAB_DIR sets its directory.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="build the lab; leaves one that runs whole as it is")
    up.add_argument("topology", nargs="?", help="a TOML file, or the name of a shipped one (default: two-clouds)")
    up.add_argument("--no-agents", action="store_true", help="leave isthmus-agent to `isthmus-lab agent start`")
    up.set_defaults(act=_up)

    commands.add_parser("down", help="remove everything the lab made").set_defaults(act=_down)
    commands.add_parser("status", help="what runs, and what does not").set_defaults(act=_status)

    climb = commands.add_parser("ladder", help="build the lab, climb every rung, show the picture, clean up")
    climb.add_argument("topology", nargs="?", help="as for up; with PEs that are not ours the ladder is another")
    climb.add_argument("--keep", action="store_true", help="leave it running, joined")
    climb.set_defaults(act=_ladder)

    trouble = commands.add_parser("chaos", help="build the lab, let packets run, count what each kind of trouble costs")
    trouble.add_argument("topology", nargs="*", help="as for up (default: with FRR, GoBGP, two FRRs a cloud)")
    trouble.add_argument("--only", metavar="WORDS", help="the cases with these words in their title")
    trouble.add_argument("--write", type=Path, metavar="FILE", help="the table as a page: docs/chaos.md")
    trouble.add_argument("--keep", action="store_true", help="leave the lab running")
    trouble.set_defaults(act=_chaos)

    logs = commands.add_parser("logs", help="the log of a part; without PART, which there are")
    logs.add_argument("part", nargs="?", metavar="PART")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    logs.set_defaults(act=_logs)

    execute = commands.add_parser(
        "exec", help="run a command in a node: a-h1, a-rr, wan, a VM, a PE, or a cloud's central"
    )
    execute.add_argument("node", metavar="NODE")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    execute.set_defaults(act=_exec)

    client = commands.add_parser("openstack", help="the stock openstack client: openstack CLOUD [--as TENANT] ARGS…")
    client.add_argument("cloud", metavar="CLOUD")
    client.add_argument("words", nargs=argparse.REMAINDER, metavar="[--as TENANT] ARGS")
    client.set_defaults(act=_openstack)

    ask = commands.add_parser("why", help="walk the path of a packet, asking every agent; name what is wrong")
    ask.add_argument("--from", dest="source", required=True, metavar="VM", help="a-red1, or whatever isthmus why takes")
    ask.add_argument("--to", dest="destination", required=True, metavar="ADDRESS", help="an address, or a VM")
    ask.add_argument("--json", action="store_true", help="for programs")
    ask.set_defaults(act=_why)

    agent = commands.add_parser("agent", help="start, stop, exchange (restart) or kill isthmus-agent on hypervisors")
    agent.add_argument("verb", choices=("start", "stop", "restart", "kill"))
    agent.add_argument("nodes", nargs="*", metavar="NODE", help="hypervisors such as a-h1 (default: all)")
    agent.set_defaults(act=_agent)

    _vm_parser(commands)
    return top


def _vm_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verbs = commands.add_parser("vm", help="add and remove VMs").add_subparsers(required=True, metavar="add|del")
    add = verbs.add_parser("add", help="a VM on a hypervisor, its NIC a port of a network")
    add.add_argument("cloud", metavar="CLOUD")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--host", required=True, metavar="H", help="hypervisor: h1")
    add.add_argument("--network", required=True, metavar="N", help="name or id")
    add.add_argument("--project", metavar="P", help="whose port it is (default: the network's project)")
    add.add_argument("--fixed-ip", action="append", default=[], metavar="IP")
    add.add_argument("--security-group", action="append", metavar="ID", help="instead of the project's default group")
    add.add_argument("--no-port-security", action="store_true")
    add.set_defaults(act=_vm_add)
    remove = verbs.add_parser("del", help="remove VMs and their ports")
    remove.add_argument("cloud", metavar="CLOUD")
    remove.add_argument("names", nargs="+", metavar="NAME")
    remove.set_defaults(act=_vm_del)


def _up(words: argparse.Namespace) -> int:
    path = topology.locate(words.topology)
    agents = False if words.no_agents else None
    with Progress(sys.stdout) as progress, progress.step("the lab"):
        lab = whole.up(path.read_text(), str(path), agents=agents, progress=progress)
    print(report.invitation(lab))
    return 0


def _ladder(words: argparse.Namespace) -> int:
    from isthmus.lab.ladder import command  # the SDK takes most of a second to import; `down` does not need it

    command.ladder(sys.stdout, name=words.topology, keep=words.keep)
    return 0


def _chaos(words: argparse.Namespace) -> int:
    from isthmus.lab.chaos import command

    kept = command.chaos(sys.stdout, names=words.topology, only=words.only, write=words.write, keep=words.keep)
    return 0 if kept else 1


def _down(_: argparse.Namespace) -> int:
    print(whole.down())
    return 0


def _status(_: argparse.Namespace) -> int:
    lines, well = report.status(whole.find())
    print("\n".join(lines))
    return 0 if well else 1


def _logs(words: argparse.Namespace) -> int:
    places = whole.find().places
    parts = sorted(path.stem for path in places.logs.glob("*.log"))
    if words.part is None:
        print("\n".join(parts))
        return 0
    if words.part not in parts:
        raise Refusal(f"there is no log of '{words.part}' (there are: {', '.join(parts)})")
    command = ["tail", "-n", "+1", *(["-f"] if words.follow else []), str(places.log(words.part))]
    return os.execvp(command[0], command)


def _exec(words: argparse.Namespace) -> int:
    lab = whole.find()
    command = words.command[1:] if words.command[:1] == ["--"] else words.command
    if not command:
        raise Refusal("say what to run: isthmus-lab exec NODE -- CMD")
    present = netns.present()
    centrals = {cloud.name for cloud in lab.topology.clouds}
    if words.node not in present | centrals:
        raise Refusal(f"there is no node '{words.node}' (there are: {', '.join(sorted(present | centrals))})")
    if (pe := lab.topology.pe(words.node)) is not None:
        return _exec_in_guest(pe, command)
    inside = words.node if words.node in present else None
    site = next((site for site in lab.plan.sites if site.node == words.node), None)
    argv = within(inside, site.command(command) if site else command)
    marks = {key: value for key, value in lab.processes.environment({}).items() if key.startswith("ISTHMUS_")}
    return os.execvpe(argv[0], argv, {**os.environ, **ovs_env(lab.places.of(words.node)), **marks})


def _exec_in_guest(pe: Pe, command: list[str]) -> int:
    answer = pes.ask(pe, command)
    sys.stdout.write(answer["out"])
    sys.stderr.write(answer["err"])
    return int(answer["code"])


def _openstack(words: argparse.Namespace) -> int:
    lab = whole.find()
    cloud = lab.topology.cloud(words.cloud)
    # By hand: argparse gives everything after CLOUD to the client, and must, or it would eat the client's options.
    match words.words:
        case ["--as", user, *rest]:
            pass
        case rest:
            user = ADMIN
    if user not in (ADMIN, *cloud.tenants):
        raise Refusal(f"cloud {cloud.name} has no tenant '{user}' (it has: {', '.join(cloud.tenants)})")
    client = str(lab.programs.python_bin / "openstack")
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.places.clouds_yaml)}
    return os.execve(client, [client, "--os-cloud", cloud_name(cloud, user), *rest], environment)


def _why(words: argparse.Namespace) -> int:
    lab = whole.find()
    for sentence in why.stopped(lab):
        print(f"isthmus-lab: {sentence}", file=sys.stderr, flush=True)
    command = within(why.home_of(lab, words.source), why.command(lab, words.source, words.destination, words.json))
    return os.execvp(command[0], command)


def _agent(words: argparse.Namespace) -> int:
    lab = whole.find()
    nodes = words.nodes or [site.node for site in lab.plan.sites]
    sites = [lab.site(node) for node in nodes]
    if words.verb == "start":
        with Progress(sys.stdout) as progress:
            whole.start_agents(lab, nodes, progress)
        return 0
    act = {"stop": hypervisor.stop_agent, "restart": hypervisor.exchange_agent, "kill": hypervisor.crash_agent}
    for site in sites:
        act[words.verb](site, lab.processes)
    return 0


def _vm_add(words: argparse.Namespace) -> int:
    from isthmus.lab import vm  # the SDK takes most of a second to import; no other command needs it

    lab = whole.find()
    wish = vm.Wish(
        cloud=words.cloud,
        name=words.name,
        host=words.host.removeprefix(f"{words.cloud}-"),
        network=words.network,
        project=words.project,
        fixed_ips=tuple(words.fixed_ip),
        security_groups=tuple(words.security_group) if words.security_group else None,
        port_security=not words.no_port_security,
    )
    for made in vm.add(lab, [wish]):
        print(f"{made.node} on {made.site_node}: {' '.join(made.addresses)}")
    return 0


def _vm_del(words: argparse.Namespace) -> int:
    from isthmus.lab import vm

    lab = whole.find()
    vm.delete(lab, [vm.find(lab, words.cloud, name) for name in words.names])
    return 0
