"""A private Open vSwitch and a private OVN central for tests: own run directory, unix sockets, nothing of the system's.

`Switch` is ovsdb-server and ovs-vswitchd with dummy devices (no kernel datapath, no root needed); `Central` is the two
OVN databases and northd. Both are context managers; what they start they end, by its own process id. Parts can be
killed and started again, because that is what the tests are about.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.eventually import eventually

VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
NB_SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")
SB_SCHEMA = Path("/usr/share/ovn/ovn-sb.ovsschema")

PATIENCE_S = 40
"""How long a command may take. northd looks for a new leader up to 8 s at a time when a server of a cluster died."""


def installed() -> bool:
    """Whether this machine has the programs at all."""
    programs = ("ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovn-northd", "ovn-nbctl", "ovn-sbctl")
    return all(shutil.which(p) for p in programs) and VSWITCH_SCHEMA.exists() and SB_SCHEMA.exists()


def run(*args: str, env: dict[str, str] | None = None, stdin: str = "") -> str:
    """A command that must succeed; its output."""
    done = subprocess.run(args, env=env, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


class Rundir:
    """A short-named temporary directory (unix socket paths have 108 bytes) and the processes that live in it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="sw"))
        self.env = dict(os.environ) | {"OVS_RUNDIR": str(self.path), "OVN_RUNDIR": str(self.path)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, args: Sequence[str]) -> int:
        """Start `name`; what it prints goes to `<name>.out`. Returns its process id."""
        assert name not in self._running, f"{name} runs already"
        with (self.path / f"{name}.out").open("ab") as out:
            process = subprocess.Popen(args, env=self.env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self._running[name] = process
        return process.pid

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for it; ending what does not run is nothing."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def signal(self, name: str, what: signal.Signals) -> None:
        self._running[name].send_signal(what)

    def alive(self, name: str) -> None:
        """Assert that it has not died; what it printed is the message."""
        assert self._running[name].poll() is None, (self.path / f"{name}.out").read_text()

    def wait_for(self, name: str, file: str) -> None:
        """Until `name` has made its socket."""

        def made() -> None:
            self.alive(name)
            assert (self.path / file).exists(), f"{name} has not made {file}"

        eventually(made, every=0.01)

    def database(self, name: str, schema: Path, *more: str) -> None:
        """An ovsdb-server for one database, at `<name>.sock`; kept contents are served again."""
        file = self.path / f"{name}.db"
        if not file.exists():
            run("ovsdb-tool", "create", str(file), str(schema))
        socket = self.path / f"{name}.sock"
        socket.unlink(missing_ok=True)
        self.start(
            name,
            [
                "ovsdb-server",
                f"--remote=punix:{socket}",
                f"--unixctl={self.path / name}.ctl",
                f"--pidfile={self.path / name}.pid",
                *more,
                str(file),
            ],
        )
        self.wait_for(name, f"{name}.sock")

    def close(self) -> None:
        for name in reversed(list(self._running)):
            self.end(name)
        shutil.rmtree(self.path, ignore_errors=True)


class Switch:
    """ovsdb-server and ovs-vswitchd in a directory of their own, with `br-int` in it."""

    def __init__(
        self, system_id: str = "host-1", *, integration_bridge: str = "br-int", dummies: str = "override"
    ) -> None:
        """`dummies`: which devices are not real: all, tunnels too ("override"), or what the kernel has ("system")."""
        self.dir = Rundir()
        self.run_dir = str(self.dir.path)
        self.db = f"unix:{self.dir.path}/db.sock"
        self.system_id = system_id
        self.integration_bridge, self.dummies = integration_bridge, dummies

    def __enter__(self) -> Self:
        self.start_db()
        self.start_vswitchd()
        self.vsctl("set", "Open_vSwitch", ".", f"external_ids:system-id={self.system_id}")
        if self.integration_bridge:
            self.vsctl("add-br", self.integration_bridge)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.dir.close()

    def start_db(self) -> None:
        self.dir.database("db", VSWITCH_SCHEMA)

    def end_db(self) -> None:
        self.dir.end("db")

    def start_vswitchd(self) -> None:
        """With dummy devices in place of the kernel's. Returns once it serves its control socket."""
        pid = self.dir.start(
            "ovs-vswitchd",
            [
                "ovs-vswitchd",
                f"--enable-dummy={self.dummies}",
                "--disable-system",
                f"--pidfile={self.dir.path}/ovs-vswitchd.pid",
                f"--log-file={self.dir.path}/ovs-vswitchd.log",
                self.db,
            ],
        )
        self.dir.wait_for("ovs-vswitchd", f"ovs-vswitchd.{pid}.ctl")

    def kill_vswitchd(self) -> None:
        """As a crash would: nothing is cleaned up but the process."""
        self.dir.end("ovs-vswitchd", signal.SIGKILL)

    def hang_vswitchd(self) -> None:
        """It keeps its connections and does nothing."""
        self.dir.signal("ovs-vswitchd", signal.SIGSTOP)

    def go_on_vswitchd(self) -> None:
        self.dir.signal("ovs-vswitchd", signal.SIGCONT)

    def vsctl(self, *args: str) -> str:
        """`ovs-vsctl`; it waits until the switch has done what was asked."""
        return run("ovs-vsctl", f"--db={self.db}", f"--timeout={PATIENCE_S}", *args, env=self.dir.env).strip()

    def ofctl(self, command: str, bridge: str = "br-vpn", *args: str, stdin: str = "") -> str:
        target = f"unix:{self.dir.path}/{bridge}.mgmt"
        return run("ovs-ofctl", "-O", "OpenFlow15", command, target, *args, env=self.dir.env, stdin=stdin)

    def appctl(self, *args: str) -> str:
        return run("ovs-appctl", "-t", "ovs-vswitchd", *args, env=self.dir.env)


class Central:
    """The northbound and southbound databases and northd."""

    def __init__(self) -> None:
        self.dir = Rundir()
        self.nb = f"unix:{self.dir.path}/nb.sock"
        self.sb = f"unix:{self.dir.path}/sb.sock"

    def __enter__(self) -> Self:
        self.dir.database("nb", NB_SCHEMA)
        self.start_sb()
        self.start_northd()
        self.nbctl("init")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.dir.close()

    def start_sb(self, *more: str) -> None:
        """`more` are options of ovsdb-server, as another `--remote=`."""
        self.dir.database("sb", SB_SCHEMA, *more)

    def end_sb(self) -> None:
        self.dir.end("sb")

    def lose_sb(self) -> None:
        """It ends, and what it had is gone."""
        self.end_sb()
        (self.dir.path / "sb.db").unlink()

    def start_northd(self) -> None:
        self.dir.start("northd", ["ovn-northd", f"--ovnnb-db={self.nb}", f"--ovnsb-db={self.sb}"])

    def end_northd(self) -> None:
        self.dir.end("northd")

    def nbctl(self, *args: str, wait: str = "sb") -> str:
        """`ovn-nbctl`; returns when the southbound database has it too."""
        return run(
            "ovn-nbctl", f"--db={self.nb}", f"--wait={wait}", f"--timeout={PATIENCE_S}", *args, env=self.dir.env
        ).strip()

    def sbctl(self, *args: str) -> str:
        return run("ovn-sbctl", f"--db={self.sb}", f"--timeout={PATIENCE_S}", *args, env=self.dir.env).strip()
