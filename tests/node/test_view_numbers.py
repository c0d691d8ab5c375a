"""The number of a view: no secret, no pair that a tenant can look for; and if two ever share one, nobody falls."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

import pytest

from isthmus.fib import entries
from isthmus.fib.entries import CircuitName, view_id
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.model.reason import AttachmentState
from isthmus.node.bulletin import About, bulletin
from isthmus.node.effects import ApplyFlows
from isthmus.node.report import status
from isthmus.vpn.views import views
from tests.build import association, attachment, attributes, circuit, path, port, rts
from tests.world import REFLECTOR, World


class ShortHashes:
    """Eight bits are left of sixty-four: a pair is found at once."""

    @staticmethod
    def blake2b(data: bytes, digest_size: int, key: bytes) -> Any:
        return hashlib.blake2b(data, digest_size=1, key=key)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two route targets whose views have one number."""
    monkeypatch.setattr(entries, "hashlib", ShortHashes)
    seen: dict[int, str] = {}
    for number in count(1):
        target = f"64512:{number}"
        if (other := seen.setdefault(view_id(rts(target)), target)) != target:
            return other, target
    raise AssertionError("there is always a pair")


def asked(*targets: str) -> tuple[dict[CircuitName, AttachmentIntent], list[LocalPort]]:
    """A VPN each, with a machine."""
    circuits, ports = {}, []
    for number, target in enumerate(targets, 1):
        network = f"neutron-{target}"
        one = association(15 + number, networks=(network,), both=(target,))
        circuits[circuit(number)] = attachment(number, one, networks=(network,), subnets=(f"10.{number}.0.0/24",))
        ports.append(port(f"p{number}", network, f"10.{number}.0.5"))
    return circuits, ports


def world(*targets: str, key: bytes = b"") -> World:
    made = World(view_key=key)
    made.switch_on()
    circuits, ports = asked(*targets)
    made.intent(dict(circuits), ports)
    return made


def states(made: World) -> dict[str, str]:
    return {one.circuit: one.state for one in status(made.node, made.now).attachments}


def test_a_clash_is_served_to_the_first_and_said_of_the_other(pair: tuple[str, str]) -> None:
    one, other = pair
    made = world(one, other)
    made.says(path("10.9.0.1/32", attributes(one)), path("10.9.0.2/32", attributes(other)))
    flows = {key.match.rsplit("=", 1)[1] for key in made.flows if key.table == Table.VIEW and key.match}
    assert "10.9.0.1" in flows and "10.9.0.2" not in flows, "never in one table"
    sources = {key.match for key in made.flows if key.table == Table.SOURCE}
    assert any("10.1.0.5" in match for match in sources) and not any("10.2.0.5" in match for match in sources)
    assert states(made) == {circuit(1): AttachmentState.ACTIVE.name, circuit(2): AttachmentState.VIEW_CLASH.name}
    told = bulletin(made.node, About("1", 0, 0.0), made.now, None)
    assert told is not None and {one.state for one in told.attachments} == {"ACTIVE", "VIEW_CLASH"}


def test_whoever_waits_for_a_number_has_it_when_it_is_free(pair: tuple[str, str]) -> None:
    one, other = pair
    made = world(one, other)
    made.says(path("10.9.0.2/32", attributes(other)))
    circuits, ports = asked(one, other)
    made.intent({circuit(2): circuits[circuit(2)]}, ports)
    assert states(made) == {circuit(2): AttachmentState.ACTIVE.name}
    assert any("10.9.0.2" in key.match for key in made.flows if key.table == Table.VIEW)
    made.intent(dict(circuits), ports)
    assert states(made)[circuit(2)] == AttachmentState.ACTIVE.name, "the holder stays"
    assert states(made)[circuit(1)] == AttachmentState.VIEW_CLASH.name


def test_what_is_kept_up_is_what_a_fresh_look_gives(pair: tuple[str, str]) -> None:
    circuits, ports = asked(*pair)
    found = views(circuits, ports)
    assert [view.imports for view in found.views.values()] == [frozenset(rts(pair[0]))]
    assert {source.circuit for source in found.sources} == {circuit(1)}


def test_with_another_key_every_number_is_another() -> None:
    numbers = {view_id(rts("64512:1"), key=key) for key in (b"", b"one", b"two")}
    assert len(numbers) == 3 and view_id(rts("64512:1")) == 0xE7AE25118C30A0C0, "of the release before"


def test_an_exchange_to_the_first_release_with_keys_changes_all_numbers_in_one_bundle() -> None:
    """A packet meets the old table or the new one, never none."""
    old = world("64512:1")
    old.says(path("10.9.0.1/32", attributes("64512:1")))
    old.end_of_rib()
    new = old.handed_over(view_key=b"secret")
    circuits, ports = asked("64512:1")
    new.switch_on()
    new.intent(dict(circuits), ports)
    (moved,) = [
        effect
        for effect in new.log
        if isinstance(effect, ApplyFlows) and any(key.table == Table.SOURCE for key in effect.put)
    ]
    number = f"metadata={view_id(rts('64512:1'), key=b'secret'):#x}"
    assert any(number in key.match and "10.9.0.1" in key.match for key in moved.put)
    assert all(number in key.match for key in new.flows if key.table == Table.VIEW and key.match)
    again = new.crashed()
    assert again.node.config.view_key == b"secret"
    again.switch_on()
    again.intent(dict(circuits), ports)
    written = [key for effect in again.log if isinstance(effect, ApplyFlows) for key in (*effect.put, *effect.delete)]
    assert not [key for key in written if key.table in (Table.SOURCE, Table.VIEW)], "a restart changes nothing"
    assert again.node.peers[REFLECTOR].up_since is not None
