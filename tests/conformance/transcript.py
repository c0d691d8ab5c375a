"""A transcript: commands of the stock client with what they answer, run again and written down again.

    # a comment
    operator$ openstack bgpvpn create --name a
    <what it prints>
    tenant$ id=$(openstack bgpvpn show a -f value -c id)
    tenant$ openstack bgpvpn show $id

Before `$` stands who asks. Ids are numbered in the order in which they appear, times are blanked; both keep their
width, so that tables stay tables.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

COMMAND = re.compile(r"^(operator|tenant)\$ (?:(\w+)=\$\()?openstack (.*?)(\)?)$")
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
ENDPOINT = re.compile(r"http://127\.0\.0\.1:\d+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Client:
    """The stock client's process of one user."""

    def __init__(self, home: Path, cloud: dict[str, Any]) -> None:
        home.mkdir()
        (home / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"here": cloud}}))
        # Sets of strings are printed in the order of their hashes.
        settings = {"OS_CLOUD": "here", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "HOME": str(home)}
        env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")} | settings
        command = [sys.executable, str(Path(__file__).parent / "stock_client.py")]
        self._process = subprocess.Popen(
            command, cwd=home, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, *argv: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(argv), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the client's process ended"
        return dict(json.loads(answer))

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Session:
    """One transcript being run: its variables and the numbers of the ids that it has seen."""

    clients: Mapping[str, Client]
    variables: dict[str, str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def play(self, script: str) -> str:
        """The same commands and comments, with what is answered now."""
        lines = []
        for line in script.splitlines():
            command = COMMAND.match(line)
            if command:
                lines += [line, *self._answer(*command.groups())]
            elif line.startswith("#") or not line:
                lines.append(line)
        return "\n".join(lines) + "\n"

    def _answer(self, user: str, variable: str | None, words: str, closing: str) -> list[str]:
        argv = [
            re.sub(r"\$(\w+)", lambda m: self.variables[m[1]], w) for w in shlex.split(words + closing * (not variable))
        ]
        done = self.clients[user].run(*argv)
        if variable:
            assert done["status"] == 0, f"{words}: {done}"
            self.variables[variable] = done["out"].strip()
            return []
        text = done["out"] + done["err"]
        if done["status"]:
            text += f"(exit status {done['status']})\n"
        return [line.rstrip() for line in self._plain(text).splitlines() if line.strip()]

    def _plain(self, text: str) -> str:
        text = ENDPOINT.sub("http://cloud", TIME.sub("YYYY-MM-DDThh:mm:ssZ", text))
        return UUID.sub(lambda found: self._ids.setdefault(found[0], self._number(found[0])), text)

    def _number(self, shape: str) -> str:
        if shape in self._ids:
            return self._ids[shape]
        number = f"{next(self._numbers):032}"
        return number if "-" not in shape else "-".join(number[a:b] for a, b in _GROUPS)


_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def commands(script: str) -> list[str]:
    """What is asked in it, without `openstack`."""
    return [m[3] for m in map(COMMAND.match, script.splitlines()) if m]
