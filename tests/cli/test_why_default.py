"""Who does not follow a default route of the VPN though nothing else covers the destination: `isthmus why` says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.cli.known import Known, Told
from isthmus.cli.verdict import Cause
from isthmus.cli.why import why
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.world import World

NETWORK, TARGET = "neutron-a", "64512:1"


@pytest.mark.parametrize(
    ("floating", "own_defaults", "destination", "says"),
    [
        (True, (), "8.8.8.8", "goes to 8.8.8.8 by its floating IP: the VPN has nothing but 0.0.0.0/0 for it"),
        (False, (4,), "8.8.8.8", "by its router's own default route"),
        (False, (6,), "8.8.8.8", ""),
        (True, (4,), "10.9.0.7", ""),
        (True, (), "203.0.113.7", "by its floating IP: the VPN has nothing but 203.0.0.0/8 for it"),
        (False, (4,), "203.0.113.7", ""),
        (True, (), "203.0.113.9", ""),  # the VPN has the very address
        (True, (), "10.77.0.7", "by its floating IP: the VPN has nothing but 10.0.0.0/8 for it"),
        (False, (), "169.254.169.254", "is in no VPN: no machine of a VPN has such an address"),
    ],
)
def test_whose_way_out_it_is(floating: bool, own_defaults: tuple[int, ...], destination: str, says: str) -> None:
    world = World()
    world.switch_on()
    wish = attachment(1, association(16, networks=(NETWORK,), both=(TARGET,)), networks=(NETWORK,))
    machine = replace(port("aaaa-1", NETWORK, "10.1.0.5"), floating=floating)
    world.intent({circuit(1): replace(wish, own_defaults=own_defaults, outside=(net("10.77.0.0/24"),))}, [machine])
    prefixes = ("0.0.0.0/0", "10.9.0.0/24", "203.0.0.0/8", "203.0.113.9/32", "10.0.0.0/8")
    world.says(*(path(prefix, attributes(TARGET)) for prefix in prefixes))
    world.end_of_rib()
    verdict = why(Known([Told("h1", status(world.node, world.now))], {}), "aaaa-1", destination)
    assert (verdict.cause is Cause.NOT_THE_VPNS) == bool(says)
    assert says in verdict.sentence
