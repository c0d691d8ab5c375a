"""What a node has told each peer, read off its own octets before they travel.

Rules: independent of what the node believes it told; forgets with the connection.
"""

from __future__ import annotations

from isthmus.bgp.capability import Agreed
from isthmus.bgp.frame import HEADER_BYTES
from isthmus.bgp.iana import MessageType
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.update import UpdateReader
from isthmus.rib.adj_out import RouteKey
from isthmus.vpn.beacons import whose


class Wiretap:
    """On one connection."""

    def __init__(self) -> None:
        self.announced: dict[RouteKey, EvpnPrefix] = {}
        self.end_of_rib = False
        self.repeated: set[RouteKey] = set()
        """What the last octets announced, new or not."""

    def hear(self, data: bytes, agreed: Agreed) -> list[EvpnPrefix]:
        """Whole messages, as a session writes them; what they withdraw of what was announced."""
        reader = UpdateReader(agreed)
        gone: list[EvpnPrefix] = []
        self.repeated = set()
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at + 16 : at + 18], "big")
            if data[at + 18] == MessageType.UPDATE:
                for update in reader.read(data[at + HEADER_BYTES : at + length]):
                    self.end_of_rib = self.end_of_rib or update.end_of_rib is not None
                    for route in update.withdrawn:
                        if (old := self.announced.pop(route.key(), None)) is not None:
                            gone.append(old)
                    for route in update.announced:
                        if update.attributes is not None and whose(route, update.attributes):
                            continue  # nothing is delivered by it
                        self.announced[route.key()] = route
                        self.repeated.add(route.key())
            at += length
        return gone
