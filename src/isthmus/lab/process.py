"""Processes of the lab: start, wait, find again, end.

Every process carries `ISTHMUS_LAB=<directory>` in its environment, daemons also `ISTHMUS_PART=<name>`. That mark is
how any later command, after a crash too, finds what is ours (/proc/<pid>/environ); there are no pid files to go stale.
Nothing is supervised: a daemon that dies stays dead and `status` says so.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from isthmus.lab.fault import Interrupted, PartFailed
from isthmus.lab.network import namespace_of
from isthmus.lab.places import Places
from isthmus.lab.plan import Daemon

MARK = "ISTHMUS_LAB"
PART = "ISTHMUS_PART"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KILL_WITHIN_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon this process has just started. Only its pid: it is meant to outlive us."""

    daemon: Daemon
    pid: int

    def ended(self) -> str | None:
        """How it ended, if it did."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return "was ended"  # and has been reaped
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        return f"ended with code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one lab directory. `stop` ends every wait at once."""

    places: Places
    stop: threading.Event

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What every process of the lab sees: the mark, and nothing that could lead it to the system's services.

        SPT_NOENV: Neutron's workers write their title over the environment and would lose the mark.
        """
        base = {
            MARK: str(self.places.root),
            "PATH": SYSTEM_PATH,
            "HOME": str(self.places.root),  # histories and caches go with the lab
            "LANG": "C.UTF-8",
            "SPT_NOENV": "1",
            "PYTHONWARNINGS": "ignore",
        }
        return base | dict(extra)

    def start(self, daemon: Daemon) -> Started:
        """Start it, its output appended to its log."""
        self.places.logs.mkdir(parents=True, exist_ok=True)
        log, both = str(self.places.log(daemon.name)), os.O_WRONLY | os.O_APPEND | os.O_CREAT
        argv = ["env", f"--chdir={self.places.root}", *within(daemon.node, daemon.argv)]
        pid = os.posix_spawnp(
            argv[0],
            argv,
            self.environment({**daemon.env, PART: daemon.name}),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, both, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        return Started(daemon, pid)

    def run(
        self,
        part: str,
        argv: Sequence[str],
        *,
        node: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_s: float = 60.0,
        expected: str | None = None,
        blame: Started | None = None,
    ) -> str:
        """The output of a command that ends. PartFailed with its last words if it ends badly.

        `expected` says in the reader's words what the command was for; `blame` is the daemon whose log explains it.
        """
        purpose = expected or f"`{' '.join(argv)[:160]}` to succeed"
        log = self.places.log(blame.daemon.name) if blame else None
        try:
            done = subprocess.run(
                within(node, argv),
                input=stdin,
                capture_output=True,
                text=True,
                env=self.environment(env or {}),
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise PartFailed(part, f"{purpose} within {timeout_s:.0f} s", "it did not end", log) from None
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip() or "nothing was said").splitlines()
            seen = f"exit code {done.returncode}: {' | '.join(words[-6:])}"
            raise PartFailed(part, purpose, f"{seen}; the log ends: {tail(log)}" if log else seen, log)
        return done.stdout

    def until(
        self,
        part: str,
        expected: str,
        check: Callable[[], str | None],
        *,
        within_s: float,
        watch: Sequence[Started] = (),
    ) -> None:
        """Poll until `check` returns None; it returns what is still wrong. A watched daemon's death ends the wait."""
        deadline = time.monotonic() + within_s
        log = self.places.log(watch[-1].daemon.name) if watch else None
        while True:
            if self.stop.is_set():
                raise Interrupted(part)
            wrong = check()
            if wrong is None:
                return
            for started in watch:
                end = started.ended()
                if end is not None:
                    own = self.places.log(started.daemon.name)
                    raise PartFailed(part, expected, f"{started.daemon.name} {end}: {tail(own)}", own)
            if time.monotonic() >= deadline:
                last = f"; the log ends: {tail(log)}" if log is not None else ""
                raise PartFailed(part, f"{expected} within {within_s:.0f} s", f"{wrong}{last}", log)
            time.sleep(POLL_S)

    def running(self) -> dict[str, list[int]]:
        """Pids of this lab by part; what is not a daemon's stands under the empty name."""
        return processes_of(str(self.places.root))

    def kill(self, part: str) -> bool:
        """End every process of a part; whether there was one."""
        pids = self.running().get(part, [])
        self._kill_all(lambda: self.running().get(part, []))
        return bool(pids)

    def heads(self, part: str) -> list[int]:
        """The processes of a part that no other of it has started."""
        pids = self.running().get(part, [])
        return [pid for pid in pids if _parent(pid) not in pids]

    def signal(self, part: str, number: signal.Signals) -> bool:
        """To the heads of a part; whether there was one."""
        heads = self.heads(part)
        for pid in heads:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(heads)

    def sweep(self) -> int:
        """End every process of this lab but our own and our parents'. How many there were."""
        ours = _ancestry()
        count = len(self._strays(ours))
        self._kill_all(lambda: self._strays(ours))
        return count

    def _strays(self, ours: set[int]) -> list[int]:
        return [pid for pids in self.running().values() for pid in pids if pid not in ours]

    def _kill_all(self, find: Callable[[], list[int]]) -> None:
        deadline = time.monotonic() + KILL_WITHIN_S
        while pids := find():
            if time.monotonic() >= deadline:
                raise PartFailed("processes", "all of them to end", f"still there after SIGKILL: {pids}")
            for pid in pids:
                _kill(pid)
            time.sleep(POLL_S)
            for pid in pids:
                _reap(pid)


def within(node: str | None, argv: Sequence[str]) -> list[str]:
    """The command as it runs inside a node's network namespace. Only the network differs: files are shared."""
    if node is None:
        return list(argv)
    return ["nsenter", f"--net=/run/netns/{namespace_of(node)}", "--", *argv]


def processes_of(directory: str | None) -> dict[str, list[int]]:
    """Marked processes by part: those of one lab directory, or of any lab (None)."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        environment = _environment_of(entry)
        mark = environment.get(MARK)
        if mark is not None and (directory is None or mark == directory):
            found.setdefault(environment.get(PART, ""), []).append(int(entry.name))
    return found


def directories_in_use() -> set[str]:
    """The lab directories of all marked processes of the machine."""
    marks = (_environment_of(entry).get(MARK) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {mark for mark in marks if mark is not None}


def _environment_of(entry: Path) -> dict[str, str]:
    try:
        raw = (entry / "environ").read_bytes()
    except OSError:  # gone meanwhile, or a kernel thread
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0"))
    return {key: value for key, _, value in pairs if key in (MARK, PART)}


def _ancestry() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        pid = _parent(pid)
    return pids


def _parent(pid: int) -> int:
    """0 if there is none, or the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> None:
    """Let go of it if it was our own child."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def listening(path: Path) -> str | None:
    """None if somebody accepts connections on that unix socket, else what is wrong."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            return f"{path}: {error.strerror}"
    return None


def tail(log: Path, lines: int = 3) -> str:
    """The last words of a log, on one line."""
    try:
        words = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "(no log)"
    return " | ".join(line.strip()[:300] for line in words[-lines:]) or "(empty log)"
