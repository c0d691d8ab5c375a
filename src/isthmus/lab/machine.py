"""What the machine must offer before anything is touched: root, programs, free ports. Each lack is one sentence."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from isthmus.lab.fault import Refusal
from isthmus.lab.guests import boot, guest
from isthmus.lab.plan import BGPD, Programs
from isthmus.lab.process import SYSTEM_PATH
from isthmus.lab.topology import ReflectorKind, Topology

AGENT_VARIABLE = "ISTHMUS_AGENT_BIN"
UWSGI_PLUGINS = Path("/usr/lib/uwsgi/plugins")

PACKAGES = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "ethtool": "ethtool",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovn-northd": "ovn-central",
    "ovn-controller": "ovn-host",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    BGPD: "frr",
    "vtysh": "frr",
    "udhcpc": "udhcpc",
    "/usr/share/ovn/ovn-nb.ovsschema": "ovn-common",
    "/usr/share/openvswitch/vswitch.ovsschema": "openvswitch-common",
}
"""A program (or file) the lab needs, and the Debian package that brings it."""


REFLECTORS = {
    ReflectorKind.FRR: (BGPD, "frr"),
    ReflectorKind.GOBGP: ("gobgpd", "gobgpd"),
    ReflectorKind.GOBGP_UNDEFERRED: ("gobgpd", "gobgpd"),
    ReflectorKind.BIRD: ("bird", "bird2"),
}
"""The same for each kind of reflector."""

GUESTS = {
    guest.KERNEL: "user-mode-linux",
    "tcc": "tcc",
    "modprobe": "kmod",
    "/usr/lib/frr/zebra": "frr",
}
"""The same for guests: PEs that are not ours, and hypervisors whose switch forwards in a kernel."""


def check(topology: Topology) -> Programs:
    """Refuse what cannot work; the programs to use."""
    require_root()
    missing = missing_packages()
    wanted = [REFLECTORS[one.kind] for cloud in topology.clouds for one in cloud.reflectors]
    missing |= {package for program, package in wanted if not _present(program)}
    if topology.has_guests:
        if platform.machine() != "x86_64":
            raise Refusal(f"guests run in User-Mode Linux, which is for x86-64 and not for {platform.machine()}")
        missing |= {package for program, package in GUESTS.items() if not _present(program)}
    if missing:
        names = " ".join(sorted(missing))
        raise Refusal(f"packages are missing; install them with: apt-get install --no-install-recommends {names}")
    if topology.has_guests and (why := boot.fails()) is not None:
        raise Refusal(f"guests run in User-Mode Linux, which does not start on this machine: {why}")
    return programs()


def programs() -> Programs:
    return Programs(python_bin=python_bin(), uwsgi=find_uwsgi() or (), agent=find_agent())


def require_root() -> None:
    if os.geteuid() != 0:
        raise Refusal("the lab makes network namespaces: run it as root")


def missing_packages(present: Callable[[str], bool] | None = None) -> set[str]:
    """The Debian packages to install; `present` says whether a program or file is there."""
    there = present or _present
    missing = {package for program, package in PACKAGES.items() if not there(program)}
    return missing if find_uwsgi() else missing | {"uwsgi-core", "uwsgi-plugin-python3"}


def python_bin() -> Path:
    """Where this Python environment keeps its commands; it must hold Neutron."""
    here = Path(sys.executable).parent
    if not (here / "neutron-db-manage").exists():
        raise Refusal(f"{here} holds no Neutron: install isthmus with its extras, pip install 'isthmus[neutron,lab]'")
    return here


def find_uwsgi() -> tuple[str, ...] | None:
    """An uWSGI for this very Python: the environment's own, else Debian's with its plugin."""
    own = Path(sys.executable).parent / "uwsgi"
    if own.exists():
        return (str(own),)
    plugin = f"python{sys.version_info.major}{sys.version_info.minor}"
    if _present("uwsgi") and (UWSGI_PLUGINS / f"{plugin}_plugin.so").exists():
        return ("uwsgi", "--plugin", plugin, "--virtualenv", sys.prefix)
    return None


def find_agent() -> Path:
    """The agent of its own small environment if there is one, so that the lab shows it needs no OpenStack package."""
    chosen = os.environ.get(AGENT_VARIABLE)
    if chosen:
        return Path(chosen)
    here = Path(sys.executable).parent
    apart = here.parent.parent / ".venv-agent/bin/isthmus-agent"
    return apart if apart.exists() else here / "isthmus-agent"


def check_ports(topology: Topology) -> None:
    """Refuse an API port somebody listens on. Call after the sweep: our own old API is gone then."""
    for cloud in topology.clouds:
        with socket.socket(socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", cloud.api_port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise Refusal(
                    f"port {cloud.api_port} of 127.0.0.1, meant for the API of cloud {cloud.name}, is in use: "
                    "stop what listens there or choose another api_port in the topology"
                ) from None


def _present(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=SYSTEM_PATH) is not None
