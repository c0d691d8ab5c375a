"""Our tables. What must exclude itself does so by a key: numbers and VNIs are unique because the database says so.

Foreign keys cascade: when Neutron deletes a network or router, its associations, its attachment and the numbers of
that attachment go with it, in Neutron's own transaction. No relationships: each statement says what it reads.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from neutron.db import rbac_db_models
from neutron_lib.db import constants as db
from neutron_lib.db import model_base, standard_attr

from isthmus.neutron.words import apidef

UUID_SIZE = db.UUID_FIELD_SIZE
ATTACHMENT_SIZE = len("network:") + UUID_SIZE
TARGET_SIZE = 32
"""The longest route target is 255.255.255.255:65535."""
DIGEST_SIZE = 64
FALLBACK_SIZE = 16
FAMILIES_SIZE = 32
PREFIX_SIZE = 49
"""The longest written form of an IPv6 prefix, with an embedded IPv4 address."""


def _of_bgpvpn() -> Any:
    return sa.Column(sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), nullable=False)


def _refers(table: str) -> Any:
    return sa.Column(sa.String(UUID_SIZE), sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, index=True)


class Bgpvpn(standard_attr.HasStandardAttributes, model_base.BASEV2, model_base.HasId, model_base.HasProject):
    """One BGPVPN."""

    __tablename__ = "isthmus_bgpvpns"
    api_collections: ClassVar = [apidef.BGPVPNS]
    collection_resource_map: ClassVar = {apidef.BGPVPNS: apidef.BGPVPN}
    tag_support = True

    name: Any = sa.Column(sa.String(db.NAME_FIELD_SIZE), nullable=False)
    type: Any = sa.Column(sa.Enum(apidef.L2, apidef.L3, name="isthmus_bgpvpn_types"), nullable=False)
    local_pref: Any = sa.Column(sa.BigInteger())
    fallback: Any = sa.Column(sa.String(FALLBACK_SIZE))
    """Null: as the cloud has it."""
    families: Any = sa.Column(sa.String(FAMILIES_SIZE))
    """Blank separated, in the order of `FamilyName`. Null: all that the hypervisors speak."""


class BgpvpnRbac(rbac_db_models.RBACColumns, model_base.BASEV2):
    """A policy of Neutron's `rbac-policies`: the BGPVPN is shared with a project, or with all of them (`*`).

    Neutron finds the type among the subclasses of its own columns.
    """

    __tablename__ = "isthmus_bgpvpn_rbacs"

    object_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), nullable=False
    )
    object_type = apidef.BGPVPN

    @staticmethod
    def get_valid_actions() -> tuple[str, ...]:
        return (rbac_db_models.ACCESS_SHARED,)


class Target(model_base.BASEV2):
    """One route target or route distinguisher of a BGPVPN; `kind` is the API's list it stands in, at `position`."""

    __tablename__ = "isthmus_bgpvpn_targets"

    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Any = sa.Column(sa.Enum(*apidef.TARGET_LISTS, name="isthmus_target_kinds"), primary_key=True)
    value: Any = sa.Column(sa.String(TARGET_SIZE), primary_key=True, index=True)
    position: Any = sa.Column(sa.SmallInteger(), nullable=False)


class Vni(model_base.BASEV2):
    """A VNI and the BGPVPN that has it, given by somebody or allocated: no two BGPVPNs of a cloud share one."""

    __tablename__ = "isthmus_vnis"

    vni: Any = sa.Column(sa.Integer(), primary_key=True, autoincrement=False)
    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE),
        sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    )
    explicit: Any = sa.Column(sa.Boolean(), nullable=False)


class NetworkAssociation(
    standard_attr.HasStandardAttributes, model_base.BASEV2, model_base.HasId, model_base.HasProject
):
    """A network in a BGPVPN."""

    __tablename__ = "isthmus_network_associations"
    __table_args__ = (
        sa.UniqueConstraint("bgpvpn_id", "network_id", name="uniq_isthmus_network_associations"),
        model_base.BASEV2.__table_args__,
    )
    api_collections: ClassVar[list[str]] = []
    api_sub_resources: ClassVar = [apidef.NETWORK_ASSOCIATIONS]

    bgpvpn_id: Any = _of_bgpvpn()
    network_id: Any = _refers("networks")


class RouterAssociation(
    standard_attr.HasStandardAttributes, model_base.BASEV2, model_base.HasId, model_base.HasProject
):
    """A router in a BGPVPN."""

    __tablename__ = "isthmus_router_associations"
    __table_args__ = (
        sa.UniqueConstraint("bgpvpn_id", "router_id", name="uniq_isthmus_router_associations"),
        model_base.BASEV2.__table_args__,
    )
    api_collections: ClassVar[list[str]] = []
    api_sub_resources: ClassVar = [apidef.ROUTER_ASSOCIATIONS]

    bgpvpn_id: Any = _of_bgpvpn()
    router_id: Any = _refers("routers")
    advertise_extra_routes: Any = sa.Column(sa.Boolean(), nullable=False, server_default=sa.true())


class PortAssociation(standard_attr.HasStandardAttributes, model_base.BASEV2, model_base.HasId, model_base.HasProject):
    """A port in a BGPVPN."""

    __tablename__ = "isthmus_port_associations"
    __table_args__ = (
        sa.UniqueConstraint("bgpvpn_id", "port_id", name="uniq_isthmus_port_associations"),
        model_base.BASEV2.__table_args__,
    )
    api_collections: ClassVar[list[str]] = []
    api_sub_resources: ClassVar = [apidef.PORT_ASSOCIATIONS]

    bgpvpn_id: Any = _of_bgpvpn()
    port_id: Any = _refers("ports")
    advertise_fixed_ips: Any = sa.Column(sa.Boolean(), nullable=False, server_default=sa.true())


class PortRoute(model_base.BASEV2):
    """One of the routes of a port association, at `position`: a prefix, or a BGPVPN whose routes are leaked.

    When the BGPVPN it leaks is deleted, the route goes with it.
    """

    __tablename__ = "isthmus_port_routes"

    association_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_port_associations.id", ondelete="CASCADE"), primary_key=True
    )
    position: Any = sa.Column(sa.SmallInteger(), primary_key=True, autoincrement=False)
    prefix: Any = sa.Column(sa.String(PREFIX_SIZE))
    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), index=True
    )
    local_pref: Any = sa.Column(sa.BigInteger())


class Attachment(model_base.BASEV2):
    """What OVN was last told about a router or a router-less network: its revision only rises.

    The row outlives the last association, so that a revision is never used twice; it goes with the router or network.
    """

    __tablename__ = "isthmus_attachments"

    id: Any = sa.Column(sa.String(ATTACHMENT_SIZE), primary_key=True)
    router_id: Any = sa.Column(sa.String(UUID_SIZE), sa.ForeignKey("routers.id", ondelete="CASCADE"), unique=True)
    network_id: Any = sa.Column(sa.String(UUID_SIZE), sa.ForeignKey("networks.id", ondelete="CASCADE"), unique=True)
    revision: Any = sa.Column(sa.BigInteger(), nullable=False)
    digest: Any = sa.Column(sa.String(DIGEST_SIZE), nullable=False)
    overfull: Any = sa.Column(sa.Boolean(), nullable=False, server_default=sa.false(), default=False)
    """Whether an association is left out because the row cannot carry it."""


class Dirty(model_base.BASEV2):
    """An attachment that has changed and is still to be written, by the worker. No foreign key: when its router or
    network goes, what is in OVN must go too."""

    __tablename__ = "isthmus_dirty"
    __table_args__ = (sa.Index("ix_isthmus_dirty_marked_at", "marked_at"), model_base.BASEV2.__table_args__)

    attachment_id: Any = sa.Column(sa.String(ATTACHMENT_SIZE), primary_key=True)
    mark: Any = sa.Column(sa.String(UUID_SIZE), nullable=False)
    """Another one each time that it is marked: who takes a mark away takes away the one that was seen."""
    marked_at: Any = sa.Column(sa.DateTime(), nullable=False)


class Number(model_base.BASEV2):
    """The number of an (attachment, BGPVPN): on each hypervisor its route distinguisher and MPLS label."""

    __tablename__ = "isthmus_numbers"
    __table_args__ = (
        sa.UniqueConstraint("attachment_id", "bgpvpn_id", name="uniq_isthmus_numbers"),
        model_base.BASEV2.__table_args__,
    )

    number: Any = sa.Column(sa.Integer(), primary_key=True, autoincrement=False)
    attachment_id: Any = sa.Column(
        sa.String(ATTACHMENT_SIZE), sa.ForeignKey("isthmus_attachments.id", ondelete="CASCADE"), nullable=False
    )
    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE),
        sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


class PoolTarget(model_base.BASEV2):
    """A route target of the pool that is not free: given by the pool, or named by somebody.

    It is free again when it has rested since `released_at` and no BGPVPN has it in a list. The row stays: there are at
    most as many as the pool has numbers.
    """

    __tablename__ = "isthmus_pool_targets"

    value: Any = sa.Column(sa.String(TARGET_SIZE), primary_key=True)
    project_id: Any = sa.Column(sa.String(db.PROJECT_ID_FIELD_SIZE), index=True)
    """The project that the pool gave it to; null when somebody named it."""
    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="SET NULL"), index=True
    )
    """The BGPVPN that the pool gave it to."""
    released_at: Any = sa.Column(sa.DateTime())
    """Null while it is used."""


class RestingNumber(model_base.BASEV2):
    """A VNI, or the number of an (attachment, BGPVPN), that was released at that time, and whose it was. The row stays
    when the number is used again. No foreign keys: it outlives what it speaks of."""

    __tablename__ = "isthmus_resting_numbers"
    __table_args__ = (
        sa.Index("ix_isthmus_resting_numbers_pair", "attachment_id", "bgpvpn_id"),
        sa.Index("ix_isthmus_resting_numbers_project", "project_id", "kind", "released_at"),
        sa.Index("ix_isthmus_resting_numbers_age", "kind", "released_at"),
        model_base.BASEV2.__table_args__,
    )

    kind: Any = sa.Column(sa.Enum("vni", "number", name="isthmus_resting_kinds"), primary_key=True)
    value: Any = sa.Column(sa.Integer(), primary_key=True, autoincrement=False)
    released_at: Any = sa.Column(sa.DateTime(), nullable=False)
    project_id: Any = sa.Column(sa.String(db.PROJECT_ID_FIELD_SIZE))
    """The project that laid it down: it counts against its quota while it rests."""
    attachment_id: Any = sa.Column(sa.String(ATTACHMENT_SIZE))
    bgpvpn_id: Any = sa.Column(sa.String(UUID_SIZE))


class Project(model_base.BASEV2):
    """A row to lock while something of a project that has a quota is counted and made."""

    __tablename__ = "isthmus_projects"

    id: Any = sa.Column(sa.String(db.PROJECT_ID_FIELD_SIZE), primary_key=True)


class BgpvpnRow(model_base.BASEV2):
    """What OVN was last told about a BGPVPN, where it has a row of its own there: its revision only rises."""

    __tablename__ = "isthmus_bgpvpn_rows"

    bgpvpn_id: Any = sa.Column(
        sa.String(UUID_SIZE), sa.ForeignKey("isthmus_bgpvpns.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Any = sa.Column(sa.BigInteger(), nullable=False)
    digest: Any = sa.Column(sa.String(DIGEST_SIZE), nullable=False)


class IntentForm(model_base.BASEV2):
    """One row: the form that the rows of OVN are written in (`rows/forms.py`)."""

    __tablename__ = "isthmus_intent_forms"

    id: Any = sa.Column(sa.Integer(), primary_key=True, autoincrement=False)
    form: Any = sa.Column(sa.Integer(), nullable=False)
