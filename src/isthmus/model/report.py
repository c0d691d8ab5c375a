"""What a node reports of itself to its cloud, and how it rides in an OVN row.

The agent writes into the `external_ids` of its own Chassis_Private row, northd copies nothing: Neutron reads that row.
This file is the only place that knows the keys:

    isthmus:agent            who the agent is and how it stands, JSON: see `_agent_text`
    isthmus:sb-cfg           decimal, the SB_Global.nb_cfg it saw last: Neutron asks "who is alive?" by raising it
    isthmus:s:<attachment>   one key per attachment with workload here, JSON: r revision applied, s state, p local
                             ports, w what is wrong in words, x what is wrong with single BGPVPNs, {<uuid>: words},
                             n what is worth knowing of single BGPVPNs though nothing is wrong, {<uuid>: words}

An attachment is called "router:<uuid>" or "network:<uuid>", or, if its row could never be read, by its circuit.

Rules: writing is deterministic, so what is equal is not written again; nothing in it changes by the mere passing of
time. Reading raises `BadReport` with the key and the rule, never anything else. Unknown keys and members are passed
over, and a state is text: a newer agent does not break an older server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from isthmus.model.intent import READS
from isthmus.model.reason import AttachmentState

KEY = "isthmus:"
AGENT_KEY, SB_CFG_KEY, STATE_KEY = "isthmus:agent", "isthmus:sb-cfg", "isthmus:s:"

WORDS_MAX = 200
"""Most characters of one reason: some quote what a peer or a row said."""

_NUMBER_MAX = 2**63 - 1

IN_SYNC = "in sync"
"""What the southbound and the switch say when nothing is wrong."""

UP, DOWN = "Established", "Down"
"""States of a session. The steps between two attempts are left out: they change every few seconds."""


class BadReport(ValueError):
    """A key of ours that cannot be understood: which, and which rule it breaks."""

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(f"{key}: {rule}")
        self.key, self.rule = key, rule


@dataclass(frozen=True, slots=True)
class PeerReport:
    """One BGP session."""

    address: str
    state: str
    since: int
    """Epoch seconds of the last change; 0: not since the agent was started."""
    reason: str
    """Why it is down, or empty."""
    families: tuple[str, ...]
    received: int
    announced: int

    @property
    def is_up(self) -> bool:
        return self.state == UP


@dataclass(frozen=True, slots=True)
class AgentReport:
    """The agent and its feeds."""

    version: str
    started: int
    """Epoch seconds."""
    router_id: str
    asn: int
    vtep: str
    drain: str
    """"in use", "leaving" or "drained"."""
    southbound: str
    """"in sync", or what is wrong."""
    switch: str
    """"in sync", or what is wrong."""
    peers: tuple[PeerReport, ...]
    reads: int = READS
    """The newest form of the cloud's rows that it reads (`model/intent`)."""

    @property
    def steady(self) -> AgentReport:
        """Without the counts, which follow the traffic of others: they are written along with something else."""
        return replace(self, peers=tuple(replace(p, received=0, announced=0) for p in self.peers))


@dataclass(frozen=True, slots=True)
class AttachmentReport:
    """One attachment with workload on this node."""

    attachment: str
    revision: int
    """The revision whose flows the switch has confirmed; 0: none yet."""
    state: str
    """The name of an `AttachmentState`."""
    ports: int
    why: str = ""
    bgpvpns: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with single BGPVPNs of it, in words."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What is worth knowing of single BGPVPNs of it though nothing is wrong, in words."""

    @property
    def is_well(self) -> bool:
        return self.state == AttachmentState.ACTIVE.name and not self.why


@dataclass(frozen=True, slots=True)
class NodeReport:
    """Everything a node reports; the counter apart, because it answers a question."""

    agent: AgentReport
    attachments: tuple[AttachmentReport, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """What a row says, key by key."""

    agent: AgentReport | BadReport | None
    """None: no agent of ours has written here."""
    sb_cfg: int
    attachments: Mapping[str, AttachmentReport | BadReport]


def to_external_ids(report: NodeReport) -> dict[str, str]:
    """The keys of a Chassis_Private row but `isthmus:sb-cfg`."""
    row = {AGENT_KEY: _agent_text(report.agent)}
    return row | {STATE_KEY + a.attachment: _attachment_text(a) for a in report.attachments}


def is_ours(key: str) -> bool:
    """Whether the agent owns this key of the row."""
    return key in (AGENT_KEY, SB_CFG_KEY) or key.startswith(STATE_KEY)


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _words(text: str) -> str:
    return text if len(text) <= WORDS_MAX else text[: WORDS_MAX - 1] + "…"


def _agent_text(agent: AgentReport) -> str:
    return _text(
        {
            "version": agent.version,
            "started": agent.started,
            "router_id": agent.router_id,
            "asn": agent.asn,
            "vtep": agent.vtep,
            "drain": agent.drain,
            "southbound": _words(agent.southbound),
            "switch": _words(agent.switch),
            "reads": agent.reads,
            "peers": {p.address: _peer_value(p) for p in sorted(agent.peers, key=lambda p: p.address)},
        }
    )


def _peer_value(peer: PeerReport) -> dict[str, Any]:
    value: dict[str, Any] = {
        "state": peer.state,
        "families": list(peer.families),
        "received": peer.received,
        "announced": peer.announced,
    }
    if peer.since:
        value["since"] = peer.since
    if peer.reason:
        value["reason"] = _words(peer.reason)
    return value


def _attachment_text(a: AttachmentReport) -> str:
    value: dict[str, Any] = {"r": a.revision, "s": a.state, "p": a.ports}
    if a.why:
        value["w"] = _words(a.why)
    if a.bgpvpns:
        value["x"] = {bgpvpn: _words(why) for bgpvpn, why in sorted(a.bgpvpns.items())}
    if a.notes:
        value["n"] = {bgpvpn: _words(note) for bgpvpn, note in sorted(a.notes.items())}
    return _text(value)


def from_external_ids(row: Mapping[str, str]) -> Reported:
    """Read a Chassis_Private row; whatever is in it, this raises nothing: a bad key costs that key."""
    states = {key.removeprefix(STATE_KEY): key for key in row if key.startswith(STATE_KEY)}
    return Reported(
        agent=_or_bad(read_agent, row[AGENT_KEY]) if AGENT_KEY in row else None,
        sb_cfg=read_sb_cfg(row),
        attachments={name: _or_bad(partial(read_attachment, key), row[key]) for name, key in sorted(states.items())},
    )


def _or_bad(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except BadReport as bad:
        return bad


def read_sb_cfg(row: Mapping[str, str]) -> int:
    """0 when it is missing or no number: then the agent has not answered."""
    text = row.get(SB_CFG_KEY, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else 0


def read_agent(text: str) -> AgentReport:
    """Raises BadReport."""
    value = _object(AGENT_KEY, text)
    peers = _member(AGENT_KEY, value, "peers", dict, {})
    return AgentReport(
        version=_member(AGENT_KEY, value, "version", str, ""),
        started=_number(AGENT_KEY, value, "started"),
        router_id=_member(AGENT_KEY, value, "router_id", str, ""),
        asn=_number(AGENT_KEY, value, "asn"),
        vtep=_member(AGENT_KEY, value, "vtep", str, ""),
        drain=_member(AGENT_KEY, value, "drain", str, ""),
        southbound=_member(AGENT_KEY, value, "southbound", str, ""),
        switch=_member(AGENT_KEY, value, "switch", str, ""),
        peers=tuple(_peer(address, peer) for address, peer in sorted(peers.items())),
        reads=_number(AGENT_KEY, value, "reads", 1),  # the first release says nothing of it
    )


def _peer(address: str, value: object) -> PeerReport:
    if not isinstance(value, dict):
        raise BadReport(AGENT_KEY, f"peer {address} is not an object")
    return PeerReport(
        address=address,
        state=_member(AGENT_KEY, value, "state", str, ""),
        since=_number(AGENT_KEY, value, "since", 0),
        reason=_member(AGENT_KEY, value, "reason", str, ""),
        families=tuple(str(f) for f in _member(AGENT_KEY, value, "families", list, [])),
        received=_number(AGENT_KEY, value, "received", 0),
        announced=_number(AGENT_KEY, value, "announced", 0),
    )


def read_attachment(key: str, text: str) -> AttachmentReport:
    """Raises BadReport."""
    value = _object(key, text)
    bgpvpns, notes = _member(key, value, "x", dict, {}), _member(key, value, "n", dict, {})
    return AttachmentReport(
        attachment=key.removeprefix(STATE_KEY),
        revision=_number(key, value, "r"),
        state=_member(key, value, "s", str),
        ports=_number(key, value, "p", 0),
        why=_member(key, value, "w", str, ""),
        bgpvpns={bgpvpn: str(why) for bgpvpn, why in sorted(bgpvpns.items())},
        notes={bgpvpn: str(note) for bgpvpn, note in sorted(notes.items())},
    )


def _object(key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadReport(key, "not JSON") from None
    if not isinstance(value, dict):
        raise BadReport(key, "must be an object")
    return value


def _member(key: str, value: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """A member of this kind; without a default it must be there."""
    found = value.get(name, default)
    if not isinstance(found, kind):
        raise BadReport(key, f"{name} {'is missing' if name not in value else 'is not of the right kind'}")
    return found


def _number(key: str, value: Mapping[str, Any], name: str, default: int | None = None) -> int:
    found = _member(key, value, name, int, default)
    if isinstance(found, bool) or not 0 <= found <= _NUMBER_MAX:
        raise BadReport(key, f"{name} {found!r} is not within 0 to {_NUMBER_MAX}")
    return int(found)
