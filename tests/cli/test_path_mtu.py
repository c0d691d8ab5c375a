"""The path's MTU: what a kernel says of its own loopback, and what is said of a narrow way."""

from __future__ import annotations

from isthmus.cli.path_mtu import Path, measure


def test_a_way_as_wide_as_its_link_is_not_narrow() -> None:
    path = measure("127.0.0.1", "127.0.0.2")
    assert path is not None and path.whole == path.link and not path.narrow


def test_only_the_near_end_can_measure() -> None:
    assert measure("192.0.2.1", "192.0.2.2") is None
    assert measure("2001:db8::1", "2001:db8::2") is None


def test_a_narrow_way_says_what_machines_may_send() -> None:
    path = Path(1500, 1400)
    assert path.narrow
    assert "172.30.2.11 carries 1400 bytes, so of a virtual machine packets of 1350" in path.remark("172.30.2.11")
    assert "packets of 1372" in path.remark("172.30.2.11", labels=1)
    assert "packets of 1364" in path.remark("172.30.2.11", labels=3)
