"""The BGPVPN API as data: words, rules (validators, converters), attribute maps, definitions of the extensions.

Whoever speaks of the API imports this package and says `apidef.BGPVPNS`; `definitions` is for the descriptors in
`extensions/`, which are what Neutron loads.
"""

from isthmus.neutron.words.apidef import rules as rules  # registers the validators that the maps name
from isthmus.neutron.words.apidef.attributes import ANY_ASSOCIATION_ATTRIBUTES as ANY_ASSOCIATION_ATTRIBUTES
from isthmus.neutron.words.apidef.attributes import BGPVPN_ATTRIBUTES as BGPVPN_ATTRIBUTES
from isthmus.neutron.words.apidef.rules import masked as masked
from isthmus.neutron.words.apidef.rules import text_rule as text_rule
from isthmus.neutron.words.apidef.words import ADMIN_ATTRIBUTES as ADMIN_ATTRIBUTES
from isthmus.neutron.words.apidef.words import ALIAS as ALIAS
from isthmus.neutron.words.apidef.words import ANY_ASSOCIATION as ANY_ASSOCIATION
from isthmus.neutron.words.apidef.words import ANY_ASSOCIATIONS as ANY_ASSOCIATIONS
from isthmus.neutron.words.apidef.words import ASSOCIATIONS_ALIAS as ASSOCIATIONS_ALIAS
from isthmus.neutron.words.apidef.words import AUTO as AUTO
from isthmus.neutron.words.apidef.words import BGPVPN as BGPVPN
from isthmus.neutron.words.apidef.words import BGPVPN_ROUTE as BGPVPN_ROUTE
from isthmus.neutron.words.apidef.words import BGPVPNS as BGPVPNS
from isthmus.neutron.words.apidef.words import FALLBACK_ALIAS as FALLBACK_ALIAS
from isthmus.neutron.words.apidef.words import FAMILIES_ALIAS as FAMILIES_ALIAS
from isthmus.neutron.words.apidef.words import GUARDED_ATTRIBUTES as GUARDED_ATTRIBUTES
from isthmus.neutron.words.apidef.words import L2 as L2
from isthmus.neutron.words.apidef.words import L3 as L3
from isthmus.neutron.words.apidef.words import MEMBER_LISTS as MEMBER_LISTS
from isthmus.neutron.words.apidef.words import NETWORK_ASSOCIATION as NETWORK_ASSOCIATION
from isthmus.neutron.words.apidef.words import NETWORK_ASSOCIATIONS as NETWORK_ASSOCIATIONS
from isthmus.neutron.words.apidef.words import OPERATOR_ATTRIBUTES as OPERATOR_ATTRIBUTES
from isthmus.neutron.words.apidef.words import OWNER as OWNER
from isthmus.neutron.words.apidef.words import PATH_PREFIX as PATH_PREFIX
from isthmus.neutron.words.apidef.words import PORT_ASSOCIATION as PORT_ASSOCIATION
from isthmus.neutron.words.apidef.words import PORT_ASSOCIATIONS as PORT_ASSOCIATIONS
from isthmus.neutron.words.apidef.words import PREFIX_ROUTE as PREFIX_ROUTE
from isthmus.neutron.words.apidef.words import RBAC_ALIAS as RBAC_ALIAS
from isthmus.neutron.words.apidef.words import ROUTER_ASSOCIATION as ROUTER_ASSOCIATION
from isthmus.neutron.words.apidef.words import ROUTER_ASSOCIATIONS as ROUTER_ASSOCIATIONS
from isthmus.neutron.words.apidef.words import ROUTES_CONTROL_ALIAS as ROUTES_CONTROL_ALIAS
from isthmus.neutron.words.apidef.words import SHARED as SHARED
from isthmus.neutron.words.apidef.words import STATUS_ADMIN_ATTRIBUTES as STATUS_ADMIN_ATTRIBUTES
from isthmus.neutron.words.apidef.words import STATUS_ALIAS as STATUS_ALIAS
from isthmus.neutron.words.apidef.words import STATUS_ATTRIBUTES as STATUS_ATTRIBUTES
from isthmus.neutron.words.apidef.words import TARGET_LISTS as TARGET_LISTS
from isthmus.neutron.words.apidef.words import VNI_ALIAS as VNI_ALIAS
