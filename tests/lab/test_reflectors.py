"""Each kind of reflector as the only one: one cloud and a carrier's PE behind it, and what its fall costs. Long."""

from __future__ import annotations

import sys

import pytest

from isthmus.lab import lab as whole
from isthmus.lab import machine, topology
from isthmus.lab.fault import Refusal
from isthmus.lab.ladder import agents, reflected
from isthmus.lab.ladder.climb import climb
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.progress import Progress
from isthmus.lab.topology import Family, ReflectorKind
from tests.eventually import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]

TEXT = topology.locate("one-cloud").read_text()


def behind(kind: ReflectorKind) -> str:
    """The topology with that reflector, and what it speaks."""
    text = TEXT.replace('reflector_kind = "frr"', f'reflector_kind = "{kind}"')
    return text.replace('["evpn", ', "[") if kind is ReflectorKind.BIRD else text


@pytest.mark.parametrize("kind", list(ReflectorKind), ids=str)
def test_a_reflector_of_each_kind_as_the_only_one(
    kind: ReflectorKind, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = behind(kind)
    try:
        machine.check(topology.read(text, "test.toml"))
    except Refusal as sentence:
        pytest.skip(str(sentence))
    monkeypatch.setenv(whole.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp().parent / "isthmus-lab"))
    whole.down()
    try:
        with Progress(sys.stdout) as progress:
            ground = Ground(whole.up(text, "test.toml", agents=True, progress=progress))
            climb(reflected.RUNGS, ground, progress)
            eventually(lambda: sessions_are_as_they_should_be(ground), within=30)
            progress.line(reflected.falls(ground, progress))
            if kind is ReflectorKind.BIRD:
                climb([reflected.UNCLOTHED], ground, progress)
    finally:
        whole.down()


def sessions_are_as_they_should_be(ground: Ground) -> None:
    """Nothing that was to be spoken is lacking or kept back, and RT-Constrain is spoken where it is known."""
    (cloud,) = ground.lab.topology.clouds
    (one,) = cloud.reflectors
    asks = one.kind in (ReflectorKind.GOBGP, ReflectorKind.GOBGP_UNDEFERRED)
    for site in ground.lab.plan.sites:
        (peer,) = agents.status(ground.lab, site.node)["peers"]
        assert peer["in_sync"], peer
        assert {str(family) for family in ground.lab.topology.families} <= set(peer["families"]), peer
        assert not peer["families_lacking"] and not peer["families_kept_back"], peer
        assert not peer["next_hops_changed_to"], peer
        assert (peer["targets_asked_for"] is not None) is asks, peer
        assert (str(Family.EVPN) in peer["families"]) is (one.kind is not ReflectorKind.BIRD), peer
