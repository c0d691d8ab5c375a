"""One question to the agent over its unix socket. Raises `NotAnswered` with a sentence for the operator."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

DEFAULT_SOCKET = Path("/run/isthmus/agent.sock")
PATIENCE_S = 60.0
"""A node with very many routes takes a while to write them down."""


class NotAnswered(Exception):
    """Why there is no answer."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))


def ask(path: Path, what: str) -> bytes:
    """The body of `GET <what>`."""
    return _call(path, "GET", what)


def tell(path: Path, what: str, value: str) -> None:
    """`PUT <what>` with this value."""
    _call(path, "PUT", what, value)


def _call(path: Path, method: str, what: str, value: str | None = None) -> bytes:
    connection = _UnixConnection(path)
    try:
        connection.request(method, what, value)
        answer = connection.getresponse()
        body = answer.read()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotAnswered(f"the agent does not run here: nobody listens at {path}") from None
    except PermissionError:
        raise NotAnswered(f"you may not ask the agent: {path} is for root and its group") from None
    except TimeoutError:
        raise NotAnswered(f"the agent at {path} does not answer within {PATIENCE_S:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise NotAnswered(
            f"the agent at {path} ended before it had answered ({error or type(error).__name__})"
        ) from None
    finally:
        connection.close()
    if answer.status not in (http.client.OK, http.client.NO_CONTENT):
        raise NotAnswered(f"the agent at {path} answered {answer.status} {answer.reason}")
    return body
