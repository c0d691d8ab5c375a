"""The little service every VM of the ladder runs: says who it is and to whom it speaks, and digests what it is sent.

    -> who\\n            <- {"name": "a-red1", "peer": "10.11.0.10"}\\n
    -> take <bytes>\\n…  <- {"name": …, "peer": …, "sha256": …}\\n

Run inside the VM's namespace: python -m isthmus.lab.ladder.service NAME. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import socket
import socketserver
import sys
from io import BufferedIOBase

PORT = 7007
CHUNK = 1 << 16


class Answer(socketserver.StreamRequestHandler):
    """One question, one answer."""

    name = ""

    def handle(self) -> None:
        words = self.rfile.readline(100).split()
        answer = {"name": self.name, "peer": self.client_address[0].removeprefix("::ffff:")}
        if len(words) == 2 and words[0] == b"take":
            answer["sha256"] = digest(self.rfile, int(words[1]))
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Service(socketserver.ThreadingTCPServer):
    """Both IP versions on one socket."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


def digest(source: BufferedIOBase, count: int) -> str:
    """SHA-256 of the next `count` bytes."""
    hashed = hashlib.sha256()
    while count > 0:
        data = source.read(min(CHUNK, count))
        if not data:
            break
        hashed.update(data)
        count -= len(data)
    return hashed.hexdigest()


def main() -> None:
    Answer.name = sys.argv[1]
    with Service(("::", PORT), Answer) as service:
        service.serve_forever()


if __name__ == "__main__":
    main()
