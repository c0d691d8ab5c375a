"""Commands into a guest, over a cable that nobody else is on.

The lab connects and says one line of JSON: what it wants. In the guest this file is run by itself, as its first
process: standard library only. An open root shell, so it listens on that cable's address alone.

    {"argv", "stdin"}   a command that ends; one line back, `code`, `out`, `err`
    {"hold", "env"}     a process that is held from outside (stand_in.py): lines back of what it says (`out`, `err`)
                        until the last, `code`; each line there is a signal for it; when the lab lets go it is killed
    {"join"}            octets to and from a unix socket of the guest
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

LAB, GUEST = "169.254.200.1", "169.254.200.2"
"""The two ends of the cable, the same for each guest: each has a namespace of its own."""
PREFIX_LENGTH = 30
PORT = 99
CHUNK = 1 << 16


def ask(connection: socket.socket, argv: Sequence[str], stdin: str = "") -> dict[str, Any]:
    """What the guest answers. Raises OSError, TimeoutError with it."""
    say(connection, {"argv": list(argv), "stdin": stdin})
    with connection.makefile("rb") as answers:
        line = answers.readline()
    if not line:
        raise ConnectionError("the guest has closed the connection")
    answer: dict[str, Any] = json.loads(line)
    return answer


def say(connection: socket.socket, words: dict[str, Any]) -> None:
    """One line."""
    connection.sendall(json.dumps(words).encode() + b"\n")


def splice(one: socket.socket, other: socket.socket) -> None:
    """Octets both ways until both sides have said all."""
    back = threading.Thread(target=_pour, args=(other, one))
    back.start()
    _pour(one, other)
    back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve() -> None:
    """For ever. Each connection has a process of its own; nobody is waited for, so no dead process stays."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server((GUEST, PORT), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                with suppress(OSError, ValueError):
                    _answer(connection)
                os._exit(0)
            connection.close()


def _answer(connection: socket.socket) -> None:
    with connection.makefile("rb", buffering=0) as octets:  # for what follows the line is not for us to read
        asked = json.loads(octets.readline())
    if "join" in asked:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(asked["join"])
            splice(connection, there)
    elif "hold" in asked:
        _hold(connection, asked["hold"], asked["env"])
    else:
        say(connection, _run(asked["argv"], asked["stdin"]))


def _run(argv: Sequence[str], stdin: str) -> dict[str, Any]:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace")
    except OSError as error:
        return {"code": 127, "out": "", "err": str(error)}
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def _hold(connection: socket.socket, argv: Sequence[str], env: dict[str, str]) -> None:
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        say(connection, {"err": f"{error}\n"})
        say(connection, {"code": 127})
        return
    with process:
        turn = threading.Lock()
        threading.Thread(target=_signals, args=(connection, process), daemon=True).start()
        assert process.stdout is not None and process.stderr is not None
        streams = {"out": process.stdout, "err": process.stderr}
        ears = [threading.Thread(target=_repeat, args=(connection, turn, *stream)) for stream in streams.items()]
        for ear in ears:
            ear.start()
        for ear in ears:
            ear.join()
        say(connection, {"code": process.wait()})


def _repeat(connection: socket.socket, turn: threading.Lock, name: str, stream: IO[bytes]) -> None:
    """What the process says."""
    while data := os.read(stream.fileno(), CHUNK):
        with turn, suppress(OSError):
            say(connection, {name: data.decode(errors="replace")})


def _signals(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """What the process is told. Whoever held it has let go: it goes, with all that it started."""
    with suppress(OSError), connection.makefile("rb") as lines:
        for line in lines:
            process.send_signal(int(line))
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    serve()
