"""Constraints, for templates too (`custom_constraint: neutron.bgpvpn`), each with a sentence that says its rule.

A pattern would do for three of them, but Heat would show the user the pattern: six hundred characters.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from heat.engine.clients.os.neutron import neutron_constraints
from neutron_lib.api.definitions.bgpvpn import RTRD_REGEX

AUTO = "auto"
"""Asks the cloud for a number of its own pools."""

VNI_MAX = 2**24 - 1


class BGPVPNConstraint(neutron_constraints.NeutronConstraint):
    """`neutron.bgpvpn`: a BGPVPN that the user can see, by name or by id."""

    resource_name = "bgpvpn"
    extension = "bgpvpn"


class _Form:
    """What one value alone shows, without asking anybody."""

    rule: ClassVar[str]

    def fits(self, value: str) -> bool:
        raise NotImplementedError

    def validate(self, value: Any, context: Any) -> bool:
        return self.fits(str(value))

    def error(self, value: Any) -> str:
        return f"'{value}' is not {self.rule}"


class RouteTargetConstraint(_Form):
    """`neutron.bgpvpn.route_target`; RFC 4360 and RFC 5668 have the three forms."""

    rule = "AS:number or IPv4:number (32 bits behind a 16-bit AS, 16 bits behind a 32-bit AS or an address)"

    def fits(self, value: str) -> bool:
        return re.fullmatch(RTRD_REGEX, value) is not None


class RouteDistinguisherConstraint(RouteTargetConstraint):
    """`neutron.bgpvpn.route_distinguisher`: RFC 4364 section 4.2 has the same three forms."""


class RouteTargetOrAutoConstraint(RouteTargetConstraint):
    """`neutron.bgpvpn.route_target_or_auto`: or one of the cloud's own."""

    rule = f"{RouteTargetConstraint.rule}, nor '{AUTO}'"

    def fits(self, value: str) -> bool:
        return value == AUTO or super().fits(value)


class VniConstraint(_Form):
    """`neutron.bgpvpn.vni`: RFC 7348 section 5 gives it 24 bits."""

    rule = f"a number within 1 to {VNI_MAX}, nor '{AUTO}'"

    def fits(self, value: str) -> bool:
        return value == AUTO or (re.fullmatch("[1-9][0-9]{0,7}", value) is not None and int(value) <= VNI_MAX)
