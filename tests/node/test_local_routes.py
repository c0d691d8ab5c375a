"""Circuit by circuit gives what everything at once gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.node.claims import Claims
from isthmus.node.local_routes import Ear, LocalRoutes
from isthmus.vpn.claims import Hearing
from isthmus.vpn.exports import Export, exports, of_circuit
from isthmus.vpn.offers import of_export
from tests.build import association, attachment, circuit, port, speaker

NETWORKS = ("neutron-a", "neutron-b")


@st.composite
def intents(draw: st.DrawFn) -> AttachmentIntent:
    """One of three routers, with up to two BGPVPNs of three, which have a VNI each: so several claim one address."""
    number = draw(st.integers(1, 3))
    joined = [
        association(10 * number + n, networks=(network,), both=("1:1",) * draw(st.integers(0, 1)), bgpvpn=vpn, vni=vpn)
        for n, (network, vpn) in enumerate(
            draw(st.lists(st.tuples(st.sampled_from(NETWORKS), st.integers(1, 3)), max_size=2))
        )
    ]
    return attachment(number, *joined, networks=NETWORKS)


ports = st.lists(
    st.builds(
        lambda name, network, host, revision, up: port(name, network, f"10.1.0.{host}", revision=revision, up=up),
        st.sampled_from("pqr"),
        st.sampled_from(NETWORKS),
        st.integers(5, 6),
        st.integers(1, 3),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.name,
)


def plain(export: Export) -> Export:
    """Without what it says of its rivals."""
    return replace(export, contested=None)


def number_of(intent: AttachmentIntent) -> int:
    return int(intent.attachment[-3:])


@given(ports, st.lists(st.tuples(intents(), st.booleans()), max_size=8))
def test_any_history_of_circuits_gives_what_all_of_them_give(
    here: Sequence[LocalPort], history: Sequence[tuple[AttachmentIntent, bool]]
) -> None:
    claims = Claims()
    local, ear = (
        LocalRoutes(speaker(), claims),
        Ear(lambda _export: Hearing(), knows=True, knows_of=lambda _targets: True, now=0.0),
    )
    by_network = {network: [p for p in here if p.network == network] for network in NETWORKS}
    present: dict[int, AttachmentIntent] = {}
    for intent, stays in history:
        number = number_of(intent)
        before = {(e.prefix, t): e for e in local for t in e.targets}
        if stays:
            present[number] = intent
        else:
            present.pop(number, None)
        occupants = {key: claims.occupant(key, 0.0) for key, _ in claims.all(0.0)}
        fresh = {circuit(number): of_circuit(circuit(number), intent, by_network) if stays else ()}
        change = local.replace(fresh, (), ear)
        wanted = [
            replace(e, mobility=claims[e.inbound].sequence) if e.why_not is None else e
            for e in exports({circuit(n): one for n, one in sorted(present.items())}, here, occupant=occupants.get)
        ]
        assert sorted(map(plain, local), key=str) == sorted(wanted, key=str)
        assert set(map(plain, local.delivered.values())) == {e for e in wanted if e.why_not is None}
        offers = [offer for e in wanted if e.why_not is None for offer in of_export(e, speaker())]
        assert local.offers == {offer.key: offer for offer in offers}
        touched = {
            (destination, t) for targets, found in change.touched.items() for t in targets for destination in found
        }
        after = {(e.prefix, t): e for e in local for t in e.targets}
        differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert differ <= touched, "whoever decides must be told"
