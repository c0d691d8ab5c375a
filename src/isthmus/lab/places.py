"""Where everything of the lab lies: one directory, every path derived from it, nothing outside.

Unix sockets are named here because their paths have a limit: `sun_path` holds 108 bytes with the closing zero
(unix(7)), so a deep lab directory is refused before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from isthmus.lab.fault import Refusal

DEFAULT_ROOT = Path("/var/lib/isthmus-lab")
SOCKET_PATH_MAX = 107
LONGEST_SOCKET_NAME = "ovn-controller.4194304.ctl"
"""The longest name any daemon makes in its run directory, with the largest pid Linux gives (2^22)."""


@dataclass(frozen=True, slots=True)
class Places:
    """Paths under the lab's root directory."""

    root: Path

    @property
    def mark(self) -> Path:
        """Says that the directory is the lab's own; without it nothing in there is ever deleted."""
        return self.root / ".isthmus-lab"

    @property
    def topology(self) -> Path:
        """The topology that was brought up, for the commands that come later."""
        return self.root / "topology.toml"

    @property
    def ready(self) -> Path:
        """Exists when `up` ended well."""
        return self.root / "ready"

    @property
    def clouds_yaml(self) -> Path:
        return self.root / "clouds.yaml"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    @property
    def mysql(self) -> Path:
        return self.root / "mysql"

    @property
    def mysql_socket(self) -> Path:
        return self.mysql / "mysql.sock"

    def of(self, node: str) -> Path:
        """A node's own directory: configuration, databases, sockets (OVS_RUNDIR and OVN_RUNDIR)."""
        return self.root / node

    def northbound(self, cloud: str) -> Path:
        return self.of(cloud) / "ovnnb_db.sock"

    def southbound(self, cloud: str) -> Path:
        return self.of(cloud) / "ovnsb_db.sock"

    def ovsdb(self, node: str) -> Path:
        return self.of(node) / "db.sock"

    def agent_socket(self, node: str) -> Path:
        return self.of(node) / "agent.sock"

    @property
    def vms(self) -> Path:
        return self.root / "vm"

    @property
    def dhcp_script(self) -> Path:
        return self.root / "dhcp-event"

    def check_sockets(self, nodes: Iterable[str]) -> None:
        """Refuse a directory so deep that a daemon could not bind its control socket."""
        longest = max((str(self.of(node) / LONGEST_SOCKET_NAME) for node in nodes), key=len)
        if len(longest) > SOCKET_PATH_MAX:
            over = len(longest) - SOCKET_PATH_MAX
            raise Refusal(
                f"the lab directory {self.root} is {over} characters too long for unix sockets: "
                "set ISTHMUS_LAB_DIR to a shorter path"
            )
