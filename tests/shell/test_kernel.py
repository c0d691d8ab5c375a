"""What labels need of the kernel that forwards."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from isthmus.shell import kernel


def loaded(root: Path) -> None:
    (root / "sys/module/mpls_gso").mkdir(parents=True)


def built_in(root: Path) -> None:
    modules = root / "lib/modules" / platform.release()
    modules.mkdir(parents=True)
    (modules / "modules.builtin").write_text("kernel/net/ipv4/gre.ko\nkernel/net/mpls/mpls_gso.ko\n")


@pytest.mark.parametrize("how", [loaded, built_in])
def test_a_kernel_that_cuts_behind_labels_is_well(tmp_path: Path, how: object) -> None:
    assert callable(how)
    how(tmp_path)
    assert set(kernel.faults([], tmp_path).values()) == {""}


def test_one_that_does_not_is_named_with_what_is_lost_and_what_to_type(tmp_path: Path) -> None:
    assert kernel.faults([], tmp_path)[kernel.THE_KERNEL] == (
        "has no module mpls_gso: behind labels it loses TCP of machines that leave cutting to their NIC; "
        "modprobe mpls_gso"
    )


def test_ports_that_cannot_be_beside_labels_are_named(tmp_path: Path) -> None:
    said = kernel.faults(["gre2", "gre1"], tmp_path)[kernel.THE_DEVICE]
    assert said == "is for labels or for Ethernet (gre1, gre2), whichever came first: the other's packets are lost"
