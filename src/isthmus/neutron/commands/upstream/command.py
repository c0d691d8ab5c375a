"""isthmus-import-bgpvpn: BGPVPNs and associations of networking-bgpvpn become ours, with their ids.

Exit codes: 0 everything is here (or would be), 1 something differs or cannot be imported, 2 nothing was done.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from neutron_lib import context as neutron_context
from neutron_lib import exceptions as neutron_exceptions
from oslo_config import cfg

from isthmus.neutron.commands import from_files
from isthmus.neutron.commands.upstream import write
from isthmus.neutron.commands.upstream.plan import Plan
from isthmus.neutron.words.conf import BadConfiguration

DRY_RUN, IMPORT = "dry-run", "import"
CLEAN, LEFT = 0, 1

_OPTIONS = [
    cfg.StrOpt(
        "import_mode",
        positional=True,
        required=False,
        default=DRY_RUN,
        choices=[DRY_RUN, IMPORT],
        metavar="dry-run|import",
        help="dry-run (the default) prints what would be imported and what cannot be; import does it, in one "
        "transaction. networking-bgpvpn's tables are only read.",
    ),
    cfg.BoolOpt(
        "drop_shared_vnis",
        default=False,
        help="Import BGPVPNs that share a VNI as if nobody had chosen one: each gets a VNI of this cloud's range.",
    ),
]
_USAGE = (
    "%(prog)s [--config-file FILE]... [--drop_shared_vnis] [dry-run|import]\n\n"
    "Give the files that Neutron's server is given, with those that have [database] and [isthmus]."
)


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    return from_files.guarded(lambda: _run(words))


def _run(arguments: Sequence[str]) -> int:
    settings = from_files.read(arguments, _OPTIONS, _USAGE)
    context, drop = neutron_context.get_admin_context(), cfg.CONF.drop_shared_vnis
    dry = cfg.CONF.import_mode == DRY_RUN
    try:
        plan = (write.look if dry else write.carry_out)(context, drop, settings)
    except neutron_exceptions.NeutronException as error:
        raise BadConfiguration(f"nothing {'could be' if dry else 'is'} imported: {error}") from None
    _tell(plan, "would be imported" if dry else "imported")
    if plan.associations and not dry:
        print("OVN follows with the next full pass; `isthmus-db-sync repair` does it now")
    return CLEAN if plan.is_clean else LEFT


def _tell(plan: Plan, done: str) -> None:
    for bgpvpn in plan.bgpvpns:
        print(f"{done}: BGPVPN {bgpvpn.id} ({bgpvpn.name})")
    for association in plan.associations:
        what = f"{association.kind.value} {association.target} in BGPVPN {association.bgpvpn}"
        print(f"{done}: {association.kind.value} association {association.id} ({what})")
    for line in plan.differs:
        print(f"differs, left as it is here: {line}")
    for line in plan.refused:
        print(f"cannot be imported: {line}")
    print(
        f"{len(plan.bgpvpns)} BGPVPNs and {len(plan.associations)} associations {done}, {plan.same} here already, "
        f"{len(plan.differs)} differ, {len(plan.refused)} cannot be imported"
    )
