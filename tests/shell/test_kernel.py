"""What labels need of the kernel that forwards."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.shell import kernel


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing."""
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    return tmp_path


def loaded(root: Path) -> None:
    (root / "sys/module/mpls_gso").mkdir(parents=True)


def built_in(root: Path) -> None:
    modules = root / "lib/modules" / platform.release()
    modules.mkdir(parents=True)
    (modules / "modules.builtin").write_text("kernel/net/ipv4/gre.ko\nkernel/net/mpls/mpls_gso.ko\n")


def device(root: Path, kind: int) -> None:
    there = root / "sys/class/net/gre_sys"
    there.mkdir(parents=True)
    (there / "type").write_text(f"{kind}\n")


@pytest.mark.parametrize("how", [loaded, built_in])
def test_a_kernel_that_cuts_behind_labels_is_well(root: Path, how: Callable[[Path], None]) -> None:
    how(root)
    device(root, 65534)
    assert set(kernel.faults([]).values()) == {""}
    assert not kernel.carries_ethernet()


def test_one_that_does_not_is_named_with_what_is_lost() -> None:
    assert kernel.faults([])[kernel.THE_KERNEL] == (
        "has no module mpls_gso: behind labels it loses TCP of machines that leave cutting to their NIC"
    )


def test_ports_that_cannot_be_beside_labels_are_named(root: Path) -> None:
    said = "carries labels, so no Ethernet (gre1, gre2), until the switch starts the next time: then by chance"
    assert kernel.faults(["gre2", "gre1"])[kernel.THE_DEVICE] == said
    device(root, 1)
    said = "carries Ethernet, so no label (gre1): only one of both is possible"
    assert kernel.faults(["gre1"])[kernel.THE_DEVICE] == said
    said = "carries Ethernet, so no label (a GRE device of the machine): only one of both is possible"
    assert kernel.faults([])[kernel.THE_DEVICE] == said
    assert kernel.carries_ethernet()


def test_the_unit_loads_what_the_kernel_does_not_ask_for() -> None:
    unit = (Path(__file__).parents[2] / "etc/isthmus-agent.service").read_text().splitlines()
    assert f"ExecStartPre=-/sbin/modprobe -q {kernel.CUTS_LABELLED}" in unit
