"""Which form of rows all living agents read: what the worker decides before each full pass.

Agents say it in their reports (`model/report.py`). The newest form that this release writes is written only when every
living agent reads it; when one appears that does not, the form it reads is written again. Nobody is left behind: an
agent that cannot read a row keeps what it has, but a hypervisor that boots would have nothing.

Rules: who is alive is asked as Neutron asks it (the agent has answered the last or last but one question, or has said
something within `agent_down_time`), and nobody is dead whom this process has not watched for that long. A report that
cannot be read is one of the oldest form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from isthmus.model.intent import WRITES
from isthmus.model.report import AGENT_KEY, BadReport, is_ours, read_agent, read_sb_cfg
from isthmus.neutron.rows.forms import OLDEST


class Report(NamedTuple):
    """A row of Chassis_Private."""

    chassis: str
    external_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The form to write, and who keeps it from being the newest."""

    form: int
    held_up_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Heard:
    """One agent."""

    said: Mapping[str, str]
    since: float
    """When it said so first."""
    seen: float
    """When it was last there."""


class Readers:
    """Remembers when each agent last said something else, and those whose row has gone just now: with a southbound
    database that is made anew all rows are gone for a moment."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}

    def decide(self, reports: Iterable[Report], nb_cfg: int, now: float, down_s: float) -> Decision:
        """`nb_cfg`: the last question; `down_s`: how long one may say nothing."""
        heard = {chassis: one for chassis, one in self._heard.items() if now - one.seen < down_s}
        for chassis, ids in reports:
            if AGENT_KEY not in ids:
                continue
            said, before = {key: value for key, value in ids.items() if is_ours(key)}, heard.get(chassis)
            since = before.since if before is not None and before.said == said else now
            heard[chassis] = _Heard(said, since, now)
        self._heard = heard
        behind: dict[str, int] = {}
        for chassis, one in heard.items():
            is_alive = nb_cfg - read_sb_cfg(one.said) <= 1 or now - one.since < down_s
            if is_alive and (reads := _reads(one.said[AGENT_KEY])) < WRITES:
                behind[chassis] = max(reads, OLDEST)
        return Decision(min((WRITES, *behind.values())), tuple(sorted(behind)))


def _reads(text: str) -> int:
    try:
        return read_agent(text).reads
    except BadReport:
        return OLDEST
