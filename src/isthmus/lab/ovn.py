"""A cloud's OVN central: northbound and southbound database, northd. Unix sockets only."""

from __future__ import annotations

from pathlib import Path

from isthmus.lab.plan import central, ovs_env
from isthmus.lab.process import Processes, listening
from isthmus.lab.topology import Cloud

SCHEMAS = Path("/usr/share/ovn")


def start(cloud: Cloud, processes: Processes) -> None:
    """From nothing to a northd that has taken up its work."""
    part, places = f"OVN central {cloud.name}", processes.places
    home = places.of(cloud.name)
    home.mkdir(parents=True, exist_ok=True)
    for kind in ("nb", "sb"):
        processes.run(part, ["ovsdb-tool", "create", f"{home}/ovn{kind}_db.db", f"{SCHEMAS}/ovn-{kind}.ovsschema"])
    *servers, northd = central(cloud, places)
    started = [processes.start(server) for server in servers]
    sockets = [places.northbound(cloud.name), places.southbound(cloud.name)]
    processes.until(
        part,
        "both databases to listen",
        lambda: next(filter(None, map(listening, sockets)), None),
        within_s=20,
        watch=started,
    )
    # A database without its one row is not served by northd; both tools make it.
    processes.run(part, ["ovn-nbctl", "init"], env=ovs_env(home))
    processes.run(part, ["ovn-sbctl", "init"], env=ovs_env(home))
    started.append(processes.start(northd))
    processes.run(
        part,
        ["ovn-nbctl", "--wait=sb", "--timeout=20", "sync"],
        env=ovs_env(home),
        expected="northd to copy northbound to southbound",
        blame=started[-1],
    )
