"""Two clouds in good health: what the ladder builds, as rows.

cloud a, tenant1   red    10.1.0.0/24   router; corp and inside       a-red1 on a-h1, a-red2 on a-h2
                   blue   10.2.0.0/24   router; inside                a-blue1 on a-h1, a-blue2 on a-h2
                   green  10.3.0.0/24   no router; inside             a-green1 on a-h2
                   grey   10.4.0.0/24   in no VPN                     a-grey1 on a-h1
cloud b, tenant1   red    10.11.0.0/24  router, by its network; corp  b-red1 on b-h1, b-red2 on b-h2
tenant2            twin   the prefixes of tenant1's red               a-twin1 on a-h1, b-twin1 on b-h1
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_interface

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AssociationIntent, AssociationKind, AttachmentIntent
from isthmus.model.net import Mac
from isthmus.model.vpn import SiteOfOrigin
from isthmus.shell.bindings import Row
from tests.build import association, attachment, circuit, rts, uuid
from tests.faults.world import Cloud, World, world

CORP, INSIDE, TWIN = "64512:5", "64512:100", "64512:6"
RED, BLUE, GREEN, TWINS = 1, 2, 3, 4
"""Numbers of attachments, and so of their circuits; the same in both clouds, in each its own."""
OFFSETS = {"a": 0, "b": 100}
SITES = {"a": SiteOfOrigin.parse("64512:1"), "b": SiteOfOrigin.parse("64513:1")}


def healthy(*, reflectors_each: int = 1) -> World:
    """Everybody up, every route where it belongs."""
    made = world(reflectors_each=reflectors_each)
    a, b = made.clouds["a"], made.clouds["b"]
    red = network("red")
    add(a, RED, "red", "10.1.0.0/24", "2001:db8:a1::/64", vpn(16, CORP, red), vpn(17, INSIDE, red))
    add(a, BLUE, "blue", "10.2.0.0/24", "2001:db8:a2::/64", vpn(18, INSIDE, network("blue")))
    add(a, GREEN, "green", "10.3.0.0/24", "2001:db8:a3::/64", vpn(19, INSIDE, network("green")))
    attachments = a.attachments
    attachments[door("a", GREEN)] = replace(attachments[door("a", GREEN)], attachment=f"network:{uuid(GREEN)}")
    add(a, TWINS, "twin", "10.1.0.0/24", "2001:db8:a1::/64", vpn(20, TWIN, network("twin")))
    add(b, RED, "red", "10.11.0.0/24", "2001:db8:b1::/64", vpn(16, CORP, red, kind=AssociationKind.NETWORK))
    add(b, TWINS, "twin", "10.11.0.0/24", "2001:db8:b1::/64", vpn(17, TWIN, network("twin")))
    for cloud, host, name, *addresses in (
        (a, "a-h1", "a-red1", "10.1.0.10/24", "2001:db8:a1::10/64"),
        (a, "a-h2", "a-red2", "10.1.0.11/24", "2001:db8:a1::11/64"),
        (a, "a-h1", "a-blue1", "10.2.0.10/24", "2001:db8:a2::10/64"),
        (a, "a-h2", "a-blue2", "10.2.0.11/24"),
        (a, "a-h2", "a-green1", "10.3.0.10/24"),
        (a, "a-h1", "a-grey1", "10.4.0.10/24"),
        (a, "a-h1", "a-twin1", "10.1.0.10/24"),
        (b, "b-h1", "b-red1", "10.11.0.10/24", "2001:db8:b1::10/64"),
        (b, "b-h2", "b-red2", "10.11.0.11/24"),
        (b, "b-h1", "b-twin1", "10.11.0.10/24"),
    ):
        boot(cloud, host, name, *addresses)
    made.news()
    return made


def door(cloud: str, number: int) -> CircuitName:
    """The circuit of an attachment: uuids of two clouds are never the same."""
    return circuit(number + OFFSETS[cloud])


def network(name: str) -> str:
    return f"neutron-{name}"


def vpn(
    number: int, target: str, *networks: str, kind: AssociationKind = AssociationKind.ROUTER, vni: int | None = None
) -> AssociationIntent:
    """An association with the BGPVPN of that target; each target is one BGPVPN in a cloud."""
    bgpvpn = int(target.partition(":")[2])
    return association(number, networks=networks, both=(target,), bgpvpn=bgpvpn, vni=vni or 5000 + bgpvpn, kind=kind)


def add(cloud: Cloud, number: int, name: str, four: str, six: str, *associations: AssociationIntent) -> None:
    """An attachment with one network."""
    made = attachment(number, *associations, networks=(network(name),), subnets=(four, six), site=SITES[cloud.name])
    made = replace(made, attachment=f"router:{uuid(number + OFFSETS[cloud.name])}")
    cloud.attachments[door(cloud.name, number)] = made


def boot(cloud: Cloud, host: str, name: str, *cidrs: str) -> None:
    """A virtual machine, on the network its name tells (a-red1 is on red); its device is called as it is."""
    mac = Mac(b"\xfa\x16" + hashlib.blake2b(name.encode(), digest_size=4).digest())
    ids = {
        "neutron:network_name": network(name.partition("-")[2].rstrip("0123456789")),
        "neutron:cidrs": " ".join(cidrs),
        "neutron:revision_number": "5",
        "neutron:device_id": name,
        "neutron:device_owner": "compute:nova",
    }
    set_of = " ".join((str(mac), *(str(ip_interface(c).ip) for c in cidrs)))
    cloud.ports[name] = Row(port_id(name), "", (set_of,), host, True, ids)


def port_id(name: str) -> str:
    """Neutron's port id of a machine."""
    digits = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


# What people change


def intent(world: World, cloud: str, number: int) -> AttachmentIntent:
    return world.clouds[cloud].attachments[door(cloud, number)]


def write(world: World, cloud: str, number: int, **change: object) -> None:
    """Another row of an attachment."""
    old = intent(world, cloud, number)
    new = replace(old, revision=old.revision + 1, **change)  # type: ignore[arg-type]
    world.clouds[cloud].attachments[door(cloud, number)] = new
    world.news()


Targets = tuple[str, ...] | None


def retarget(world: World, cloud: str, number: int, *, imports: Targets = None, exports: Targets = None) -> None:
    """Other route targets for every BGPVPN of an attachment."""
    change: dict[str, object] = {}
    if imports is not None:
        change["imports"] = rts(*imports)
    if exports is not None:
        change["exports"] = rts(*exports)
    changed = tuple(replace(a, **change) for a in intent(world, cloud, number).associations)  # type: ignore[arg-type]
    write(world, cloud, number, associations=changed)


def dissociate(world: World, cloud: str, number: int) -> None:
    """The last association goes, and the row with it."""
    del world.clouds[cloud].attachments[door(cloud, number)]
    world.news()


def spoil(world: World, cloud: str, number: int, key: str, value: str) -> None:
    world.clouds[cloud].spoiled[door(cloud, number)] = {key: value}
    world.news()


def change_port(world: World, cloud: str, name: str, **change: object) -> None:
    ports = world.clouds[cloud].ports
    ports[name] = ports[name]._replace(**change)  # type: ignore[arg-type]
    world.news()


def change_ids(world: World, cloud: str, name: str, **ids: str) -> None:
    row = world.clouds[cloud].ports[name]
    change_port(world, cloud, name, external_ids={**row.external_ids, **{f"neutron:{k}": v for k, v in ids.items()}})


def restart(world: World, *hosts: str) -> None:
    """A fresh agent that knows nothing."""
    for name in hosts:
        host = world.hosts[name]
        world.hosts[name].begin(world.now)
        for reflector in host.reflectors:
            world.reflectors[reflector].lose(host.address)
    world.news()


def stop(world: World, host: str) -> None:
    """The agent ends; its sessions end with it."""
    world.hosts[host].alive = False
    for reflector in world.hosts[host].reflectors:
        world.reflectors[reflector].lose(world.hosts[host].address)
    world.settle()
