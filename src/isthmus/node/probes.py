"""Which tunnel endpoints are asked whether they are there: those in use whose answers the switch would hand to us.

Rules: without the flow that hands over its answers everybody is silent, so nobody is asked before the switch has it.
Looked at is only what may be otherwise: endpoints that came into use or went, and flows that the switch took or lost.
"""

from __future__ import annotations

from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress
from isthmus.node.switch import Switch


class Probes:
    """See the head of the file."""

    def __init__(self) -> None:
        self.asked: frozenset[IpAddress] = frozenset()
        """The same object while it is so."""
        self._used: frozenset[IpAddress] = frozenset()
        self._by_flow: dict[FlowKey, IpAddress] = {}
        """Whose answers each flow hands over, of those in use."""

    @property
    def under_way(self) -> bool:
        """Whether the switch has not taken the flows of all of them yet."""
        return self.asked != self._used

    def look(self, used: frozenset[IpAddress], switch: Switch) -> None:
        """At what is in use now, and what the switch is known to hold."""
        for endpoint in self._used - used:
            del self._by_flow[Renderer.answer_key(endpoint)]
        came = {Renderer.answer_key(endpoint): endpoint for endpoint in used - self._used}
        self._by_flow |= came
        keys = self._by_flow.keys() if switch.answers is None else came.keys() | switch.answers
        looked = {self._by_flow[key]: switch.has(key) for key in keys if key in self._by_flow}
        gone = (self._used - used) | {endpoint for endpoint, there in looked.items() if not there}
        self._used, switch.answers = used, set()
        asked = (self.asked - gone) | {endpoint for endpoint, there in looked.items() if there}
        if asked != self.asked:
            self.asked = asked
