"""What protects the connection to a peer: a signature in every segment, and how far one may have come.

RFC 2385 (TCP MD5) and RFC 5082 (GTSM), by the kernel's means: TCP_MD5SIG, IP_TTL and IP_MINTTL of tcp(7) and ip(7).

Rules: set before anything is sent, so that not even the handshake is without it; set anew on a connection that another
process had, and what it had is taken off, because the file may say something else by now.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass, field

from isthmus.model.net import IpAddress

TCP_MD5SIG, IP_MINTTL = 14, 21
"""linux/tcp.h, linux/in.h; Python does not name them."""

KEY_MAX = 80
"""TCP_MD5SIG_MAXKEYLEN."""
_KEY = struct.Struct("=H2x4s120xBBHi80s")
"""struct tcp_md5sig: a sockaddr_storage of AF_INET, flags, length of a prefix, length of the key, interface, key."""
TTL_MAX = 255
TTL_DEFAULT = -1
"""The system's own."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Of one peer."""

    password: str = field(default="", repr=False)
    """Empty: no signature."""
    hops: int = 0
    """How far away the peer is: 1 on the same link. 0: its packets may come from anywhere."""

    def put_on(self, sock: socket.socket, peer: IpAddress) -> None:
        """Raises OSError where the kernel cannot."""
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL_MAX if self.hops else TTL_DEFAULT)
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, TTL_MAX + 1 - self.hops if self.hops else 0)
        key = self.password.encode()
        said = _KEY.pack(socket.AF_INET, bytes(peer), 0, 0, len(key), 0, key)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, said)
        except OSError as error:
            if key or error.errno not in (errno.ENOENT, errno.ENOPROTOOPT):  # there was no key to take off
                raise


NO_GUARD = Guard()
