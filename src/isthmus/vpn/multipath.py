"""Who shares a line with the winner: PEs of other makers that announce a prefix alike (multipath of RFC 4271's
implementations, and of RFC 4364's carriers).

Shared is what nobody owns. An address of one of our networks has one place, so a route with a claimant, or with a
sequence of moves (an older release of ours, a machine behind a fabric's leaf), has its line alone, and so has a host
route of a bridge (EVPN type 2). All others come out equal up to MED, by one path of ASes and from one site, as makers
have it by default: nobody gets a share of another's traffic by announcing the same with a path of his own, and who can
say another's path could have taken all of it already.

Rules: a pure function of candidates and their ranks. Each endpoint has one share, however many routes lead to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.bgp.nlri.ethernet import MacIp
from isthmus.rib.decision import Rank
from isthmus.rib.path import Path
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.meaning import answerable, meaning

_TIE = Rank._fields.index("router_id")


def sharers(candidates: Sequence[Path | Export], ranks: Sequence[Rank], best: int, speaker: Speaker) -> dict[int, Path]:
    """Of the candidates those that share the line with the best, by their places, the next best first."""
    winner = candidates[best]
    if isinstance(winner, Export) or not _may_share(winner, speaker) or ranks[best].silent:
        return {}
    origin, tie = _origin(winner, speaker), ranks[best][:_TIE]
    found, ends = dict[int, Path](), {winner.heard.next_hop}
    for place in sorted(range(len(ranks)), key=ranks.__getitem__):
        one = candidates[place]
        if ranks[place][:_TIE] != tie or isinstance(one, Export) or one.heard.next_hop in ends:
            continue
        if len(ends) < speaker.multipath and _may_share(one, speaker) and _origin(one, speaker) == origin:
            found[place] = one
            ends.add(one.heard.next_hop)
    return found


def _may_share(path: Path, speaker: Speaker) -> bool:
    means = meaning(path.heard, speaker)
    return means.claimant is None and not means.mobility and not isinstance(path.nlri, MacIp)


def _origin(path: Path, speaker: Speaker) -> tuple[object, ...]:
    """Whence it comes: a path says what its sender likes, but for the AS that answers for it."""
    means = meaning(path.heard, speaker)
    return answerable(path.peer, means, speaker), path.attributes.as_path, means.site
