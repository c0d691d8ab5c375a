"""The flows of what has labels, kept piece by piece: what several addresses share stays as long as one of them does."""

from __future__ import annotations

from isthmus.fib.entries import CircuitName, Inbound, InboundKey, LabelKey, LabelledHop, ViewId
from isthmus.flows.layout import Table
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import Mac
from isthmus.node.base import Base
from isthmus.node.tables import Changes
from tests.build import ip, net

RED = CircuitName("isthmus-ac-red")
ONE, TWO, SIX = (
    LabelKey(16, net("10.1.0.5/32")),
    LabelKey(16, net("10.1.0.6/32")),
    LabelKey(65552, net("fd00::5/128")),
)
VNI = InboundKey(16, net("10.1.0.5/32"))
ROUTER = Mac.parse("02:78:ac:1e:01:01")


class World:
    """A base, and what the switch would hold of it."""

    def __init__(self, gre: int | None = 9) -> None:
        self.base, self.flows = Base(), dict[FlowKey, str]()
        self.renderer = self.port(gre)

    def port(self, gre: int | None) -> Renderer:
        return Renderer(ROUTER, 1, {RED: 2}, None, gre)

    def deliver(self, *keys: Inbound, tunnel_moved: bool = False) -> None:
        changes = Changes()
        self.base.inbound(dict.fromkeys(keys, RED), (), self.renderer, changes, tunnel_moved=tunnel_moved)
        for key in changes.gone:
            self.flows.pop(key, None)
        self.flows |= changes.put

    def of(self, table: Table) -> list[str]:
        return sorted(key.match for key in self.flows if key.table == table)


def test_a_label_is_popped_as_long_as_an_address_is_behind_it() -> None:
    world = World()
    world.deliver(ONE, TWO, SIX, VNI)
    assert world.of(Table.LABELS) == ["mpls,mpls_label=16,mpls_bos=1", "mpls,mpls_label=65552,mpls_bos=1"]
    assert len(world.of(Table.INBOUND)) == 4
    world.deliver(TWO, VNI)
    assert world.of(Table.LABELS) == ["mpls,mpls_label=16,mpls_bos=1"]
    world.deliver(VNI)
    assert world.of(Table.LABELS) == []
    assert world.of(Table.INBOUND) == ["ip,tun_id=0x10,nw_dst=10.1.0.5"]


def test_what_has_labels_waits_for_the_port() -> None:
    """Told is what the switch holds; without a port nothing behind a label could arrive."""
    world = World(gre=None)
    world.deliver(ONE, VNI)
    assert (world.of(Table.LABELS), world.of(Table.INBOUND)) == ([], ["ip,tun_id=0x10,nw_dst=10.1.0.5"])
    world.renderer = world.port(9)
    world.deliver(ONE, VNI, tunnel_moved=True)
    assert Renderer.inbound_key(ONE) in world.flows
    assert world.of(Table.LABELS)
    world.renderer = world.port(None)
    world.deliver(ONE, VNI, tunnel_moved=True)
    assert (world.of(Table.LABELS), world.of(Table.INBOUND)) == ([], ["ip,tun_id=0x10,nw_dst=10.1.0.5"])


def test_without_the_port_nothing_leads_to_a_pe_nor_out_by_the_router() -> None:
    pe, view, prefix = ip("172.30.2.1"), ViewId(1), net("10.9.0.0/24")
    flow = Renderer(ROUTER, 1, {}).route(view, prefix, LabelledHop(pe, (16,)))
    assert flow == (Renderer.route_key(view, prefix), "drop")
    assert len(Renderer(ROUTER, 1, {}).endpoint(pe)) == 1
    assert len(Renderer(ROUTER, 1, {}, None, 9).endpoint(pe)) == 2, "VXLAN and labels, one each"
