"""What the cloud writes is what a node reads, in either form; nonsense is refused by name, novelty is counted."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.intent import (
    CIRCUIT_IPV4,
    CIRCUIT_IPV6,
    CIRCUIT_LANE,
    CIRCUIT_MAC,
    LANE_MAX,
    MISSING,
    NUMBER_MAX,
    NUMBER_MIN,
    READS,
    ROW_BYTES_MAX,
    WRITES,
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    BgpvpnIntent,
    Fallback,
    FamilyName,
    Lane,
    UnknownSchema,
    bgpvpn_external_ids,
    carried,
    from_external_ids,
    from_memory,
    networks_named,
    read_attachment,
    read_bgpvpn,
    readable_from,
    resolve,
    to_external_ids,
    to_memory,
    written_by,
)
from isthmus.model.net import VNI_MAX, IpAddress, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from tests.build import association, attachment, uuid

uuids = st.integers(0, 10**6).map(uuid)
targets = st.builds(lambda a, n: RouteTarget.parse(f"{a}:{n}"), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
sets = st.lists(targets, unique=True, max_size=3).map(lambda x: tuple(sorted(x)))
names = st.lists(uuids.map(lambda u: f"neutron-{u}"), unique=True, max_size=4).map(lambda x: tuple(sorted(x)))
prefixes = st.builds(
    Prefix.of, st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.integers(0, 32)
)
preferences = st.none() | st.integers(0, 2**32 - 1)
families = st.none() | st.sets(st.sampled_from(FamilyName)).map(lambda x: tuple(sorted(x)))
numbers = st.integers(NUMBER_MIN, NUMBER_MAX)
vpns = st.builds(
    BgpvpnIntent,
    bgpvpn=uuids,
    revision=st.integers(0, 2**63),
    vni=st.integers(1, VNI_MAX),
    imports=sets,
    exports=sets,
    local_pref=preferences,
    families=families,
)


def made(
    vpn: BgpvpnIntent, of: str, kind: AssociationKind, number: int | None, networks: tuple[str, ...], shared: bool
) -> AssociationIntent:
    said = (vpn.bgpvpn, number, vpn.vni, vpn.imports, vpn.exports, networks, vpn.local_pref, shared, vpn.families)
    return AssociationIntent(of, kind, *said)


def attachments(
    number: st.SearchStrategy[int | None], shared: st.SearchStrategy[bool]
) -> st.SearchStrategy[AttachmentIntent]:
    several = st.lists(vpns, unique_by=lambda v: v.bgpvpn, min_size=1, max_size=3)
    associations = several.flatmap(
        lambda known: st.lists(
            st.builds(made, st.sampled_from(known), uuids, st.sampled_from(AssociationKind), number, names, shared),
            unique_by=lambda a: a.association,
            max_size=4,
        )
    )
    return st.builds(
        AttachmentIntent,
        attachment=st.builds(lambda kind, u: f"{kind}:{u}", st.sampled_from(["router", "network"]), uuids),
        revision=st.integers(0, 2**63),
        site=st.integers(0, 2**32 - 1).map(lambda n: SiteOfOrigin.parse(f"64512:{n}")),
        networks=names,
        subnets=st.lists(prefixes, unique=True, max_size=4).map(lambda x: tuple(sorted(x))),
        associations=associations.map(lambda x: tuple(sorted(x, key=lambda a: a.association))),
        fallback=st.sampled_from(Fallback),
    )


def in_every_family(intent: AttachmentIntent) -> AttachmentIntent:
    return replace(intent, associations=tuple(replace(a, families=None) for a in intent.associations))


numbered = attachments(numbers, st.just(False)).map(in_every_family)
"""What form 1 can say."""
any_of_them = attachments(st.none() | numbers, st.booleans())


def with_lanes(intent: AttachmentIntent) -> AttachmentIntent:
    """Each network by its own, and what else form 1 has no words for."""
    lanes = tuple(LANE_MAX - n for n in range(len(intent.networks)))
    own = tuple(sorted({prefix.address for prefix in intent.subnets}))
    defaults = (4, 6)[: len(intent.networks)]
    return replace(intent, lanes=lanes, routes=intent.subnets, own_defaults=defaults, addresses=own)


def vpn_of(a: AssociationIntent, revision: int = 1) -> BgpvpnIntent:
    return BgpvpnIntent(a.bgpvpn, revision, a.vni, a.imports, a.exports, a.local_pref, a.families)


def through_form_2(intent: AttachmentIntent) -> AttachmentIntent:
    """All rows written, and read back."""
    rows = [bgpvpn_external_ids(vpn_of(a, revision=0)) for a in intent.associations]
    known: dict[str, BgpvpnIntent | BadIntent] = {vpn.bgpvpn: vpn for vpn in map(read_bgpvpn, rows)}
    return resolve(read_attachment(to_external_ids(intent, 2) | {"neutron:port_name": "not ours"}), known)


@given(numbered)
def test_reading_a_written_row_gives_the_intent_back(intent: AttachmentIntent) -> None:
    assert from_external_ids(to_external_ids(intent) | {"neutron:port_name": "not ours"}) == intent


@given(any_of_them)
def test_the_same_with_a_row_for_each_bgpvpn(intent: AttachmentIntent) -> None:
    assert through_form_2(intent) == intent
    assert through_form_2(with_lanes(intent)) == with_lanes(intent)


@given(any_of_them, st.lists(prefixes, unique=True, min_size=1, max_size=4))
def test_what_lies_outside_is_told_to_who_can_read_it(intent: AttachmentIntent, outside: list[Prefix]) -> None:
    let_through = replace(intent, fallback=Fallback.PUBLIC, outside=tuple(sorted(outside)))
    row = to_external_ids(let_through, 2)
    assert through_form_2(let_through) == from_memory(json.loads(json.dumps(to_memory(let_through)))) == let_through
    assert row["isthmus:fallback"] == "all", "who passes the other key over cuts nothing off"
    with pytest.raises(BadIntent, match="isthmus:outside"):
        to_external_ids(replace(intent, outside=let_through.outside, fallback=Fallback.PUBLIC), 1)
    for fallback in (Fallback.ALL, Fallback.NONE):
        row = to_external_ids(replace(intent, fallback=fallback, outside=let_through.outside), 2)
        assert (row["isthmus:fallback"], "isthmus:outside" in row) == (fallback.value, False), (
            "it is 'public' that asks"
        )
        assert read_attachment(row).outside == let_through.outside


def test_a_row_without_room_for_the_routers_own_addresses_does_without_them() -> None:
    """Whatever the revision, for equal content makes equal rows."""
    for number in range(0, 1600, 20):
        own = tuple(IpAddress.parse(f"10.0.{n // 250}.{n % 250}") for n in range(number))
        rows = [to_external_ids(replace(ONE, addresses=own, revision=revision), 2) for revision in (0, 2**63 - 1)]
        said = {row.get("isthmus:addresses") for row in rows}
        assert len(said) == 1
        assert read_attachment(rows[0]).addresses in (own, ())
        assert sum(len(k) + len(v) for k, v in rows[1].items()) <= ROW_BYTES_MAX
    assert said == {None}


def test_a_memory_of_the_release_before_knows_nothing_of_what_lies_outside() -> None:
    memory = to_memory(ONE)
    del memory["outside"]
    assert from_memory(memory) == ONE


def test_a_memory_of_the_release_before_knows_no_families() -> None:
    memory = to_memory(ONE)
    assert from_memory(json.loads(json.dumps(to_memory(IN_TWO)))) == IN_TWO
    del memory["associations"][0]["f"]
    assert from_memory(memory) == ONE


@given(vpns)
def test_a_bgpvpns_row_is_read_as_written(vpn: BgpvpnIntent) -> None:
    assert read_bgpvpn(bgpvpn_external_ids(vpn)) == vpn


ONE = attachment(1, association(16, networks=("neutron-a",), both=("64512:1",)), networks=("neutron-a",))
GOOD, THIN = to_external_ids(ONE), to_external_ids(ONE, 2)
VPN = bgpvpn_external_ids(vpn_of(ONE.associations[0]))
TWO = (FamilyName.EVPN, FamilyName.VPNV4)
IN_TWO = replace(ONE, associations=(replace(ONE.associations[0], families=TWO),))
AC = f"isthmus:a:{uuid(16)}"


def test_form_1_is_what_the_first_release_reads_to_the_octet() -> None:
    part = replace(association(17, networks=("neutron-b",), exports=("64512:2",)), local_pref=7)
    whole = attachment(1, *ONE.associations, part, networks=("neutron-a", "neutron-b"), subnets=("10.1.0.0/24",))
    assert to_external_ids(whole) == {
        "isthmus:kind": "ac",
        "isthmus:schema": "1",
        "isthmus:revision": "1",
        "isthmus:site": "64512:1",
        "isthmus:attachment": f"router:{uuid(1)}",
        "isthmus:networks": "neutron-a neutron-b",
        "isthmus:subnets": "10.1.0.0/24",
        "isthmus:fallback": "all",
        AC: f'{{"k":"router","b":"{uuid(1016)}","n":16,"v":5016,"i":["64512:1"],"e":["64512:1"],"w":["neutron-a"]}}',
        f"isthmus:a:{uuid(17)}": f'{{"k":"router","b":"{uuid(1017)}","n":17,"v":5017,"i":[],"e":["64512:2"],'
        '"w":["neutron-b"],"p":7}',
    }


def test_form_2_is_thin() -> None:
    assert {
        "isthmus:kind": "ac",
        "isthmus:schema": "2",
        "isthmus:written-by": "2",
        "isthmus:revision": "1",
        "isthmus:site": "64512:1",
        "isthmus:attachment": f"router:{uuid(1)}",
        "isthmus:subnets": GOOD["isthmus:subnets"],
        "isthmus:fallback": "all",
        "isthmus:n:neutron-a": "1",
        AC: f'{{"k":"router","b":"{uuid(1016)}","n":16}}',
    } == THIN
    assert {
        "isthmus:kind": "vpn",
        "isthmus:schema": "2",
        "isthmus:written-by": "2",
        "isthmus:revision": "1",
        "isthmus:bgpvpn": uuid(1016),
        "isthmus:vni": "5016",
        "isthmus:imports": "64512:1",
        "isthmus:exports": "64512:1",
    } == VPN


def test_families_stand_in_a_bgpvpns_row_and_in_no_other() -> None:
    row = bgpvpn_external_ids(vpn_of(IN_TWO.associations[0]))
    assert row == VPN | {"isthmus:families": "evpn vpnv4"}
    assert to_external_ids(IN_TWO, 1) == GOOD, "agents of the first release refuse a member they do not know"
    assert to_external_ids(IN_TWO, 2) == THIN
    newer = read_bgpvpn(row | {"isthmus:families": "vpnv6 ipv4-unicast evpn"})
    assert (newer.families, newer.ignored) == ((FamilyName.EVPN, FamilyName.VPNV6), 1), "known ones count"
    only_new = read_bgpvpn(row | {"isthmus:families": "ipv4-unicast"})
    assert (only_new.families, only_new.ignored) == ((), 1), "not: all that there are"


def test_lanes_are_in_form_2_only_and_each_has_addresses_of_its_own() -> None:
    both = attachment(1, *ONE.associations, networks=("neutron-a", "neutron-b"))
    laned = replace(both, lanes=(300, 17))
    assert to_external_ids(laned, 2)["isthmus:lanes"] == "300 17"
    assert to_external_ids(laned) == to_external_ids(both), "agents of the first release refuse a key they do not know"
    read = read_attachment(to_external_ids(laned, 2))
    assert read.lanes == (300, 17)
    assert (read.ignored, laned.lane("neutron-b"), both.lane("neutron-b")) == (0, 17, None)
    lane = Lane(300)
    assert (str(lane.mac), str(lane.ipv4), str(lane.ipv6)) == (
        "02:00:5e:00:01:2c",
        "169.254.129.44",
        "fd00:56:50:4e::12c",
    )
    own = Lane(CIRCUIT_LANE)
    assert (own.mac, own.ipv4, own.ipv6) == (CIRCUIT_MAC, CIRCUIT_IPV4, CIRCUIT_IPV6)


NONSENSE = [
    ("isthmus:site", "", "isthmus:site: missing"),
    ("isthmus:site", "nowhere", "is not a site of origin"),
    ("isthmus:attachment", "router:1", "must be router:<uuid> or network:<uuid>"),
    ("isthmus:revision", "-1", "'-1' is not a number"),
    ("isthmus:revision", "1²", "is not a number"),
    ("isthmus:revision", "9" * 5000, "is not a number"),
    ("isthmus:schema", "", "isthmus:schema: missing"),
    ("isthmus:schema", "0", "there is no schema 0"),
    ("isthmus:subnets", "10.0.0.1/24", "has host bits set"),
    ("isthmus:fallback", "maybe", "not one of all, public, none"),
    (AC, "{", "not JSON"),
    (AC, "[]", "must be an object"),
    (AC, "{}", "must be an object"),
    (AC, "[" * 100000, "not JSON"),
    (AC, GOOD[AC].replace('"n":16', '"n":15'), "number 15 is not within 16 to 65535"),
    (AC, GOOD[AC].replace('"n":16', '"n":true'), "number True is not within"),
    (AC, GOOD[AC].replace('"k":"router"', '"k":"planet"'), "not one of network, router, port"),
    (AC, GOOD[AC].replace('"k":"router"', '"k":["router"]'), "not one of network, router, port"),
    (AC, GOOD[AC].replace(f'"{uuid(1016)}"', '"b"'), "named by their uuid"),
    (AC, GOOD[AC].replace("}", ',"w":"neutron-a"}'), "expected a list of strings"),
]
OF_FORM_1 = [
    (AC, GOOD[AC].replace('"v":5016', '"v":16777216'), "VNI 16777216 is not within"),
    (AC, GOOD[AC].replace("64512:1", "64512:x"), "is not a route target"),
    (AC, GOOD[AC].replace('"i":["64512:1"]', '"i":"64512:1"'), "expected a list of strings"),
]


@pytest.mark.parametrize(("key", "value", "says"), [*NONSENSE, *OF_FORM_1])
def test_nonsense_is_refused_with_key_and_rule(key: str, value: str, says: str) -> None:
    with pytest.raises(BadIntent) as caught:
        from_external_ids(GOOD | {key: value})
    assert says in str(caught.value)
    assert caught.value.key == key


OF_FORM_2 = [
    ("isthmus:lanes", "16 17", "one for each of 1 networks"),
    ("isthmus:lanes", "x", "'x' is not a number"),
    ("isthmus:lanes", "15", "lane 15 is not within 16 to 4079"),
    ("isthmus:lanes", "4080", "lane 4080 is not within 16 to 4079"),
    ("isthmus:routes", "10.0.0.1/24", "has host bits set"),
    ("isthmus:outside", "10.0.0.1/24", "has host bits set"),
    ("isthmus:beyond", "10.0.0.1/24", "has host bits set"),
    ("isthmus:addresses", "10.0.0.0/24", "is not an IP address"),
    ("isthmus:own-defaults", "4 5", "'5' is not one of 4, 6"),
]


@pytest.mark.parametrize(("key", "value", "says"), [*NONSENSE, *OF_FORM_2])
def test_nonsense_in_form_2_too(key: str, value: str, says: str) -> None:
    with pytest.raises(BadIntent) as caught:
        read_attachment(THIN | {key: value})
    assert says in str(caught.value)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("isthmus:bgpvpn", "red", "must be the uuid of a BGPVPN"),
        ("isthmus:vni", "", "missing"),
        ("isthmus:vni", "16777216", "VNI 16777216 is not within"),
        ("isthmus:imports", "64512:1 x", "is not a route target"),
        ("isthmus:local-pref", "4294967296", "is not within 0 to 4294967295"),
        ("isthmus:local-pref", "high", "'high' is not a number"),
    ],
)
def test_nonsense_about_a_bgpvpn(key: str, value: str, says: str) -> None:
    with pytest.raises(BadIntent, match=says) as caught:
        read_bgpvpn(VPN | {key: value})
    assert caught.value.key == key


def test_a_newer_schema_is_told_apart_from_nonsense() -> None:
    for row in (GOOD, THIN):
        with pytest.raises(UnknownSchema, match=f"reads rows up to schema {READS}, not '{READS + 1}'"):
            read_attachment(row | {"isthmus:schema": str(READS + 1), "isthmus:site": "in other words"})
    with pytest.raises(UnknownSchema):
        read_bgpvpn(VPN | {"isthmus:schema": str(READS + 1)})


def test_what_a_newer_writer_adds_is_counted_and_costs_nothing() -> None:
    more = AC, THIN[AC].replace("}", ',"z":1,"y":[]}')
    newer = THIN | dict([more]) | {"isthmus:written-by": "9", "isthmus:surprise": "1", "neutron:surprise": "1"}
    read = resolve(read_attachment(newer), {uuid(1016): read_bgpvpn(VPN | {"isthmus:rainbow": ""})})
    assert read == replace(ONE, ignored=4)
    assert from_external_ids(GOOD | {"isthmus:surprise": "1", AC: GOOD[AC].replace("}", ',"z":1}')}).ignored == 2


def test_who_wrote_a_row_and_who_can_read_it() -> None:
    assert [readable_from(row) for row in (GOOD, THIN, VPN)] == [1, 2, 2]
    assert [written_by(row) for row in (GOOD, THIN, VPN)] == [1, WRITES, WRITES]
    assert written_by(THIN | {"isthmus:written-by": "7"}) == 7
    assert written_by(THIN | {"isthmus:written-by": "nobody"}) == written_by({}) == 0, "nonsense may be mended"


def test_whom_a_row_concerns_is_clear_even_if_it_cannot_be_read() -> None:
    for row in (GOOD, THIN):
        assert networks_named(row | {"isthmus:schema": "9", "isthmus:site": ""}) == {"neutron-a"}


@given(st.dictionaries(st.sampled_from(sorted(GOOD | THIN | VPN)), st.text(max_size=20) | st.just("2")))
def test_whatever_a_row_says_reading_it_raises_nothing_else(changes: dict[str, str]) -> None:
    for row in (GOOD, THIN):
        with contextlib.suppress(BadIntent):
            read_attachment(row | changes)
    with contextlib.suppress(BadIntent):
        read_bgpvpn(VPN | changes)
    written_by(changes)
    networks_named(changes)


TWO = attachment(
    1,
    association(16, networks=("neutron-a",), both=("64512:1",)),
    association(17, networks=("neutron-a",), both=("64512:2",)),
    networks=("neutron-a",),
)


def test_a_bgpvpn_without_a_row_costs_its_associations_and_says_so() -> None:
    row = read_attachment(to_external_ids(TWO, 2))
    read = resolve(row, {uuid(1017): vpn_of(TWO.associations[1])})
    assert read == replace(TWO, associations=TWO.associations[1:], unresolved=((uuid(1016), MISSING),))
    assert carried(read, TWO) == read, "it is gone: nothing stands that could stay"


def test_the_revision_is_the_highest_of_the_rows() -> None:
    row = read_attachment(to_external_ids(replace(TWO, revision=5), 2))
    one, two = TWO.associations
    assert resolve(row, {one.bgpvpn: vpn_of(one, 4), two.bgpvpn: vpn_of(two, 3)}).revision == 5
    assert resolve(row, {one.bgpvpn: vpn_of(one, 4), two.bgpvpn: vpn_of(two, 9)}).revision == 9
    assert resolve(row, {"of no concern": vpn_of(two, 9)}).revision == 5


def test_of_a_bgpvpn_that_cannot_be_read_stays_what_stood() -> None:
    row, newer = read_attachment(to_external_ids(TWO, 2)), UnknownSchema("isthmus:schema", "too new")
    read = resolve(row, {uuid(1016): newer, uuid(1017): vpn_of(TWO.associations[1])})
    assert [a.association for a in read.associations] == [uuid(17)]
    assert read.unresolved == ((uuid(1016), "isthmus:schema: too new"),)
    assert carried(read, TWO).associations == TWO.associations
    assert carried(read, None) == carried(read, read) == read, "who never knew it has nothing to keep"
    fewer = replace(TWO, associations=TWO.associations[:1])
    assert [a.association for a in carried(read, fewer).associations] == [uuid(16), uuid(17)]


def test_more_than_a_row_may_carry_is_refused_where_it_is_written() -> None:
    many = tuple(association(16 + n, networks=("neutron-a",), both=("64512:1",)) for n in range(200))
    crowded = attachment(1, *many, networks=("neutron-a",))
    for form in (1, 2):
        with pytest.raises(BadIntent, match="at most 16384 fit"):
            to_external_ids(crowded, form)
    wide = replace(vpn_of(many[0]), imports=tuple(RouteTarget.parse(f"64512:{n}") for n in range(2000)))
    with pytest.raises(BadIntent, match="at most 16384 fit"):
        bgpvpn_external_ids(wide)


def test_form_1_cannot_be_without_a_number() -> None:
    without = replace(ONE, associations=tuple(replace(a, number=None) for a in ONE.associations))
    with pytest.raises(BadIntent, match="cannot be without a number"):
        to_external_ids(without)
    assert through_form_2(without) == without


@given(any_of_them, st.lists(st.tuples(uuids, st.text(max_size=9)), max_size=2).map(tuple), st.integers(0, 9))
def test_a_node_remembers_an_intent_as_it_was(
    intent: AttachmentIntent, unresolved: tuple[tuple[str, str], ...], ignored: int
) -> None:
    remembered = replace(intent, unresolved=unresolved, unread=(uuid(1),) * len(unresolved), ignored=ignored)
    for one in (remembered, with_lanes(remembered)):
        assert from_memory(json.loads(json.dumps(to_memory(one)))) == one
    new = {"lanes", "routes", "own_defaults", "addresses"}
    earlier = {key: value for key, value in to_memory(remembered).items() if key not in new}
    assert from_memory(earlier) == remembered, "as an earlier release wrote it"


json_values = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=2))


@given(st.dictionaries(st.sampled_from(sorted(to_memory(TWO))), json_values), json_values)
def test_a_memory_that_is_nonsense_is_refused(changes: dict[str, object], whole: object) -> None:
    for value in (to_memory(TWO) | changes, whole):
        with contextlib.suppress(BadIntent):
            from_memory(value)
    association = to_memory(TWO)["associations"][0]
    for name in association:
        with contextlib.suppress(BadIntent):
            from_memory(to_memory(TWO) | {"associations": [association | {name: whole}]})
    with pytest.raises(BadIntent, match="subnets is missing"):
        from_memory({k: v for k, v in to_memory(TWO).items() if k != "subnets"})
