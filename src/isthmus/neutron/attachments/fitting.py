"""What of an attachment fits its row in OVN. Pure.

Of too many associations the surplus is left out, one by one: first those with BGPVPNs of other projects, the youngest
first, then the own ones, the youngest first. So nobody's change fails because somebody else has filled a row, a guest
cannot push out what an owner has made, and what stood stays as long as it can. Which ones depends neither on the
revision nor on who asks. Where a cloud wants no overlapping subnets, a guest's association that overlaps with what the
BGPVPN's owner has in it is left out whole, whichever came first.
"""

from __future__ import annotations

from dataclasses import replace

from isthmus.model.intent import NUMBER_MAX, ROW_BYTES_MAX, BadIntent
from isthmus.model.vpn import SiteOfOrigin
from isthmus.neutron.attachments.desired import Association, Attachment, Desired, Router, Skipped, Unserved, desired
from isthmus.neutron.words.values import Cloud

LONGEST = Cloud(SiteOfOrigin.parse("255.255.255.255:65535"))
LONGEST_REVISION = 2**63 - 1

_BASE, _ASSOCIATION, _TARGET, _NETWORK, _SUBNET = 600, 320, 24, 66, 50
"""Octets that each takes of a row, generously: most attachments surely fit, and need not be written out to know it."""


LEFT_OUT = frozenset({Unserved.TOO_LARGE, Unserved.OVERLAPS})
"""Whys of single associations."""


def fitting(attachment: Attachment | None, cloud: Cloud, revision: int, form: int = 1) -> Desired:
    """What OVN must have: `desired` of what fits, and the rest among what is left out."""
    if attachment is None:
        return desired(attachment, cloud, revision, form)
    guests = [a for a in attachment.associations if a.yields and cloud.refuses_overlaps]
    surplus = [Skipped(a.id, Unserved.OVERLAPS) for a in guests]
    kept = [a for a in attachment.associations if a not in guests]
    if not _surely_fits(replace(attachment, associations=tuple(kept)), form):
        kept.sort(key=lambda a: (a.guest, a.age, a.id))
        while kept and broken(replace(attachment, associations=tuple(sorted(kept))), cloud, form):
            surplus.append(Skipped(kept.pop().id, Unserved.TOO_LARGE))
    if surplus and not kept:
        return Desired({}, tuple(surplus), form)
    made = desired(replace(attachment, associations=tuple(sorted(kept))), cloud, revision, form)
    return replace(made, skipped=(*made.skipped, *surplus))


def is_overfull(made: Desired) -> bool:
    """Whether some association is left out."""
    return any(s.why in LEFT_OUT for s in made.skipped)


def broken(attachment: Attachment, cloud: Cloud = LONGEST, form: int = 1) -> str:
    """The rule that the row would break, whatever its revision and numbers; blank when it fits."""
    try:
        desired(
            replace(attachment, associations=tuple(map(_longest, attachment.associations))),
            cloud,
            LONGEST_REVISION,
            form,
        )
    except BadIntent as error:
        return error.rule
    return ""


def _longest(association: Association) -> Association:
    return association if association.number is not None else replace(association, number=NUMBER_MAX)


def _surely_fits(attachment: Attachment, form: int) -> bool:
    place = attachment.place
    if isinstance(place, Router):
        networks = len(place.interfaces)
        subnets = sum(len(i.subnets) for i in place.interfaces) + len(place.routes) + len(place.outside)
    else:
        networks, subnets = 1, len(place.subnets)
    size = _BASE + networks * _NETWORK + subnets * _SUBNET
    size += len(attachment.associations) * _ASSOCIATION
    if form == 1:
        size += sum(_TARGET * (len(a.imports) + len(a.exports)) for a in attachment.associations)
    return size <= ROW_BYTES_MAX
