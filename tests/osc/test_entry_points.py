"""Our commands join the client's own: each can be loaded, and none takes a name that is taken."""

from __future__ import annotations

import warnings
from importlib.metadata import distribution, entry_points

OURS = "isthmus"
GROUPS = ("openstack.network.v2", "openstack.network.v2.bgpvpn")


def test_each_command_loads_and_says_what_it_does() -> None:
    ours = [e for e in distribution(OURS).entry_points if e.group == GROUPS[0]]
    assert [e.name for e in ours if not e.name.startswith("bgpvpn_")] == []
    assert len(ours) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's libraries warn of their own future
        for command in ours:
            assert command.load().__doc__, command.name


def test_no_name_is_taken() -> None:
    theirs = {
        e.name for group in GROUPS for e in entry_points(group=group) if e.dist is not None and e.dist.name != OURS
    }
    assert "bgpvpn_list" in theirs
    assert not theirs & {e.name for e in entry_points(group=GROUPS[0]) if e.dist is not None and e.dist.name == OURS}
