"""The southbound database as operators run it: three servers of one cluster, any of which may die."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from isthmus.node.facts import IntentLost, IntentRead
from tests.contract.switches import NB_SCHEMA, PATIENCE_S, SB_SCHEMA, Central, installed, run
from tests.contract.test_southbound import VM, Watched, add_vm, vm
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = [pytest.mark.contract, pytest.mark.skipif(not installed(), reason="OVN is not installed")]

SERVERS = ("sb1", "sb2", "sb3")


class Cluster(Central):
    """OVN central with three southbound servers; `sb` names all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.remotes = tuple(f"unix:{self.dir.path}/{name}.sock" for name in SERVERS)
        self.sb = ",".join(self.remotes)

    def __enter__(self) -> Cluster:
        self.dir.database("nb", NB_SCHEMA)
        raft = {name: f"unix:{self.dir.path}/{name}.raft" for name in SERVERS}
        first, *others = SERVERS
        run("ovsdb-tool", "create-cluster", str(self.dir.path / f"{first}.db"), str(SB_SCHEMA), raft[first])
        self.dir.database(first, SB_SCHEMA)
        for name in others:
            file = str(self.dir.path / f"{name}.db")
            run("ovsdb-tool", "join-cluster", file, "OVN_Southbound", raft[name], raft[first])
            self.dir.database(name, SB_SCHEMA)
        eventually(lambda: self._three_members(first))
        self.dir.start("northd", ["ovn-northd", f"--ovnnb-db={self.nb}", f"--ovnsb-db={self.sb}"])
        self.nbctl("init")
        return self

    def _three_members(self, name: str) -> None:
        status = run("ovs-appctl", "-t", str(self.dir.path / f"{name}.ctl"), "cluster/status", "OVN_Southbound")
        assert status.count(" at unix:") == len(SERVERS), status

    def kill(self, remote: str) -> None:
        """The server behind that remote, as a crash would."""
        self.dir.end(SERVERS[self.remotes.index(remote)], signal.SIGKILL)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        cluster.nbctl("ls-add", "net")
        cluster.sbctl("chassis-add", "host-1", "geneve", "192.0.2.1")
        yield cluster


@pytest.mark.parametrize("dead", range(len(SERVERS)))
def test_the_agent_goes_on_when_any_one_server_dies(cluster: Cluster, background: Background, dead: int) -> None:
    add_vm(cluster)
    watched = Watched(cluster, background, "host-1", *cluster.remotes)
    watched.ports(VM)
    cluster.kill(cluster.remotes[dead])
    add_vm(cluster, 2)
    watched.ports(VM, vm(2))


def test_a_cluster_without_a_majority_is_no_reason_to_withdraw(cluster: Cluster, background: Background) -> None:
    """The one server that is left still answers what it knew, or nothing: never less than it knew."""
    add_vm(cluster)
    watched = Watched(cluster, background, "host-1", *cluster.remotes)
    watched.ports(VM)
    known = len(watched.heard)
    for remote in cluster.remotes[:2]:
        cluster.kill(remote)
    lone = [
        "ovn-sbctl",
        f"--db={cluster.remotes[2]}",
        "--no-leader-only",
        f"--timeout={PATIENCE_S}",
        "list",
        "SB_Global",
    ]
    run(*lone)  # it answers reads, though nothing can be written
    newcomer = Watched(cluster, background, "host-1", *cluster.remotes)
    eventually(lambda: newcomer.latest)
    later = [*watched.heard[known:], *newcomer.heard]
    assert all(isinstance(f, IntentLost) or f.ports == (VM,) for f in later if isinstance(f, IntentLost | IntentRead))
