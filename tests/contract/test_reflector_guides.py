"""The reflectors of docs/operator/mpls.md, as they stand there: only addresses and ports are a loopback's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from isthmus.bgp.family import VPNV4, VPNV6
from isthmus.bgp.session import SessionConfig
from isthmus.model.net import IpAddress
from tests.contract import other_speakers, speakers
from tests.contract.interop.meeting import ASN, OFFERED, Heard, Meeting
from tests.contract.interop.opponents import ONE, OPPONENTS, TWO, Bird, Frr, GoBgp, Opponent
from tests.eventually import eventually
from tests.guides import blocks
from tests.ports import free_port

pytestmark = pytest.mark.contract

PAGE = "operator/mpls.md"
SAID, FIRST, SECOND = "172.30.1.5", "172.30.1.11", "172.30.1.12"


def here(language: str, home: str) -> str:
    text = next(one for one in blocks(PAGE, language) if SAID in one)  # others' PEs come behind the reflectors
    return text.replace(FIRST, ONE).replace(SECOND, TWO).replace(SAID, home)


def as_frr(directory: Path, port: int) -> AbstractContextManager[object]:
    config = f"log file {directory}/frr.log\n" + here("frr", Frr.home)
    return speakers.frr(directory, local_as=ASN, peers={}, address=Frr.home, port=port, config=config)


def as_gobgp(directory: Path, port: int) -> AbstractContextManager[object]:
    text = here("toml", GoBgp.home)
    head, neighbour = text.split("[[neighbors]]", 1)
    head += f'  port = {port}\n  local-address-list = ["{GoBgp.home}"]\n'
    config = head + "".join(f"[[neighbors]]{neighbour.replace(ONE, one)}" for one in (ONE, TWO))
    return speakers.gobgp(directory, local_as=ASN, peers={}, address=GoBgp.home, port=port, config=config)


def as_bird(directory: Path, port: int) -> AbstractContextManager[object]:
    config = here("bird", Bird.home).replace(
        f"local {Bird.home} ", f"strict bind on;\n  local {Bird.home} port {port} "
    )
    return other_speakers.bird(directory, config, Bird.home, port)


@contextmanager
def met(kind: type[Opponent], directory: Path) -> Iterator[Meeting]:
    port = free_port(kind.home)
    start = {Frr: as_frr, GoBgp: as_gobgp, Bird: as_bird}[kind]
    with start(directory, port):
        one, two = (
            Heard(SessionConfig(ASN, ASN, IpAddress.parse(f"10.60.0.{n}"), OFFERED[:3]), kind.home, port, source)
            for n, source in ((1, ONE), (2, TWO))
        )
        with one, two:
            for session in (one, two):
                eventually(session.pump_until_up, within=15.0)
            yield Meeting(kind(), one, two)


@pytest.mark.parametrize("kind", [kind for kind in OPPONENTS if kind in (Frr, GoBgp, Bird)], ids=lambda kind: kind.name)
def test_a_reflector_as_the_guide_has_it(kind: type[Opponent], tmp_path: Path) -> None:
    if kind.version() is None:
        pytest.skip(f"not installed: {kind.package}")
    with met(kind, tmp_path) as meeting:
        assert {VPNV4, VPNV6} <= set(meeting.families)
        meeting.until_passed_on()
