"""What the API answers when it refuses; class names and codes are networking-bgpvpn's where it has one.

Neutron answers with the class name as `type` and the formatted `message`.
"""

from __future__ import annotations

from neutron_lib import exceptions


class BGPVPNNotFound(exceptions.NotFound):
    message = "BGPVPN %(id)s could not be found"


class BGPVPNNetAssocNotFound(exceptions.NotFound):
    message = "BGPVPN network association %(id)s could not be found for BGPVPN %(bgpvpn_id)s"


class BGPVPNRouterAssocNotFound(exceptions.NotFound):
    message = "BGPVPN router association %(id)s could not be found for BGPVPN %(bgpvpn_id)s"


class BGPVPNPortAssocNotFound(exceptions.NotFound):
    message = "BGPVPN port association %(id)s could not be found for BGPVPN %(bgpvpn_id)s"


class BGPVPNAssociationNotFound(exceptions.NotFound):
    message = "BGPVPN association %(id)s could not be found"


class BGPVPNNetAssocAlreadyExists(exceptions.BadRequest):
    message = "network %(network_id)s is already associated to BGPVPN %(bgpvpn_id)s"


class BGPVPNRouterAssocAlreadyExists(exceptions.BadRequest):
    message = "router %(router_id)s is already associated to BGPVPN %(bgpvpn_id)s"


class BGPVPNPortAssocAlreadyExists(exceptions.BadRequest):
    message = "port %(port_id)s is already associated to BGPVPN %(bgpvpn_id)s"


class BGPVPNPortAssocRouteNoSuchBGPVPN(exceptions.BadRequest):
    message = "routes: BGPVPN %(bgpvpn_id)s could not be found"


class BGPVPNPortAssocRouteWrongBGPVPNProject(exceptions.BadRequest):
    message = "routes: BGPVPN %(bgpvpn_id)s belongs to another project than the association"


class BGPVPNPortAssocRouteBGPVPNTypeDiffer(exceptions.BadRequest):
    message = "routes: BGPVPN %(bgpvpn_id)s is of type %(type)s, that of the association of type %(other)s"


class BGPVPNPortAssocRouteNotForGuests(exceptions.NotAuthorized):
    message = (
        "routes: BGPVPN %(bgpvpn_id)s belongs to another project, which decides about preferences and about what is "
        "leaked into it: prefixes without local_pref are possible"
    )


class BGPVPNPortAssocRouteToItself(exceptions.BadRequest):
    message = "routes: BGPVPN %(bgpvpn_id)s cannot be leaked into itself"


class BGPVPNRouterAssociationNotSupported(exceptions.BadRequest):
    message = "BGPVPN %(bgpvpn_id)s is of type l2: a router can only be associated with one of type l3"


class BGPVPNNetworkNotSupported(exceptions.BadRequest):
    """A network that cannot be served from every hypervisor."""

    message = "network %(network_id)s cannot be part of a BGPVPN: %(reason)s"


class BGPVPNRouterNotSupported(exceptions.BadRequest):
    """A router that is none of OVN's."""

    message = "router %(router_id)s cannot be part of a BGPVPN, nor can networks behind it: %(reason)s"


class BGPVPNNetworkRouterConflict(exceptions.BadRequest):
    """The router's traffic is in a VPN already, or its network's: both at once would be two ways out of one subnet."""

    message = (
        "network %(network_id)s is attached to router %(router_id)s, and a BGPVPN is associated with the %(other)s "
        "already: a network can be in BGPVPNs by itself or by its router, not both"
    )


class BGPVPNProjectMismatch(exceptions.NotAuthorized):
    message = (
        "the BGPVPN, what is associated with it and the association must belong to the same project "
        "(%(bgpvpn)s, %(resource)s, %(association)s): give project_id"
    )


class BGPVPNOfAnotherProject(exceptions.NotAuthorized):
    message = "%(kind)s %(id)s belongs to another project: only the owner of a %(kind)s can associate it"


class BGPVPNOverlappingSubnets(exceptions.Conflict):
    message = "in BGPVPN %(bgpvpn_id)s, %(overlap)s"


class BGPVPNTooManyAssociations(exceptions.BadRequest):
    message = "%(reason)s"


class BGPVPNNotSupported(exceptions.BadRequest):
    message = "the backend of this cloud cannot do %(feature)s"


class BGPVPNVniInUse(exceptions.Conflict):
    message = "VNI %(vni)s is used by another BGPVPN of this cloud"


class BGPVPNNoVniLeft(exceptions.Conflict):
    message = (
        "no VNI is left between %(low)s and %(high)s, where released ones rest for [isthmus] number_rest_s: widen "
        "[isthmus] vni_min and vni_max, or give one"
    )


class BGPVPNNoRouteTargetPool(exceptions.BadRequest):
    message = "route_targets: 'auto' needs a pool of route targets; this cloud has none ([isthmus] route_target_pool)"


class BGPVPNNoRouteTargetLeft(exceptions.Conflict):
    message = (
        "no route target is left in %(pool)s, where released ones rest for [isthmus] number_rest_s: widen [isthmus] "
        "route_target_pool, or give one"
    )


class BGPVPNRouteDistinguisherInUse(exceptions.Conflict):
    message = "route distinguisher %(value)s is used by another BGPVPN of this cloud"


class BGPVPNNumberNotAllowed(exceptions.NotAuthorized):
    message = "%(attribute)s: %(value)s is not among what project %(project)s may choose: %(allowed)s"


class BGPVPNNoNumberLeft(exceptions.Conflict):
    message = "no number is left between %(low)s and %(high)s for another pair of router or network and BGPVPN"
