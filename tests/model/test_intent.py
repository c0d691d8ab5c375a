"""What the cloud writes is what a node reads, and nonsense is refused by name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.intent import (
    NUMBER_MAX,
    NUMBER_MIN,
    AssociationIntent,
    AssociationKind,
    AttachmentIntent,
    BadIntent,
    Fallback,
    UnknownSchema,
    from_external_ids,
    to_external_ids,
)
from isthmus.model.net import VNI_MAX, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from tests.build import association, attachment, uuid

uuids = st.integers(0, 10**6).map(uuid)
targets = st.builds(lambda a, n: RouteTarget.parse(f"{a}:{n}"), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
names = st.lists(uuids.map(lambda u: f"neutron-{u}"), unique=True, max_size=4).map(lambda x: tuple(sorted(x)))
prefixes = st.builds(
    Prefix.of, st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.integers(0, 32)
)
associations = st.builds(
    AssociationIntent,
    association=uuids,
    kind=st.sampled_from(AssociationKind),
    bgpvpn=uuids,
    number=st.integers(NUMBER_MIN, NUMBER_MAX),
    vni=st.integers(1, VNI_MAX),
    imports=st.lists(targets, unique=True, max_size=3).map(lambda x: tuple(sorted(x))),
    exports=st.lists(targets, unique=True, max_size=3).map(lambda x: tuple(sorted(x))),
    networks=names,
    local_pref=st.none() | st.integers(0, 2**32 - 1),
)
attachments = st.builds(
    AttachmentIntent,
    attachment=st.builds(lambda kind, u: f"{kind}:{u}", st.sampled_from(["router", "network"]), uuids),
    revision=st.integers(0, 2**63),
    site=st.integers(0, 2**32 - 1).map(lambda n: SiteOfOrigin.parse(f"64512:{n}")),
    networks=names,
    subnets=st.lists(prefixes, unique=True, max_size=4).map(lambda x: tuple(sorted(x))),
    associations=st.lists(associations, unique_by=lambda a: a.association, max_size=4).map(lambda x: tuple(sorted(x))),
    fallback=st.sampled_from(Fallback),
)


@given(attachments)
def test_reading_a_written_row_gives_the_intent_back(intent: AttachmentIntent) -> None:
    assert from_external_ids(to_external_ids(intent) | {"neutron:port_name": "not ours"}) == intent


GOOD = to_external_ids(
    attachment(1, association(16, networks=("neutron-a",), both=("64512:1",)), networks=("neutron-a",))
)
AC = f"isthmus:a:{uuid(16)}"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("isthmus:site", "", "isthmus:site: missing"),
        ("isthmus:site", "nowhere", "is not a site of origin"),
        ("isthmus:attachment", "router:1", "must be router:<uuid> or network:<uuid>"),
        ("isthmus:revision", "-1", "'-1' is not a number"),
        ("isthmus:revision", "1²", "is not a number"),
        ("isthmus:revision", "9" * 5000, "is not a number"),
        ("isthmus:subnets", "10.0.0.1/24", "has host bits set"),
        ("isthmus:fallback", "maybe", "not one of all, public, none"),
        ("isthmus:surprise", "1", "isthmus:surprise: unknown key"),
        (AC, "{", "not JSON"),
        (AC, "[]", "must be an object"),
        (AC, "[" * 100000, "not JSON"),
        (AC, GOOD[AC].replace('"n":16', '"n":15'), "number 15 is not within 16 to 65535"),
        (AC, GOOD[AC].replace('"n":16', '"n":true'), "number True is not within"),
        (AC, GOOD[AC].replace('"v":5016', '"v":16777216'), "VNI 16777216 is not within"),
        (AC, GOOD[AC].replace('"k":"router"', '"k":"planet"'), "not one of network, router, port"),
        (AC, GOOD[AC].replace('"k":"router"', '"k":["router"]'), "not one of network, router, port"),
        (AC, GOOD[AC].replace("64512:1", "64512:x"), "is not a route target"),
        (AC, GOOD[AC].replace('"i":["64512:1"]', '"i":"64512:1"'), "expected a list of strings"),
    ],
)
def test_nonsense_is_refused_with_key_and_rule(key: str, value: str, says: str) -> None:
    with pytest.raises(BadIntent) as caught:
        from_external_ids(GOOD | {key: value})
    assert says in str(caught.value)
    assert caught.value.key == key


def test_a_newer_schema_is_told_apart_from_nonsense() -> None:
    with pytest.raises(UnknownSchema, match="this agent reads schema 1, not '2'"):
        from_external_ids(GOOD | {"isthmus:schema": "2"})


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=20)))
def test_whatever_a_row_says_reading_it_raises_nothing_else(changes: dict[str, str]) -> None:
    with contextlib.suppress(BadIntent):
        from_external_ids(GOOD | changes)


def test_more_than_a_row_may_carry_is_refused_where_it_is_written() -> None:
    many = tuple(association(16 + n, networks=("neutron-a",), both=("64512:1",)) for n in range(150))
    with pytest.raises(BadIntent, match="at most 16384 fit"):
        to_external_ids(attachment(1, *many, networks=("neutron-a",)))
