"""A cloud's hypervisors behind its two route reflectors, real ones, over real TCP, in a namespace of its own.

    100 whole agents: the real core, loop and sessions, each with a switch that obeys at once
    1,000 hypervisors of which 10 are whole agents; the others announce their routes and count what comes

Each has 20 addresses and a session with both reflectors. When all have everything, one route that everybody imports is
changed, a few times; then both reflectors are killed and started again a second later. Bounded in count and time; what
was made is removed. Needs root. Writes its section of docs/figures.md.
Run: python -m benchmarks.swarm [--reflector frr --hypervisors N --whole N --line TEXT --limit S]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks import page
from benchmarks.crowd import Answer, Plan, address
from benchmarks.machine import Run, version
from benchmarks.octets import ASN
from benchmarks.samples import ms, table
from isthmus.lab.frr import COALESCE_MS

ROOT = Path(__file__).parent.parent
REFLECTORS = ("10.50.0.1", "10.50.0.2")
ROUTES = 20
COMMON = 7
DOWN_S = 1.0
"""How long the reflectors are away."""
CHANGES = 5
CHANGE_WITHIN_S = 10.0
AGENT_PROCESSES = 2
LOOK_S = 0.25
TICK = os.sysconf("SC_CLK_TCK")
BGPD = "/usr/lib/frr/bgpd"


# The reflectors


def frr(at: str, home: Path, clients: int, extra: str) -> list[str]:
    lines = ["hostname swarm", "log stdout errors", f"router bgp {ASN}", f" bgp router-id {at}"]
    lines += [f" bgp cluster-id {at}", " no bgp default ipv4-unicast", " no bgp ebgp-requires-policy", extra]
    lines += [" neighbor PE peer-group", f" neighbor PE remote-as {ASN}", " neighbor PE passive"]
    lines += [" neighbor PE advertisement-interval 0", " bgp listen range 10.50.0.0/16 peer-group PE"]
    lines += [f" bgp listen limit {clients + 10}", " address-family l2vpn evpn", "  neighbor PE activate"]
    lines += ["  neighbor PE route-reflector-client", " exit-address-family", ""]
    (home / "bgpd.conf").write_text("\n".join(lines))
    command = [BGPD, "-Z", "-S", "-f", str(home / "bgpd.conf"), "-i", str(home / "bgpd.pid"), "-l", at, "-P", "0"]
    return [*command, "--vty_socket", str(home), "--limit-fds", str(clients * 2 + 100)]


RT_CONSTRAIN = """\
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "rtc"
[neighbors.afi-safis.mp-graceful-restart.config]
  enabled = true
[neighbors.afi-safis.route-target-membership.config]
  deferral-time = 8
"""


def gobgp_asked(at: str, home: Path, clients: int, extra: str) -> list[str]:
    """Tells whole agents what they ask for (RFC 4684); light speakers do not know it and hear all."""
    return gobgp(at, home, clients, extra, RT_CONSTRAIN)


def gobgp(at: str, home: Path, clients: int, extra: str, families: str = "") -> list[str]:
    """`extra` is for FRR only; `families` are spoken besides."""
    text = f'[global.config]\n  as = {ASN}\n  router-id = "{at}"\n  local-address-list = ["{at}"]\n'
    for number in range(clients):
        text += f"""\
[[neighbors]]
[neighbors.config]
  neighbor-address = "{address(number)}"
  peer-as = {ASN}
[neighbors.transport.config]
  passive-mode = true
[neighbors.route-reflector.config]
  route-reflector-client = true
  route-reflector-cluster-id = "{at}"
[neighbors.graceful-restart.config]
  enabled = true
  notification-enabled = true
  restart-time = 120
  deferral-time = 8
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
  afi-safi-name = "l2vpn-evpn"
[neighbors.afi-safis.mp-graceful-restart.config]
  enabled = true
{families}"""
    (home / "gobgpd.toml").write_text(text)
    return ["gobgpd", "-r", "-f", str(home / "gobgpd.toml"), "--api-hosts", f"{at}:50051", "--pprof-disable"]


REFLECTOR_KINDS = {"frr": frr, "gobgp": gobgp, "gobgp-asked": gobgp_asked}


@dataclass(frozen=True, slots=True)
class Swarm:
    """What is built and measured."""

    name: str
    reflector: Callable[[str, Path, int, str], list[str]]
    hypervisors: int
    whole: int
    vpns: int = 4
    extra: str = f" coalesce-time {COALESCE_MS}"
    """A line of FRR's configuration."""
    profile: bool = False
    limit_s: float = 60.0
    """For each wait; what is not there by then is said to be missing."""


class Ground:
    """The namespace, and everything that runs in it."""

    def __init__(self, swarm: Swarm, home: Path) -> None:
        self.swarm, self.home = swarm, home
        self.name = f"swarm-{os.getpid()}"
        self.reflectors: list[subprocess.Popen[bytes]] = []
        self.hosts: list[Host] = []

    @contextlib.contextmanager
    def built(self) -> Iterator[Ground]:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            lines = ["link set lo up", *(f"addr add {at}/16 dev lo" for at in REFLECTORS)]
            lines += [f"addr add {address(n)}/32 dev lo" for n in range(self.swarm.hypervisors)]
            self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
            self.run("sysctl", "-q", "-w", "net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=4096")
            yield self
        finally:
            for host in self.hosts:
                host.end()
            self.kill()
            subprocess.run(["ip", "netns", "del", self.name], check=True)

    def run(self, *words: str, stdin: str = "") -> None:
        subprocess.run(["ip", "netns", "exec", self.name, *words], input=stdin, text=True, check=True)

    def start(self) -> None:
        for n, at in enumerate(REFLECTORS):
            home = self.home / str(n)
            home.mkdir(exist_ok=True)
            words = self.swarm.reflector(at, home, self.swarm.hypervisors, self.swarm.extra)
            with (home / "out").open("ab") as out:
                command = ["ip", "netns", "exec", self.name, *words]
                self.reflectors.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))

    def kill(self) -> None:
        for one in self.reflectors:
            one.kill()
            one.wait()
        self.reflectors.clear()

    def cpu(self) -> float:
        """Processor seconds of both reflectors since they were started."""
        fields = [Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split() for one in self.reflectors]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICK

    def host(self, module: str, plan: Plan) -> Host:
        """A process with the hypervisors of the plan."""
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", f"benchmarks.{module}"]
        command.append(json.dumps(asdict(plan)))
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hosts.append(Host(process))
        return self.hosts[-1]


class Host:
    """A process of hypervisors, and what it answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line: str = "look") -> Answer:
        self.say(line)
        assert self.process.stdout is not None
        return Answer(**json.loads(self.process.stdout.readline()))

    def last_words(self) -> str:
        self.say("end")
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.say("end")
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Found:
    """What one swarm showed; seconds."""

    swarm: Swarm
    first_s: float = 0.0
    """From the start to everybody in sync."""
    again_s: float | None = None
    """From the kill to everybody in sync again, the second without reflectors included."""
    light_again_s: float = 0.0
    missing: int = 0
    """Sessions that were not in sync when the time was over."""
    sessions: int = 0
    changed_whole_s: list[float] = field(default_factory=list)
    changed_light_s: list[float] = field(default_factory=list)
    octets: int = 0
    """Of all sessions, from the kill until all were in sync again."""
    reflectors_cpu: float = 0.0
    light_cpu: float = 0.0
    agents_cpu: float = 0.0
    """Of the processes of the whole agents, asyncio and sockets included."""
    agent_cpu: float = 0.0
    """Of a whole agent's node, the median."""
    flows: int = 0
    """In a whole agent's switch, the median."""
    profile: str = ""
    """Of a process of whole agents, its whole life."""


class Hosts:
    """The processes of one swarm: the light speakers, and the whole agents on both cores."""

    def __init__(self, ground: Ground) -> None:
        swarm = ground.swarm
        asked = swarm.reflector is gobgp_asked
        every = Plan(list(REFLECTORS), [], swarm.hypervisors, ROUTES, COMMON, swarm.vpns, swarm.profile, asked)
        light = [0, *range(swarm.whole + 1, swarm.hypervisors)]
        self.light = ground.host("crowd", replace(every, speakers=light))
        shares = [list(range(1 + n, swarm.whole + 1, AGENT_PROCESSES)) for n in range(AGENT_PROCESSES)]
        self.whole = [ground.host("agents", replace(every, speakers=share)) for share in shares]

    def look(self, word: str = "look") -> tuple[Answer, Answer]:
        """Of the light ones, and of the whole ones together."""
        return self.light.ask(), together(host.ask(word) for host in self.whole)

    def synced(self, since: float, limit_s: float) -> tuple[Answer, Answer]:
        """When all are in sync, or the time is over."""
        while True:
            light, whole = self.look()
            if not missing(light, whole) or time.monotonic() - since > limit_s:
                return light, whole
            time.sleep(LOOK_S)


def together(answers: Iterable[Answer]) -> Answer:
    """What several processes say, as if they were one."""
    total = Answer(0)
    for one in answers:
        for name, value in asdict(one).items():
            so_far = getattr(total, name)
            setattr(total, name, max(so_far, value) if name.endswith("_at") else so_far + value)
    return total


def missing(light: Answer, whole: Answer) -> int:
    return light.sessions + whole.sessions - light.in_sync - whole.in_sync


def measure(swarm: Swarm, directory: Path) -> Found:
    directory.mkdir()
    with Ground(swarm, directory).built() as ground:
        ground.start()
        time.sleep(DOWN_S)
        begun = time.monotonic()
        hosts = Hosts(ground)
        light, whole = hosts.synced(begun, swarm.limit_s)
        found = Found(swarm, missing=missing(light, whole), sessions=light.sessions + whole.sessions)
        found.first_s = max(light.in_sync_at, whole.in_sync_at) - begun
        if not found.missing:
            _change(found, hosts)
            _again(found, ground, hosts)
        if swarm.profile:
            found.profile = hosts.whole[0].last_words()
    return found


def _change(found: Found, hosts: Hosts) -> None:
    """One route, a few times: its VNI is another each time."""
    for sequence in range(1, CHANGES + 1):
        time.sleep(1)
        hosts.look("change")
        begun = time.monotonic()
        hosts.light.ask(f"change {sequence}")
        while time.monotonic() - begun < CHANGE_WITHIN_S:
            light, whole = hosts.look()
            if light.changed == light.sessions // 2 - 1 and whole.changed == whole.sessions // 2:
                found.changed_whole_s.append(whole.changed_at - begun)
                found.changed_light_s += [light.changed_at - begun] if light.changed else []
                break
            time.sleep(LOOK_S)
    assert found.changed_whole_s, "a changed route did not come to everybody"


def _again(found: Found, ground: Ground, hosts: Hosts) -> None:
    before = hosts.look()
    ground.kill()
    begun = time.monotonic()
    time.sleep(DOWN_S)
    assert not any(one.in_sync for one in hosts.look()), "a session outlived its reflector"
    ground.start()
    after = light, whole = hosts.synced(begun, ground.swarm.limit_s)
    found.reflectors_cpu = ground.cpu()
    found.missing = missing(light, whole)
    found.again_s = max(light.in_sync_at, whole.in_sync_at) - begun
    found.light_again_s = light.in_sync_at - begun
    found.octets = sum(b.octets - a.octets for a, b in zip(before, after, strict=True))
    found.light_cpu = light.cpu - before[0].cpu
    found.agents_cpu = whole.cpu - before[1].cpu
    found.agent_cpu = statistics.median(b - a for a, b in zip(before[1].each, whole.each, strict=True))
    found.flows = int(statistics.median(whole.flows))
    if not found.missing:
        assert whole.flows == before[1].flows, "an agent has other flows than before"


# The page

SLOPE_CLOUD, SLOPE_ASKED, SLOPE_OWN = (250, 500), (100, 200), (1, 16)
SLOPE_ROUNDS = 3
"""By turns; the median of each counts."""
SWARMS = (
    Swarm("FRR, 100 whole agents", frr, 101, 100),
    Swarm("FRR, 1,000, 10 of them whole", frr, 1000, 10),
    Swarm("GoBGP, 100 whole agents", gobgp, 101, 100, limit_s=120),
    Swarm("GoBGP, 1,000, 10 of them whole", gobgp, 1000, 10),
    Swarm("GoBGP that is asked for targets, 100 whole agents", gobgp_asked, 101, 100, limit_s=120),
    Swarm("GoBGP that is asked for targets, 1,000, 10 of them whole", gobgp_asked, 1000, 10),
)
SLOPES = (
    *(Swarm(f"a cloud of {n}", frr, n, 10) for n in SLOPE_CLOUD),
    *(Swarm(f"a cloud of 500, VPNs here: {n}", frr, 500, 10, vpns=n) for n in SLOPE_OWN),
    *(Swarm(f"GoBGP that is asked for targets, a cloud of {n}", gobgp_asked, n, 10, limit_s=120) for n in SLOPE_ASKED),
)
AIM_AGAIN_S, AIM_CHANGED_S = 8.0, 0.3
ABOUT = """\
A cloud's hypervisors in one namespace, behind two reflectors, over TCP: each has a session with both and {routes}
addresses; ten share a VPN, a whole agent imports four of them and one route that everybody imports. A whole agent is
the real core with its loop and sessions and a switch that obeys at once; all of them share the cores with the
reflectors, which real hypervisors do not. The others are light speakers: they announce and count, and do not decode.
Both reflectors are killed (SIGKILL) and started again after {down:.0f} s, which counts. The changed route is the median
of {changes}. FRR runs with `coalesce-time {coalesce}`, as in the lab."""
HEAD = (
    "reflectors, hypervisors",
    "killed, to all in sync again",
    "of that the light ones",
    "one changed route, at all whole agents",
    "at all light ones",
    "octets",
    "processor: both reflectors",
    "all light ones",
    "a whole agent",
)


def line(found: Found) -> tuple[str, ...]:
    name, wait = found.swarm.name, found.swarm.limit_s
    if found.again_s is None or found.missing:
        gone = f"not within {wait:.0f} s: {found.missing:,} of {found.sessions:,} sessions missing"
        return (name, gone, *[""] * (len(HEAD) - 2))
    return (
        name,
        f"{found.again_s:.1f} s",
        f"{found.light_again_s:.1f} s",
        f"{ms(statistics.median(found.changed_whole_s))} ms",
        f"{ms(statistics.median(found.changed_light_s))} ms" if found.changed_light_s else "",
        f"{found.octets / 1e6:,.0f} MB",
        f"{found.reflectors_cpu:.1f} s",
        f"{found.light_cpu:.1f} s",
        f"{ms(found.agent_cpu)} ms",
    )


def cost(rounds: list[Found]) -> float | None:
    """What a whole agent's node took, in seconds; None if it never came to its end."""
    whole = [one.agent_cpu for one in rounds if one.again_s is not None and not one.missing]
    return statistics.median(whole) if whole else None


def slope(few: list[Found], many: list[Found], routes: int) -> str:
    """Microseconds for one route more, heard of both reflectors."""
    a, b = cost(few), cost(many)
    return "(not measured)" if a is None or b is None else f"{(b - a) / routes * 1e6:.0f} µs"


def costs(slopes: list[list[Found]]) -> str:
    """What more routes cost a whole agent."""
    few, more, one, sixteen, few_asked, more_asked = slopes
    cloud = slope(few, more, (SLOPE_CLOUD[1] - SLOPE_CLOUD[0]) * ROUTES)
    asked = slope(few_asked, more_asked, (SLOPE_ASKED[1] - SLOPE_ASKED[0]) * ROUTES)
    own = slope(one, sixteen, (SLOPE_OWN[1] - SLOPE_OWN[0]) * 10 * ROUTES)
    rows = []
    for rounds in slopes:
        first, seconds = rounds[0], cost(rounds)
        took = "not in sync in time" if seconds is None else f"{ms(seconds)} ms"
        flows = max(one.flows for one in rounds)
        rows.append((first.swarm.name, f"{first.swarm.hypervisors * ROUTES:,}", f"{flows:,}", took))
    said = (
        f"One route more in the cloud costs each agent {cloud}, one more in its own VPNs {own} on top of that (both "
        "heard from two reflectors, decoded and forgotten or decided and installed). Where the reflector is asked for "
        f"targets (RFC 4684), one route more in the cloud costs {asked}."
    )
    head = f"What a whole agent's node costs from the kill until it is in sync again, the median of {SLOPE_ROUNDS}:"
    return "\n\n".join((head, table(("where", "routes of the cloud", "flows here", "processor"), rows), said))


def aims(found: Found) -> tuple[bool, bool]:
    """Whether all were in sync again soon enough, and a changed route installed everywhere."""
    if found.again_s is None or found.missing:
        return False, False
    return found.again_s <= AIM_AGAIN_S, statistics.median(found.changed_whole_s) <= AIM_CHANGED_S


def verdict(found: Found) -> str:
    if found.again_s is None or found.missing:
        return f"{found.swarm.name}: not in sync in time"
    again, soon = ("met" if one else "**not met**" for one in aims(found))
    return (
        f"{found.swarm.name}: in sync again in {found.again_s:.1f} s, aim {AIM_AGAIN_S:.0f} s, {again}; one changed "
        f"route installed in {ms(statistics.median(found.changed_whole_s))} ms, aim {ms(AIM_CHANGED_S)} ms, {soon}"
    )


def text(run: Run, found: list[Found], slopes: list[list[Found]], profile: str) -> str:
    about = ABOUT.format(routes=ROUTES, down=DOWN_S, changes=CHANGES, coalesce=COALESCE_MS)
    programs = (f"FRR {version(BGPD, '--version')}", f"GoBGP {version('gobgpd', '--version')}")
    parts = [run.sentence(*programs), about, table(HEAD, map(line, found))]
    parts += ["Aims with FRR: " + ". ".join(verdict(one) for one in found if one.swarm.reflector is frr) + "."]
    parts.append(costs(slopes))
    if profile:
        parts += ["Where the time of a process of whole agents goes, its whole life (own time under a profiler):"]
        parts += ["\n".join("    " + line for line in profile.splitlines() if line.strip())]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm")
    parser.add_argument(
        "--reflector", choices=("frr", "gobgp", "gobgp-asked"), help="only one swarm of one's own; writes nothing"
    )
    parser.add_argument("--hypervisors", type=int, default=101)
    parser.add_argument("--whole", type=int, default=100)
    parser.add_argument("--line", default=f" coalesce-time {COALESCE_MS}", help="of FRR's configuration")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--profile", action="store_true", help="where the time of whole agents goes")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    run = Run()
    with tempfile.TemporaryDirectory(prefix="swarm") as directory:
        if words.reflector:
            kind = REFLECTOR_KINDS[words.reflector]
            swarm = Swarm(words.reflector, kind, words.hypervisors, words.whole, extra=words.line, limit_s=words.limit)
            own = measure(replace(swarm, profile=words.profile), Path(directory) / "0")
            print(json.dumps(asdict(replace(own, profile="")), default=str, indent=1) + own.profile)
            return
        homes = (Path(directory) / str(number) for number in itertools.count())

        def run_one(swarm: Swarm) -> Found:
            one = measure(swarm, next(homes))
            print(one, file=sys.stderr, flush=True)
            return one

        done = [run_one(swarm) for swarm in SWARMS]
        rounds = [[run_one(swarm) for swarm in SLOPES] for _ in range(SLOPE_ROUNDS)]
        missed = next((one.swarm for one in done if one.swarm.reflector is frr and not all(aims(one))), None)
        profile = run_one(replace(missed, profile=True)).profile if missed else ""
    found = text(run, done, [list(of_one) for of_one in zip(*rounds, strict=True)], profile)
    page.write(page.SWARM, found)
    print(found)


if __name__ == "__main__":
    main()
