"""From run to run: a planned exchange that no peer notices, and a crash after which every peer is told the truth."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.bgp import events as bgp
from isthmus.bgp.family import EVPN
from isthmus.bgp.iana import CapabilityCode
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent, UnknownSchema
from isthmus.model.port import LocalPort
from isthmus.node import effects, facts
from isthmus.node.facts import Answer
from isthmus.node.handed_on import decode, encode, sealed
from isthmus.node.memory import BadMemory, Memory
from isthmus.node.order import GRACEFUL_S, INVENTORY_WAIT_S, LINGER_S, LOOK_WAIT_S, PATIENCE_S, SETTLE_S
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, ip, net, nlri, path, port
from tests.world import REFLECTOR, SECOND, World

A = "neutron-a"
RT = "64512:1"
HERE, THERE = net("10.1.0.5/32"), net("10.9.0.1/32")


def red() -> AttachmentIntent:
    return attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))


def vm(revision: int = 1) -> LocalPort:
    return port("p", A, "10.1.0.5", revision=revision)


def settled(*peers: str) -> World:
    world = World(peers=[ip(p) for p in peers] or (REFLECTOR,))
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    for peer in world.reflectors:
        world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)), by=peer)
        world.end_of_rib(by=peer)
    return world


def started(world: World, *ports: LocalPort) -> World:
    """The fresh process has read everything."""
    world.switch_on()
    world.intent({circuit(1): red()}, ports or [vm()])
    return world


def routes(world: World) -> set[str]:
    return {key.match.rsplit("=", 1)[1] for key in world.flows if key.table == Table.VIEW and key.match}


def sent(world: World) -> list[str]:
    """What the reflector was told since the exchange, in words."""
    return [
        word
        for update in world.reflectors[REFLECTOR].history
        for word in (
            *(f"-{route.prefix}" for route in update.withdrawn),
            *(f"+{route.prefix}" for route in update.announced),
            *(["end"] if update.end_of_rib else []),
        )
    ]


# The exchange


def test_an_exchange_is_noticed_by_nobody() -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    fresh = started(world.handed_over())
    assert sent(fresh) == [], "nothing is withdrawn, nothing is said again"
    assert fresh.node.peers[REFLECTOR].resumed
    assert not [e for e in fresh.log if isinstance(e, effects.ApplyFlows | effects.Dial | effects.Hangup)]
    assert fresh.flows == world.flows
    said = status(fresh.node, fresh.now)
    assert (said.peers[0].state, said.peers[0].in_sync, said.peers[0].announced) == ("Established", True, 1)
    assert (said.switch.in_sync, said.switch.swept) == (True, True), "what was learnt is known, not only left standing"


def test_the_session_lives_on() -> None:
    fresh = started(settled().handed_over())
    fresh.wait(300)
    assert fresh.node.peers[REFLECTOR].session.state == "Established"
    assert fresh.reflectors[REFLECTOR].session.state == "Established"


def test_the_fresh_process_asks_for_everything_because_it_may_read_more() -> None:
    world = settled()
    world.reflectors[REFLECTOR].session.outputs()
    fresh = world.handed_over()
    done = fresh.node.effects(fresh.now)
    for effect in done:
        if isinstance(effect, effects.Send):
            fresh.reflectors[REFLECTOR].session.handle(bgp.Received(effect.data), fresh.now)
    assert bgp.RefreshRequested(EVPN) in fresh.reflectors[REFLECTOR].session.outputs()


def test_a_route_that_the_session_has_not_confirmed_does_not_outlive_its_end_of_rib() -> None:
    world = settled()
    world.cut()
    world.restore()
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}, "stale"
    fresh = started(world.handed_over())
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}, "not contradicted yet"
    fresh.says(path("10.9.0.1/32", attributes(RT)))
    fresh.end_of_rib()
    assert routes(fresh) == {"10.9.0.1"}


def test_an_exchange_while_the_only_reflector_settles_contradicts_nothing_sooner() -> None:
    world = settled()
    world.cut()
    world.restore()
    world.end_of_rib()
    fresh = started(world.handed_over())
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}
    fresh.wait(SETTLE_S - 2)
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}
    fresh.says(path("10.9.0.1/32", attributes(RT)))
    fresh.wait(2)
    assert routes(fresh) == {"10.9.0.1"}


def test_what_is_withdrawn_in_the_gap_goes_with_the_first_octets() -> None:
    """The stream has no gap: nothing needs to be marked, waited for or swept."""
    world = settled()
    fresh = world.handed_over()
    started(fresh)
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}
    fresh.says(withdraw=[nlri("10.9.0.2/32")])
    assert routes(fresh) == {"10.9.0.1"}


def test_a_message_that_had_half_arrived_is_read_whole() -> None:
    world = settled()
    far = world.reflectors[REFLECTOR].session
    far.send_routes([(attributes(RT), nlri("10.9.0.3/32"))])
    (message,) = [output.data for output in far.outputs() if isinstance(output, bgp.Send)]
    world.tell(facts.Received(REFLECTOR, message[:30]))
    fresh = started(world.handed_over())
    fresh.tell(facts.Received(REFLECTOR, message[30:]))
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2", "10.9.0.3"}


def test_what_changed_in_the_cloud_meanwhile_is_told_as_a_difference() -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    fresh = started(world.handed_over(), port("q", A, "10.1.0.6"))
    assert sorted(sent(fresh)) == ["+10.1.0.6/32", "-10.1.0.5/32"]


@pytest.mark.parametrize("silent", ["intent", "switch"])
def test_nothing_is_withdrawn_before_everything_is_read(silent: str) -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    fresh = world.handed_over()
    if silent == "intent":
        fresh.switch_on()
    else:
        fresh.intent({circuit(1): red()}, [vm()])
    fresh.wait(20)
    assert sent(fresh) == []
    started(fresh)
    assert sent(fresh) == []


def test_a_switch_that_lost_its_flows_in_the_gap_gets_them_back_before_anything_is_withdrawn() -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    fresh = world.handed_over()
    fresh.flows.clear()
    started(fresh)
    assert sent(fresh) == []
    assert set(fresh.flows) == set(world.flows)


def test_a_drained_node_withdraws_what_it_inherits() -> None:
    world = settled()
    fresh = world.handed_over()
    fresh.tell(facts.DrainWanted(True))
    started(fresh)
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}, "others have been asked to prefer another way"
    fresh.wait(GRACEFUL_S)
    assert fresh.reflectors[REFLECTOR].routes == {}


def test_a_node_that_goes_on_leaves_gracefully_though_its_cloud_does_not_answer() -> None:
    fresh = settled().handed_over()
    fresh.reflectors[REFLECTOR].history.clear()
    fresh.tell(facts.IntentLost("no server of the southbound database answers"))
    fresh.switch_on()
    fresh.tell(facts.DrainWanted(True))
    assert status(fresh.node, fresh.now).drain == "leaving"
    assert sent(fresh) == ["+10.1.0.5/32"]
    told = fresh.reflectors[REFLECTOR].history[-1].attributes
    assert told is not None and (told.local_pref, told.communities) == (0, (0xFFFF0000,))
    fresh.wait(GRACEFUL_S)
    assert status(fresh.node, fresh.now).drain == "drained"
    assert sent(fresh) == ["+10.1.0.5/32", "-10.1.0.5/32"]
    fresh.tell(facts.DrainWanted(False))
    started(fresh)
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}


def test_a_drained_node_that_crashed_takes_back_what_a_peer_may_have_kept_before_its_cloud_answers() -> None:
    fresh = settled().crashed()
    fresh.tell(facts.DrainWanted(True))
    assert status(fresh.node, fresh.now).drain == "drained"
    fresh.switch_on()
    assert sent(fresh) == ["-10.1.0.5/32", "end"]


def test_a_row_of_a_newer_version_keeps_what_was_told() -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    fresh = world.handed_over()
    fresh.switch_on()
    fresh.intent({circuit(1): UnknownSchema("isthmus:schema", "2")}, [vm()])
    fresh.wait(60)
    assert sent(fresh) == []


def test_what_the_fresh_process_has_offered_goes_though_another_row_cannot_be_read() -> None:
    rows = {circuit(1): red(), circuit(9): UnknownSchema("isthmus:schema", "2")}
    fresh = settled().handed_over()
    fresh.switch_on()
    fresh.intent(rows, [vm()])
    fresh.intent(rows, [])
    assert fresh.reflectors[REFLECTOR].routes == {}


def test_a_refresh_that_was_asked_for_before_the_exchange_is_answered_after_it() -> None:
    world = World()
    world.intent({circuit(1): red()}, [vm()])
    world.reflectors[REFLECTOR].session.ask_refresh(EVPN)
    world.settle()
    fresh = started(world.handed_over())
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}
    fresh.reflectors[REFLECTOR].history.clear()
    again = fresh.handed_over()
    assert sent(started(again)) == []


def test_with_two_reflectors_each_goes_on_by_itself() -> None:
    world = settled(str(REFLECTOR), str(SECOND))

    def without_the_second(memory: Memory) -> Memory:
        """Its connection ended in the gap."""
        return replace(memory, peers={SECOND: replace(memory.peers[SECOND], session=None), **_only(memory, REFLECTOR)})

    fresh = world.handed_over(change=without_the_second)
    assert [fresh.node.peers[p].resumed for p in (REFLECTOR, SECOND)] == [True, False]
    started(fresh)
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}
    assert set(fresh.reflectors[SECOND].routes) == {HERE}


def _only(memory: Memory, address: object) -> dict[object, object]:
    return {key: value for key, value in memory.peers.items() if key == address}


@pytest.mark.parametrize(
    "change",
    [
        lambda memory: replace(memory, vtep=ip("172.30.1.9")),
        lambda memory: replace(memory, router_id=ip("172.30.1.9")),
        lambda memory: replace(memory, asn=64999),
        lambda memory: replace(memory, at=memory.at - 60),
        lambda memory: replace(memory, peers={}),
        lambda memory: _with_open(memory, b"\x04\xfc\x00\x00\x09\xac\x1e\x01\x01\x00"),
        lambda memory: _with_open(memory, b""),
    ],
    ids=["another vtep", "another router-id", "another AS", "too late", "another peer", "another OPEN", "no OPEN"],
)
def test_what_does_not_fit_begins_anew(change: object) -> None:
    world = settled()
    fresh = world.handed_over(change=change)  # type: ignore[arg-type]
    assert not fresh.node.peers[REFLECTOR].resumed
    started(fresh)
    assert [e for e in fresh.log if isinstance(e, effects.Dial)]
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}, "forwarding waits for what the reflector says"


def _with_open(memory: Memory, sent_open: bytes) -> Memory:
    left = memory.peers[REFLECTOR]
    assert left.session is not None
    suspended = replace(left.session.suspended, sent_open=sent_open)
    return replace(memory, peers={REFLECTOR: replace(left, session=replace(left.session, suspended=suspended))})


def test_a_session_that_is_only_beginning_is_not_handed_over() -> None:
    world = World()
    world.node.handle(facts.Closed(REFLECTOR, "reset"), world.now)
    world.settle()
    left = world.node.suspend(world.now, [REFLECTOR])
    assert left.peers[REFLECTOR].session is None


def test_who_was_silent_is_silent_still() -> None:
    world = settled()
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", local_pref=50), rd="172.30.2.2:16"))
    world.probe(ip("172.30.2.1"), Answer.SILENT)
    fresh = started(world.handed_over())
    assert fresh.flows == world.flows
    assert fresh.probed == {ip("172.30.2.1"): Answer.SILENT, ip("172.30.2.2"): Answer.UNKNOWN}


# The end for good


def test_a_farewell_is_a_notification_to_every_peer_and_touches_no_flow() -> None:
    world = settled(str(REFLECTOR), str(SECOND))
    words = world.node.farewell("the agent is stopped", world.now)
    assert [type(effect).__name__ for effect in words] == ["Send", "Hangup"] * 2
    assert all(isinstance(e, effects.Send | effects.Hangup) for e in words)
    for effect in words:
        if isinstance(effect, effects.Send):
            world.reflectors[effect.peer].session.handle(bgp.Received(effect.data), world.now)
    (down,) = [o for o in world.reflectors[REFLECTOR].session.outputs() if isinstance(o, bgp.Down)]
    assert "administrative shutdown" in down.text and "the agent is stopped" in down.text


# The crash


def test_after_a_crash_what_is_gone_is_withdrawn_by_name_before_the_end_of_the_inventory() -> None:
    fresh = started(settled().crashed(), port("q", A, "10.1.0.6"))
    assert sent(fresh) == ["+10.1.0.6/32", "-10.1.0.5/32", "end"]


def test_after_a_lost_session_what_went_meanwhile_is_withdrawn_by_name() -> None:
    world = settled()
    world.cut()
    world.intent({circuit(1): red()}, [])
    world.restore()
    assert sent(world) == ["-10.1.0.5/32", "end"]


def test_after_a_crash_an_endpoint_that_died_meanwhile_is_found_out() -> None:
    world = settled()
    world.probe(ip("172.30.2.1"), Answer.ANSWERS)
    fresh = started(world.crashed())
    fresh.says(path("10.9.0.1/32", attributes(RT)))
    assert fresh.probed == {ip("172.30.2.1"): Answer.ANSWERS}


def test_the_end_of_the_inventory_waits_for_flows_but_not_for_ever() -> None:
    fresh = settled().crashed()
    fresh.flows.clear()
    fresh.obedient = False
    started(fresh)
    assert sent(fresh) == []
    fresh.wait(INVENTORY_WAIT_S)
    assert sent(fresh) == ["-10.1.0.5/32", "end"]


def offered(world: World) -> bytes:
    """The graceful restart capability as the reflector got it in the session's OPEN."""
    agreed = world.reflectors[REFLECTOR].session.agreed
    assert agreed is not None
    (found,) = [c.value for c in agreed.peer_capabilities if c.code == CapabilityCode.GRACEFUL_RESTART]
    return found


RESTARTING, PRESERVED, LOST = "c078", "0019468000018480", "0019460000018400"
"""R and N with 120 seconds; EVPN and RT-Constrain with F and without (RFC 4724 section 3, RFC 8538)."""


def test_after_a_crash_the_reflector_is_told_that_forwarding_was_preserved() -> None:
    assert offered(settled()).hex() == "4078" + LOST, "a first start: nothing to preserve"
    fresh = settled().crashed()
    fresh.readable = False
    fresh.settle()
    assert not [e for e in fresh.log if isinstance(e, effects.Dial)], "not before the switch has been read"
    started(fresh)
    assert offered(fresh).hex() == RESTARTING + PRESERVED


def test_it_is_told_the_truth_when_the_flows_are_gone() -> None:
    fresh = settled().crashed()
    fresh.flows = {key: flow for key, flow in fresh.flows.items() if key.table != Table.INBOUND}
    assert offered(started(fresh)).hex() == RESTARTING + LOST


def test_a_switch_that_cannot_be_read_is_not_waited_for_for_ever() -> None:
    fresh = settled().crashed()
    fresh.readable = False
    fresh.wait(LOOK_WAIT_S)
    assert offered(fresh).hex() == RESTARTING + LOST


def test_a_session_that_was_lost_is_no_restart() -> None:
    world = settled()
    world.cut()
    world.restore()
    assert offered(world).hex() == "4078" + PRESERVED


@pytest.mark.parametrize("left", [0, 1], ids=["all are gone", "one is gone"])
def test_a_machine_that_has_gone_meanwhile_does_not_cost_the_others_their_routes(left: int) -> None:
    world = settled()
    world.intent({circuit(1): red()}, [vm(), port("q", A, "10.1.0.6")])
    world.cut()
    world.intent({circuit(1): red()}, [vm()][:left])
    world.wait(LINGER_S)
    world.restore()
    assert offered(world).hex() == "4078" + (PRESERVED if left else LOST)


def test_a_flow_that_is_missing_for_what_is_still_offered_is_told_of() -> None:
    world = settled()
    world.cut()
    world.obedient = False
    world.flows = {key: flow for key, flow in world.flows.items() if key.table != Table.INBOUND}
    world.tell(facts.FlowsRead(dict(world.flows)))
    world.restore()
    assert offered(world).hex() == "4078" + LOST


def test_a_restart_is_said_once() -> None:
    fresh = started(settled().crashed())
    fresh.cut()
    fresh.restore()
    assert offered(fresh).hex() == "4078" + PRESERVED


# While the switch is away


def test_what_was_told_stays_told_while_the_switch_restarts() -> None:
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    world.obedient = False
    world.flows.clear()
    world.tell(facts.SwitchLost("br-vpn does not answer"))
    world.wait(PATIENCE_S - 2)
    assert sent(world) == []
    world.obedient = True
    world.wait(1.0)
    assert sent(world) == []
    assert set(world.reflectors[REFLECTOR].routes) == {HERE}


def test_a_switch_that_stays_away_is_announced_no_longer() -> None:
    world = settled()
    world.obedient = False
    world.flows.clear()
    world.tell(facts.SwitchLost("br-vpn does not answer"))
    world.wait(PATIENCE_S + 1)
    assert world.reflectors[REFLECTOR].routes == {}


def test_an_agent_of_the_release_before_hands_on_and_nobody_notices() -> None:
    """Its memory was in another form; `memory_2` is one that it has written."""
    world = settled()
    world.reflectors[REFLECTOR].history.clear()
    left = (Path(__file__).parent / "memory_2").read_bytes()
    fresh = started(world.handed_over(change=lambda memory: replace(decode(left), at=memory.at)))
    assert fresh.node.peers[REFLECTOR].resumed and fresh.node.peers[REFLECTOR].in_sync
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"}
    assert sent(fresh) == ["+10.1.0.5/32"], "said once more with its claimant; nothing is withdrawn"


def test_a_fresh_agent_in_front_of_a_row_it_cannot_read_goes_on_from_what_the_last_one_read() -> None:
    world = settled()
    newer = UnknownSchema("isthmus:schema", "this agent reads 2")
    fresh = world.crashed()
    fresh.switch_on()
    fresh.intent({circuit(1): newer}, [vm()])
    fresh.says(path("10.9.0.1/32", attributes(RT)))
    fresh.end_of_rib()
    assert routes(fresh) == {"10.9.0.1"}, "it learns and forwards as before"
    assert HERE in fresh.reflectors[REFLECTOR].routes, "and is told of again"
    (shown,) = status(fresh.node, fresh.now).attachments
    assert shown.state == "UNKNOWN_SCHEMA" and shown.bgpvpns, "and everybody is told why nothing new comes"
    fresh.intent({circuit(1): red(), circuit(2): newer}, [vm()])
    assert [a.state for a in status(fresh.node, fresh.now).attachments if a.circuit == circuit(1)] == ["ACTIVE"]


def test_what_is_asked_for_no_more_is_not_remembered() -> None:
    world = settled()
    world.intent({}, [vm()])
    assert world.node.remember(world.now).circuits == {}


# The file


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b'"at":1000.0', b'"at":Infinity'),
        lambda text: text.replace(b'"numbers":[', b'"numbers":[["router:x","y",70000],'),
        lambda text: text.replace(b'"numbers":[', b'"numbers":[["router:x","y",16],'),
        lambda text: text.replace(b'"claims":[[', b'"claims":[[700,"10.1.0.5/32","aa","c",1,"FIRST",null,true,1],['),
        lambda text: text.replace(b',1,"FIRST"', b',0,"FIRST"'),
        lambda text: text.replace(b',1,"FIRST"', b',1,"SECOND"'),
        lambda text: text[:-1] + b"\xff",
        lambda text: text[:-40] + bytes(40),
    ],
    ids=[
        "no time",
        "no number",
        "one number twice",
        "no claimant",
        "no first",
        "no second",
        "the last octet",
        "the last route",
    ],
)
def test_a_memory_that_is_whole_but_wrong_is_none(damage: Callable[[bytes], bytes]) -> None:
    text = encode(settled(str(REFLECTOR)).node.suspend(1000.0, [REFLECTOR])).partition(b"\n")[2]
    assert decode(sealed(text)), "as it was written"
    assert damage(text) != text
    try:
        read = decode(sealed(damage(text)))
    except BadMemory as error:
        assert str(error)
    else:  # another route, perhaps; never one that ends the process later
        world = World(memory=read)
        status(world.node, world.now)


def test_a_time_that_is_none_is_not_believed_of_the_release_before_either() -> None:
    text = (Path(__file__).parent / "memory_2").read_bytes().partition(b"\n")[2]
    assert decode(sealed(text)), "as it was written"
    for damaged in (re.sub(rb'"up_since":[0-9.]+', b'"up_since":' + none, text) for none in (b"NaN", b"-Infinity")):
        assert damaged != text
        with pytest.raises(BadMemory):
            decode(sealed(damaged))


def test_what_is_written_is_read() -> None:
    memory = settled(str(REFLECTOR), str(SECOND)).node.suspend(1000.0, [REFLECTOR])
    assert decode(encode(memory)) == memory
    session = memory.peers[REFLECTOR].session
    assert session is not None and len(session.channels[EVPN].received) == 2


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"null", b'{"format":2}', b'{"format":1}', b'{"format":1,"at":"then"}', b"\xff"]
)
def test_nonsense_is_no_memory(text: bytes) -> None:
    for whole in (text, sealed(text)):
        with pytest.raises(BadMemory):
            decode(whole)


def test_a_damaged_file_is_no_memory_wherever_it_is_damaged() -> None:
    """Cut short, or with one octet changed: not at all, never half."""
    whole = encode(settled().node.suspend(1000.0, [REFLECTOR]))
    for at in range(0, len(whole), 7):
        with pytest.raises(BadMemory):
            decode(whole[:at])
        damaged = whole[:at] + bytes((whole[at] ^ 0x04,)) + whole[at + 1 :]
        with pytest.raises(BadMemory):
            decode(damaged)
