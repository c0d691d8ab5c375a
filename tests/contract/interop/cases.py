"""What is tried with each speaker. A case says in one sentence what was seen, the same words each time; what must be so
with everybody is asserted."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, VPNV4, VPNV6, Family
from isthmus.bgp.iana import MessageType
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.membership import Membership
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.bgp.session import DownReason, RefreshRequested, State, Stop
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget
from isthmus.shell.tcp_guard import Guard
from tests.contract.interop.meeting import (
    NAMES,
    OFFERED,
    ROUTES,
    SAID,
    Meeting,
    changed,
    meet,
    names,
)
from tests.contract.interop.opponents import ASN, ONE, ExaBgp, Missing, Opponent, Setting
from tests.eventually import eventually

LAST_WORDS = "back-at-noon"
KEPT_FOR_S = 2.5
"""Longer than any of them takes to withdraw what it does not keep."""
PATIENCE_S = 12.0
SILENT_S = 0.5
"""A SYN on loopback is answered at once, or not at all."""
REFLECTS_NOTHING = "reflects nothing"

Play: TypeAlias = Callable[[Opponent, Path], str]


@dataclass(frozen=True)
class Case:
    """`name` is a row of the page."""

    name: str
    play: Play


def session(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, families=OFFERED) as meeting:
        agreed = meeting.one.session.agreed
        assert agreed is not None and meeting.two.session.agreed is not None
        assert agreed.families == meeting.two.session.agreed.families
        rest = [family for family in OFFERED if family not in agreed.families]
        return f"{names(agreed.families)}" + (f"; {names(rest)} not offered, no harm done" if rest else "")


_SHOWN = (
    ("RD", r"10\.60\.0\.1:16", ""),
    ("label", r"label: 65552|\[65552\]|stack: 65552", ""),
    ("next hop", r"10\.60\.0\.1(?![:\d])", ""),
    ("targets", r"64512[:, ]+5001", ""),
    ("target of a four-octet AS", r"4200000001L?[:, ]+77|64086\.59905:77", ""),
    ("site", r"(SoO:|soo |origin:|\(ro, )64512[:, ]+(0\.0\.0\.)?7|\[64512:7\]", ""),
    ("encapsulation", r"ET:11|MPLS in GRE", r"0x30c0000, 0xb\b|\[12\] 0xb\b|UNKNOWN-11"),
    ("router MAC", "02:78:0a:3c:00:01", "0x6030278, 0xa3c0001|0x2780a3c0001|433192703748734977"),
    ("mobility", "MM:5|mac-mob(ility)?[: ]+(0x)?5", "0x6000000, 0x5"),
    ("claimant", "c1a10a90beef", "20760570711031535|0x8f49c1a1, 0xa90beef|10324996518134726383"),
)
"""What is told, how it looks by its name, and as a number."""


def shown(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        meeting.tell()

        def seen() -> str:
            meeting.pump()
            text = opponent.shows()
            for route in meeting.all_told():
                assert str(route.destination.address) in text, f"{route} is not in {text}"
            return text

        text = eventually(seen)
    named = [what for what, name, _ in _SHOWN if re.search(name, text)]
    numbers = [what for what, _, number in _SHOWN if what not in named and number and re.search(number, text)]
    rest = [what for what, _, _ in _SHOWN if what not in (*named, *numbers)]
    parts = (", ".join(named), f"as numbers: {', '.join(numbers)}", f"without: {', '.join(rest)}")
    return "; ".join(part for part, some in zip(parts, (named, numbers, rest), strict=True) if some)


def _exa_route(family: Family, route: Nlri, attributes: PathAttributes) -> str:
    """As a line of ExaBGP's API."""
    assert isinstance(route, VpnPrefix) and attributes.next_hop is not None
    hop = f"::ffff:{attributes.next_hop}" if family == VPNV6 else attributes.next_hop
    raw = " ".join(f"0x{community.hex()}" for community in attributes.extended_communities)
    text = f"{route.prefix} next-hop {hop} rd {route.rd} label [ {route.labels[0]} ]"
    return f"{text} local-preference {attributes.local_pref} extended-community [ {raw} ]"


def _tell(meeting: Meeting) -> list[Family]:
    """The first session tells a reflector; one that reflects nothing tells the second one itself. Of what families."""
    opponent, families = meeting.opponent, list(meeting.families)
    if isinstance(opponent, ExaBgp):
        families.remove(EVPN)
        for family in families:
            for route in ROUTES[family]:
                opponent.say(f"announce route {_exa_route(family, route, SAID[family])}")
    else:
        meeting.tell()
    wanted = {route for family in families for route in ROUTES[family]}

    def check() -> None:
        assert {route for route, _ in meeting.two.told().values()} == wanted, meeting.two.told().keys()

    meeting.until(check)
    return families


def _unlike(heard: PathAttributes, said: PathAttributes) -> list[str]:
    """What has not come as it was said."""
    faults = [] if heard.next_hop == said.next_hop else [f"the next hop: {heard.next_hop}"]
    faults += [] if heard.local_pref == said.local_pref else [f"the local preference: {heard.local_pref}"]
    ours, theirs = set(said.extended_communities), set(heard.extended_communities)
    if ours != theirs:
        words = [one.hex() for one in sorted(ours - theirs)], [one.hex() for one in sorted(theirs - ours)]
        faults.append(f"of the communities {', '.join(words[0])}, now {', '.join(words[1]) or 'gone'}")
    return faults


def passed_on(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        families, faults, hops = _tell(meeting), list[str](), []
        for route, heard in meeting.two.told().values():
            faults += [one for one in _unlike(heard, SAID[route.key().family]) if one not in faults]
        for family in families:
            (octets,) = meeting.two.next_hop_octets(family)
            hops.append(f"{NAMES[family]} {octets}")
        text = f"as it was said, but for {', '.join(faults)}" if faults else "everything as it was said"
        text += f"; octets of next hops: {', '.join(hops)}"
        if opponent.reflects:
            return text
        return f"{REFLECTS_NOTHING}; of its own, by its API, {names(families)} (EVPN it reads and cannot say): {text}"


def changes(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        families = _tell(meeting)
        for family in families:
            attributes, route = changed(family)
            gone = ROUTES[family][1]
            if isinstance(opponent, ExaBgp):
                opponent.say(f"announce route {_exa_route(family, route, attributes)}")
                opponent.say(f"withdraw route {_exa_route(family, gone, SAID[family])}")
            else:
                meeting.one.session.send_routes([(attributes, route)], withdraw=[gone.key()])

        if _within(meeting, lambda: not any(_change(meeting, family) for family in families)):
            return f"replaced and gone: {names(families)}"
        found = {family: _change(meeting, family) for family in families}
        return "; ".join(
            f"{NAMES[family]}: {', '.join(faults) or 'replaced and gone'}" for family, faults in found.items()
        )


def _change(meeting: Meeting, family: Family) -> list[str]:
    """What is not yet as the first session has changed it."""
    attributes, route = changed(family)
    there, hop = meeting.two.told().get(route.key()), attributes.next_hop
    if there is None:
        return ["the changed route is gone"]
    faults = [] if there[0] == route else ["the label stays as it was"]
    faults += [] if there[1].next_hop == hop else ["the next hop stays as it was"]
    return faults + (["what is withdrawn stays"] if ROUTES[family][1].key() in meeting.two.told() else [])


def end_of_rib(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:

        def check() -> None:
            said = {update.end_of_rib for update in meeting.two.updates}
            assert said >= set(meeting.families), said

        meeting.until(check)
        _tell(meeting)
        assert meeting.one.session.state is State.ESTABLISHED, "our marker was not understood"
        return f"marked in {names(meeting.families)}; ours is taken"


def _within(meeting: Meeting, holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold in a time that is long for a loopback: BIRD takes a second or two over a refresh."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            return False
        meeting.pump()
    return True


def refresh(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        families = _tell(meeting)
        for family in families:
            if not _told_again(meeting, family):
                return f"offered, and not answered in {NAMES[family]}"
        return f"told again, one family at a time: {names(families)}"


def _told_again(meeting: Meeting, family: Family) -> bool:
    before = len(meeting.two.updates)
    assert meeting.two.session.ask_refresh(family)

    def said() -> set[Nlri]:
        return {route for update in meeting.two.updates[before:] for route in update.announced}

    came = _within(meeting, lambda: said() == set(ROUTES[family]))
    assert said() <= set(ROUTES[family]), "of another family"
    return came


def refresh_of_theirs(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        try:
            opponent.ask_for_refresh()
        except Missing as why:
            return str(why)

        def asked() -> None:
            for family in meeting.families:
                assert RefreshRequested(family) in meeting.one.events, meeting.one.events

        meeting.until(asked)
        return f"asks, when told to, for {names(meeting.families)}"


_FLAGS = (
    ("120 s", r"120"),
    ("R", r'"rBit":true|restart flag set|Restart recovery|restarted|"restart-flags": \["forwarding"'),
    ("F", r'"fBit":true|forward flag set|AF preserved:.*vpn4|\(preserved\)|mpls-vpn": \["restart"\]'),
    ("N", r'"nBit":true|notification flag set'),
)
"""RFC 4724 section 3, RFC 8538 section 2; ExaBGP has its own words for R and F."""


def restart_flags(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, restarting=True) as meeting:
        meeting.pump()
        said, unsaid = (
            {what for what, pattern in _FLAGS if re.search(pattern, opponent.open_read(client))} for client in (0, 1)
        )
        assert not unsaid & {"R", "F"}, "what our second session has not said"
        rest = [what for what, _ in _FLAGS if what not in said]
        shown = ", ".join(what for what, _ in _FLAGS if what in said)
        return f"reads {shown}" + (f"; shows nothing of {', '.join(rest)}" if rest else "")


def _what_is_kept(meeting: Meeting, families: list[Family]) -> str:
    """A moment after the first session's end."""
    until = time.monotonic() + KEPT_FOR_S
    while time.monotonic() < until and meeting.two.told():
        meeting.two.pump()
    kept = {route.key().family for route, _ in meeting.two.told().values()}
    ways = (("kept", True), ("withdrawn at once", False))
    found = [(word, [one for one in families if (one in kept) is way]) for word, way in ways]
    return "; ".join(f"{word}: {names(which)}" for word, which in found if which)


def death(opponent: Opponent, directory: Path) -> str:
    if not opponent.reflects:
        return REFLECTS_NOTHING
    with meet(opponent, directory) as meeting:
        families = _tell(meeting)
        meeting.one.abandon()
        return _what_is_kept(meeting, families)


def shutdown(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        families = _tell(meeting)
        meeting.one.session.handle(Stop(LAST_WORDS), time.monotonic())
        meeting.one.flush()
        kept = _what_is_kept(meeting, families) if opponent.reflects else REFLECTS_NOTHING
        shows = LAST_WORDS in opponent.last_words()
        return f"{'shows' if shows else 'does not show'} our message; {kept}"


def shutdown_of_theirs(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory) as meeting:
        why = ""
        try:
            opponent.shut_down(LAST_WORDS)
        except Missing as missing:
            why = f"; {missing}"

        def down() -> None:
            assert meeting.one.downs

        meeting.until(down)
        end = meeting.one.downs[0]
        return f"we read: {end.text}" + why if end.reason is DownReason.NOTIFICATION else f"{end.reason}{why}"


def hold_time(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, Setting(hold_s=3)) as meeting:
        agreed = meeting.one.session.agreed
        assert agreed is not None and agreed.hold_time_s == 3, agreed
        alive = meeting.one.session.counters.received

        def lived_on() -> None:
            meeting.one.pump()
            assert alive[MessageType.KEEPALIVE] > 4, "not enough KEEPALIVEs yet"

        eventually(lived_on, within=15.0)
        assert meeting.one.downs == [], "a session that says KEEPALIVE in time"

        def ended() -> None:
            meeting.one.pump(0.01)
            meeting.two.only_listen()
            assert meeting.two.downs, "a session that says nothing"

        eventually(ended, within=10.0)
        return f"agreed; a quiet session stands, a silent one ends: {meeting.two.downs[0].text}"


def md5(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, Setting(password="s3cret")) as meeting:
        with socket.socket() as stranger:
            stranger.settimeout(SILENT_S)
            stranger.bind((ONE, 0))
            Guard("another").put_on(stranger, IpAddress.parse(opponent.address))
            answer = stranger.connect_ex((opponent.address, opponent.port))
        assert answer, "a connection with another password"
        assert meeting.one.session.state is State.ESTABLISHED
        return "up with the password; nobody answers to another one"


def over_ipv6(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, Setting(ipv6=True)) as meeting:
        return f"up, with {names(meeting.families)}"


def rt_constrain(opponent: Opponent, directory: Path) -> str:
    with meet(opponent, directory, families=OFFERED) as meeting:
        agreed = meeting.two.session.agreed
        assert agreed is not None
        if ROUTE_TARGET_CONSTRAIN not in agreed.families:
            _tell(meeting)
            return "not offered: all is told" if opponent.reflects else "not offered"
        hop = PathAttributes(next_hop=IpAddress.parse("10.60.0.2"), local_pref=100)

        def ask(target: str) -> Membership:
            membership = Membership.of(ASN, RouteTarget.parse(target))
            meeting.two.session.send_memberships(hop, [membership])
            return membership

        other = ask("64512:9")
        meeting.tell()

        def heard() -> None:
            said = {membership for update in meeting.two.updates for membership in update.memberships}
            assert other in said, "its own membership, reflected: so it has been read"

        meeting.until(heard)
        assert not meeting.two.told(), "nothing of this was asked for"
        asked = ask("64512:5001")

        def told(count: int) -> Callable[[], None]:
            def check() -> None:
                assert len(meeting.two.told()) == count

            return check

        meeting.until(told(len(meeting.all_told())))
        meeting.two.session.send_memberships(hop, [], [asked])
        meeting.until(told(0))
        return f"tells what was asked for, takes it back when it is not any more: {names(meeting.families)}"


def foreign_next_hop(opponent: Opponent, directory: Path) -> str:
    if not opponent.reflects:
        return REFLECTS_NOTHING
    hop, found = IpAddress.parse("fd60::1"), []
    for family in (VPNV4, VPNV6):
        with meet(opponent, directory / NAMES[family]) as meeting:
            attributes, route = replace(SAID[family], next_hop=hop), ROUTES[family][0]
            meeting.one.session.send_routes([(attributes, route)])
            until = time.monotonic() + KEPT_FOR_S
            while time.monotonic() < until and not meeting.two.told() and not meeting.one.downs:
                meeting.pump()
            if meeting.one.downs:
                found.append(f"{NAMES[family]}: ends our session ({meeting.one.downs[0].text})")
            elif not meeting.two.told():
                found.append(f"{NAMES[family]}: not passed on")
            else:
                ((_, heard),) = meeting.two.told().values()
                intact = heard.next_hop == hop
                found.append(f"{NAMES[family]}: {'as it was said' if intact else f'changed to {heard.next_hop}'}")
    return "; ".join(found)


CASES = (
    Case("the session, and its families", session),
    Case("what it shows of our routes", shown),
    Case("what it passes on", passed_on),
    Case("routes that change and go", changes),
    Case("an IPv6 next hop, as no hypervisor has", foreign_next_hop),
    Case("End-of-RIB", end_of_rib),
    Case("RT-Constrain", rt_constrain),
    Case("refresh, asked for by us", refresh),
    Case("refresh, asked for by it", refresh_of_theirs),
    Case("our graceful restart capability", restart_flags),
    Case("our routes when we die", death),
    Case("we shut down with a message", shutdown),
    Case("it shuts down with a message", shutdown_of_theirs),
    Case("hold time 3", hold_time),
    Case("TCP MD5", md5),
    Case("over IPv6", over_ipv6),
)
