"""Short ways to say a situation: one file of builders for every test of the core."""

from __future__ import annotations

from isthmus.bgp.attribute import (
    AsSegment,
    PathAttributes,
    claimant_community,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import AsSegmentType
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AssociationIntent, AssociationKind, AttachmentIntent, Fallback, FamilyName
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import Claimant, Encapsulation, ExtendedCommunity, RouteDistinguisher, RouteTarget, SiteOfOrigin
from isthmus.rib.path import Path
from isthmus.vpn.exports import Speaker

SUBNETS = ("10.1.0.0/24", "10.2.0.0/24", "2001:db8::/64")
"""What a router serves unless a test says otherwise; remote addresses are 10.9.x.x."""

SITE = SiteOfOrigin.parse("64512:1")
ELSEWHERE = SiteOfOrigin.parse("64513:1")


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def ip(text: str) -> IpAddress:
    return IpAddress.parse(text)


def net(text: str) -> Prefix:
    return Prefix.parse(text)


def rts(*texts: str) -> tuple[RouteTarget, ...]:
    return tuple(sorted(RouteTarget.parse(t) for t in texts))


def speaker(host: int = 1, asn: int = 64512) -> Speaker:
    vtep = ip(f"172.30.1.{host}")
    return Speaker(vtep, vtep, Mac(b"\x02\x78" + vtep), asn)


def association(
    number: int,
    *,
    networks: tuple[str, ...],
    both: tuple[str, ...] = (),
    imports: tuple[str, ...] = (),
    exports: tuple[str, ...] = (),
    bgpvpn: int | None = None,
    vni: int | None = None,
    kind: AssociationKind = AssociationKind.ROUTER,
    local_pref: int | None = None,
    shared: bool = False,
    families: tuple[FamilyName, ...] | None = None,
) -> AssociationIntent:
    """Association `number`, which is also its number of (attachment, BGPVPN) unless told otherwise."""
    return AssociationIntent(
        association=uuid(number),
        kind=kind,
        bgpvpn=uuid(1000 + (number if bgpvpn is None else bgpvpn)),
        number=number,
        vni=5000 + number if vni is None else vni,
        imports=rts(*both, *imports),
        exports=rts(*both, *exports),
        networks=networks,
        local_pref=local_pref,
        shared=shared,
        families=families,
    )


def attachment(
    number: int,
    *associations: AssociationIntent,
    networks: tuple[str, ...],
    subnets: tuple[str, ...] = SUBNETS,
    fallback: Fallback = Fallback.ALL,
    site: SiteOfOrigin = SITE,
) -> AttachmentIntent:
    return AttachmentIntent(
        attachment=f"router:{uuid(number)}",
        revision=1,
        site=site,
        networks=networks,
        subnets=tuple(sorted(net(s) for s in subnets)),
        associations=tuple(sorted(associations)),
        fallback=fallback,
    )


def circuit(number: int) -> CircuitName:
    return CircuitName(f"isthmus-ac-{uuid(number)}")


def port(
    name: str, network: str, *addresses: str, revision: int = 1, up: bool = True, mac: str = "02:00:00:00:00:01"
) -> LocalPort:
    return LocalPort(name, Mac.parse(mac), tuple(ip(a) for a in addresses), network, revision, up)


def attributes(
    *targets: str,
    next_hop: str = "172.30.2.1",
    router_mac: str | None = "02:78:ac:1e:02:01",
    site: SiteOfOrigin | None = ELSEWHERE,
    mobility: int | None = None,
    claimant: str | None = None,
    encapsulations: tuple[Encapsulation, ...] = (Encapsulation.VXLAN,),
    as_path: tuple[int, ...] = (64513,),
    local_pref: int | None = 100,
    med: int | None = None,
    originator: str | None = None,
    plain: tuple[int, ...] = (),
) -> PathAttributes:
    communities: list[ExtendedCommunity] = [*rts(*targets)]
    communities += [site] if site else []
    communities += [encapsulation_community(e) for e in encapsulations]
    communities += [router_mac_community(Mac.parse(router_mac))] if router_mac else []
    communities += [mobility_community(mobility)] if mobility is not None else []
    communities += [claimant_community(Claimant.of(claimant))] if claimant else []
    return PathAttributes(
        as_path=(AsSegment(AsSegmentType.AS_SEQUENCE, as_path),) if as_path else (),
        next_hop=ip(next_hop),
        local_pref=local_pref,
        med=med,
        communities=plain,
        originator_id=ip(originator) if originator else None,
        extended_communities=tuple(communities),
    )


def nlri(prefix: str, rd: str = "172.30.2.1:16", vni: int = 7001) -> EvpnPrefix:
    return EvpnPrefix(RouteDistinguisher.parse(rd), 0, net(prefix), bytes(10), None, vni)


def path(
    prefix: str,
    attrs: PathAttributes,
    *,
    rd: str = "172.30.2.1:16",
    vni: int = 7001,
    peer: str = "172.30.1.250",
    since: float = 0.0,
) -> Path:
    return Path(ip(peer), ip(peer), nlri(prefix, rd, vni), Heard.of(attrs), since)
