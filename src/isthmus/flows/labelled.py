"""What leaves and what comes behind labels, by the GRE port (RFC 4023, 4364; ADR 12). layout.py has the tables.

Rules: two labels for each attachment and BGPVPN, because popping must name what is inside, and the switch does not look
whether it is. What is popped is looked at once more, by its own address, and the label it came behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.fib.entries import LabelKey, LabelledHop
from isthmus.flows.layout import ANSWER_LABEL, ASK_LABEL, DROP, ENTRY, MISS, REFUSED, STRANGER, Table
from isthmus.flows.match import TURN_ROUND, Flow, begins, ends, match
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Prefix

_LOWEST_TTL = "mpls,mpls_ttl=1"
_POP = {4: "pop_mpls:0x0800", 6: "pop_mpls:0x86dd"}

# By itself the switch takes the lower three bits of DSCP for TC: EF becomes 6, and CS5 0. What is behind further labels
# follows the first.
SAVE_CLASS = "move:NXM_OF_IP_TOS[5..7]->NXM_NX_REG2[0..2]"
_SET_CLASS = "move:NXM_NX_REG2[0..2]->OXM_OF_MPLS_TC[]"


def always(port: int, sources: tuple[Prefix, ...] | None) -> Iterator[Flow]:
    """What is there whatever is served. What comes by the port and is not `mpls` (an IP packet in GRE, multicast
    labels) is nobody's."""
    ours = f"in_port={port}"
    for key in refusals(port):
        yield key, "drop"
    if sources is not None:
        yield FlowKey(Table.CLASSIFY, STRANGER, f"mpls,{ours}"), "drop"
    for head in ("",) if sources is None else map(begins, sources):
        yield FlowKey(Table.CLASSIFY, ENTRY, f"mpls,{head}{ours}"), f"goto_table:{Table.LABELS.value}"
    # Linux drops a label whose TTL is 1 and tells nobody: a hole in a traceroute. It cannot go round for ever: the
    # packet's own TTL is another one, and each router takes from it.
    yield FlowKey(Table.LABELLED, ENTRY, _LOWEST_TTL), f"set_field:2->mpls_ttl,goto_table:{Table.PE.value}"
    yield FlowKey(Table.LABELLED, DROP, ""), f"goto_table:{Table.PE.value}"
    yield FlowKey(Table.PE, DROP, ""), "drop"
    yield _label_key(ASK_LABEL), f"{TURN_ROUND},set_field:{ANSWER_LABEL}->mpls_label,IN_PORT"
    yield _label_key(ANSWER_LABEL), f"goto_table:{Table.ANSWER.value}"


def refusals(port: int) -> Iterator[FlowKey]:
    """The flows that count what comes by the port and is not asked for."""
    yield FlowKey(Table.CLASSIFY, REFUSED, f"in_port={port}")
    yield FlowKey(Table.LABELS, DROP, "")
    yield FlowKey(Table.INBOUND, MISS, f"in_port={port}")


def endpoint_key(endpoint: IpAddress) -> FlowKey:
    """The flow without which nothing with a label is sent there."""
    return FlowKey(Table.PE, ENTRY, f"{ends(endpoint)}={endpoint}")


def label(number: int, version: int) -> Flow:
    """What is behind a label of ours."""
    return _label_key(number), f"{_POP[version]},set_field:{number:#x}->reg0,goto_table:{Table.INBOUND.value}"


def _label_key(number: int) -> FlowKey:
    return FlowKey(Table.LABELS, ENTRY, f"mpls,mpls_label={number},mpls_bos=1")


def inbound_key(key: LabelKey) -> FlowKey:
    return FlowKey(Table.INBOUND, ENTRY + key.prefix.length, match(key.prefix, f"reg0={key.label:#x}", "dst"))


def encapsulate(hop: LabelledHop) -> str:
    """Of an IP packet: its class, then the labels."""
    return f"{SAVE_CLASS},{push(hop)}"


def push(hop: LabelledHop) -> str:
    """The innermost label first; a further one has the class and TTL of the one behind it. The class was saved."""
    first, *further = (f"set_field:{number}->mpls_label" for number in reversed(hop.labels))
    stack = ",".join(("push_mpls:0x8847", _SET_CLASS, first, *(f"push_mpls:0x8847,{one}" for one in further)))
    return f"{stack},set_field:{hop.pe}->{ends(hop.pe)},goto_table:{Table.LABELLED.value}"
