"""The question of `isthmus why`: whom to ask, and the answer as text or JSON.

One agent is asked by its socket, several by `--socket` said several times; those of other machines are brought along as
files (`isthmus dump` there, `--status FILE` here). An agent that does not answer is part of the answer.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from isthmus.cli import path_mtu
from isthmus.cli.ask import DEFAULT_SOCKET, NotAnswered, ask
from isthmus.cli.known import Known, Told
from isthmus.cli.reading import read
from isthmus.cli.verdict import BadQuestion, Verdict, Way


class Door(NamedTuple):
    """An agent's socket, and what to call it while nobody answers there."""

    path: Path
    name: str

    @classmethod
    def parse(cls, text: str) -> Door:
        """`PATH` or `NAME=PATH`."""
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            return cls(Path(text), text)
        return cls(Path(path), name)


def gather(doors: Sequence[Door], files: Sequence[Path]) -> Known:
    """Ask everybody. Raises NotAnswered if nobody answers, BadQuestion for a file that is no status."""
    told, silent = [_brought(file) for file in files], dict[str, str]()
    for door in doors:
        try:
            status, agent = read(ask(door.path, "/status"))
        except NotAnswered as error:
            silent[door.name] = str(error)
        except ValueError as error:
            silent[door.name] = f"what it says cannot be read: {error}"
        else:
            how = "" if door.path == DEFAULT_SOCKET else f" --socket {door.path}"
            told.append(Told(agent.host or door.name, status, how))
    if not told:
        raise NotAnswered("; ".join(silent.values()) or "nobody was asked")
    return Known(told, silent)


def _brought(file: Path) -> Told:
    try:
        status, agent = read(file.read_bytes())
    except OSError as error:
        raise BadQuestion(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise BadQuestion(f"{file} is not what `isthmus dump` writes: {error}") from None
    return Told(agent.host or status.vtep, status, elsewhere=True)


def measured(verdict: Verdict) -> Verdict:
    """With a remark if the underlay is narrower than it looks from here, which only this end's machine can measure."""
    tunnel = verdict.tunnel
    path = path_mtu.measure(tunnel.near, tunnel.far) if tunnel else None
    if tunnel is None or path is None or not path.narrow:
        return verdict
    return dataclasses.replace(verdict, remarks=(*verdict.remarks, path.remark(tunnel.far, tunnel.labels)))


def text(verdict: Verdict) -> str:
    """One sentence and the command; remarks after them."""
    back = "the way back: " if verdict.way is Way.BACK else ""
    lines = [f"{back}{verdict.sentence}", f"  {verdict.command}", *(f"also: {remark}" for remark in verdict.remarks)]
    return "\n".join(lines)


def as_json(verdict: Verdict) -> str:
    return json.dumps(
        {
            "whole": verdict.whole,
            "way": verdict.way.value,
            "step": verdict.step.name,
            "cause": verdict.cause.name,
            "sentence": verdict.sentence,
            "command": verdict.command,
            "remarks": list(verdict.remarks),
        },
        indent=2,
    )
