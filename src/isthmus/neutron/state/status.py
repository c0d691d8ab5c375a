"""How a BGPVPN and its associations stand: facts in, status and reason out. Pure.

    DOWN      there is nothing to serve, and the reason says what is missing
    BUILD     written, and not yet reported by every hypervisor that it concerns
    ACTIVE    every hypervisor with a port of it reports that its switch has it, and nothing is wrong there
    DEGRADED  some hypervisors do not, or a subnet is left out
    ERROR     none does

Rules: nothing is assumed. A hypervisor counts as well only if its agent is alive, reports the revision that the
database has settled (or a later one) without exception, and has a BGP session. Tenants read reasons without names and
addresses of hypervisors; `details` has those, for administrators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from isthmus.model.reason import AttachmentState
from isthmus.model.report import IN_SYNC, AgentReport, AttachmentReport, BadReport
from isthmus.neutron.attachments.desired import Skipped


class Status(StrEnum):
    """What the API shows."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    DEGRADED = "DEGRADED"
    ERROR = "ERROR"
    DOWN = "DOWN"


class HostState(StrEnum):
    """How one hypervisor stands with one association."""

    WELL = "well"
    PENDING = "pending"
    WRONG = "wrong"


class Why(StrEnum):
    """What a tenant reads of a hypervisor; nothing in it tells which."""

    WELL = ""
    NO_AGENT = "no Isthmus agent runs there"
    SILENT = "its agent does not answer"
    UNREADABLE = "its agent reports what this server cannot read"
    NOT_REPORTED = "it has not reported yet"
    OLD_REVISION = "it has not applied the last change yet"
    SWITCH = "its switch does not take what it should"
    NO_SESSION = "it has no BGP session"
    DRAINED = "an operator has taken it out of use"
    ATTACHMENT = "its agent reports a problem"


NOTHING_ASSOCIATED = "nothing is associated"
NO_PORT = "no port of it is bound to a hypervisor and up"
UNSETTLED = "the last change is not in OVN yet"
REASONS_MAX = 3
"""Different reasons named for one BGPVPN."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the status of one association follows from."""

    attachment: str
    bgpvpn: str
    revision: int
    """The last that was settled; meaningless unless `settled`."""
    hosts: Collection[str]
    """Host names with a bound port of it that is up."""
    settled: bool = True
    """Whether the database's last change has got its revision."""
    unserved: str = ""
    """Why the data plane does not serve such an association at all, or nothing of this one."""
    skipped: Sequence[Skipped] = ()
    """What is left out of it."""
    notes: Sequence[str] = ()
    """What was asked for and is kept, though nothing forwards accordingly, and what overlaps: told, whatever the
    status."""


@dataclass(frozen=True, slots=True)
class Pe:
    """What is known of one hypervisor, concerning one attachment."""

    alive: bool
    agent: AgentReport | BadReport
    attachment: AttachmentReport | BadReport | None


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One hypervisor's line in `status_details`."""

    host: str
    state: HostState
    why: Why
    words: str
    """Everything that is known, names and addresses included."""
    tenant_words: str
    note: str = ""
    """Worth knowing though all is well."""

    def as_dict(self) -> dict[str, str]:
        said = [self.note] if self.note and self.words == self.why.value else [self.note, self.words]
        return {"host": self.host, "state": self.state.value, "reason": "; ".join(filter(None, said))}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status with its reason."""

    status: Status
    reason: str
    hosts: tuple[HostStatus, ...] = ()
    idle: bool = False
    """DOWN only because no port of it is up: it would work."""

    @property
    def details(self) -> list[dict[str, str]]:
        return [host.as_dict() for host in self.hosts]


def host_status(host: str, pe: Pe | None, facts: Facts) -> HostStatus:
    """One hypervisor, the first thing that is wrong."""

    def say(state: HostState, why: Why, words: str = "", tenant: str = "") -> HostStatus:
        return HostStatus(host, state, why, words or why.value, tenant or why.value)

    if pe is None:
        return say(HostState.WRONG, Why.NO_AGENT)
    if not pe.alive:
        return say(HostState.WRONG, Why.SILENT)
    if isinstance(pe.agent, BadReport):
        return say(HostState.WRONG, Why.UNREADABLE, str(pe.agent))
    if pe.agent.drain != "in use":
        return say(HostState.WRONG, Why.DRAINED)
    if pe.agent.switch != IN_SYNC:
        return say(HostState.WRONG, Why.SWITCH, pe.agent.switch)
    if not any(peer.is_up for peer in pe.agent.peers):
        return say(HostState.WRONG, Why.NO_SESSION, _sessions(pe.agent))
    if pe.attachment is None:
        return say(HostState.PENDING, Why.NOT_REPORTED)
    if isinstance(pe.attachment, BadReport):
        return say(HostState.WRONG, Why.UNREADABLE, str(pe.attachment))
    one = pe.attachment
    if not one.is_well:
        state = HostState.PENDING if one.state == AttachmentState.PLUGGING.name else HostState.WRONG
        return say(state, Why.ATTACHMENT, one.why or one.state, _known_state(one.state))
    if one.revision < facts.revision:
        words = f"{Why.OLD_REVISION.value}: it has {one.revision}, {facts.revision} is wanted"
        return say(HostState.PENDING, Why.OLD_REVISION, words)
    words = one.details.get(facts.bgpvpn, "")
    if wrong := one.bgpvpns.get(facts.bgpvpn):
        return say(HostState.WRONG, Why.ATTACHMENT, "; ".join(filter(None, (wrong, words))), wrong)
    return replace(say(HostState.WELL, Why.WELL, words), note=one.notes.get(facts.bgpvpn, ""))


def _sessions(agent: AgentReport) -> str:
    down = "; ".join(f"{p.address}: {p.reason or p.state}" for p in agent.peers)
    return f"{Why.NO_SESSION.value} ({down})" if down else Why.NO_SESSION.value


def _known_state(name: str) -> str:
    """A state in our own words; one that a newer agent invented says nothing to a tenant."""
    return AttachmentState[name].value if name in AttachmentState.__members__ else ""


def association_status(facts: Facts, hosts: Iterable[HostStatus]) -> Verdict:
    """One association; `hosts` are those of `facts.hosts`."""
    verdict = _association_status(facts, hosts)
    if not facts.notes:
        return verdict
    reason = "; ".join(words for words in (verdict.reason, *facts.notes) if words)
    return replace(verdict, reason=reason)


def _association_status(facts: Facts, hosts: Iterable[HostStatus]) -> Verdict:
    lines = tuple(sorted(hosts, key=lambda h: h.host))
    if facts.unserved:
        return Verdict(Status.DOWN, facts.unserved)
    if not facts.settled:
        return Verdict(Status.BUILD, UNSETTLED, lines)
    if not lines:
        return Verdict(Status.DOWN, NO_PORT, idle=True)
    wrong = sum(1 for h in lines if h.state is HostState.WRONG)
    reason = _of_hosts(lines)
    if wrong:
        return Verdict(Status.ERROR if wrong == len(lines) else Status.DEGRADED, reason, lines)
    if any(h.state is HostState.PENDING for h in lines):
        return Verdict(Status.BUILD, reason, lines)
    if facts.skipped:
        return Verdict(Status.DEGRADED, "; ".join(left_out(s) for s in facts.skipped[:REASONS_MAX]), lines)
    notes = list(dict.fromkeys(line.note for line in lines if line.note))
    return Verdict(Status.ACTIVE, "; ".join(notes[:REASONS_MAX]), lines)


def left_out(skipped: Skipped) -> str:
    return f"{skipped.what}: {skipped.why.value}" if skipped.what else skipped.why.value


def _of_hosts(hosts: Sequence[HostStatus]) -> str:
    """ "1 of 3 hypervisors: it has no BGP session", the most frequent reason first."""
    counted = Counter(h.tenant_words for h in hosts if h.state is not HostState.WELL)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    total = f"{len(hosts)} hypervisor{'s' if len(hosts) != 1 else ''}"
    return "; ".join(f"{count} of {total}: {words}" for words, count in ranked[:REASONS_MAX])


EMPTY = Verdict(Status.DOWN, NOTHING_ASSOCIATED)
"""A BGPVPN without an association."""


def bgpvpn_status(members: Collection[Verdict]) -> Verdict:
    """A BGPVPN from its associations. One without a port that is up would work, so it does not count beside others."""
    if not members:
        return EMPTY
    counting = [m for m in members if not m.idle]
    if not counting:
        return Verdict(Status.DOWN, NO_PORT, idle=True)
    if len(counting) == 1:
        return counting[0]
    hosts = _unite(counting)
    statuses = {m.status for m in counting}
    if len(statuses) == 1:
        (status,) = statuses
    elif statuses <= {Status.ACTIVE, Status.BUILD}:
        status = Status.BUILD
    else:
        status = Status.DEGRADED
    return Verdict(status, _of_members(counting), hosts)


def _of_members(members: Sequence[Verdict]) -> str:
    reasons = Counter(m.reason for m in members if m.reason)
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count} of {len(members)} associations: {words}" for words, count in ranked[:REASONS_MAX])


_WORST = (HostState.WELL, HostState.PENDING, HostState.WRONG)


def _unite(members: Sequence[Verdict]) -> tuple[HostStatus, ...]:
    """A line for each hypervisor: the worst that any association says of it."""
    found: dict[str, HostStatus] = {}
    for line in (line for member in members for line in member.hosts):
        other = found.get(line.host)
        if other is None or _WORST.index(line.state) > _WORST.index(other.state):
            found[line.host] = line
    return tuple(found[host] for host in sorted(found))
