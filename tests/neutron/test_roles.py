"""Every policy × every role, with real requests; the table below is the contract. And the file of them for operators.

A cell is the answer's code; `seen` or `hidden` says whether an attribute is in the answer.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.neutron.cloud import V4, Cloud, User

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"
LINES = "bgpvpn/bgpvpn_associations"
BIN = Path(sys.prefix) / "bin"

ROLES = ("admin", "manager", "member", "reader", "stranger", "nobody")
"""The administrator is of another project; `stranger` is a member of another; `nobody` is of the project without any
role that Neutron knows."""
KINDS = ("network", "router", "port")
LISTS = ("route_targets", "import_targets", "export_targets", "route_distinguishers")
PARTS = {"shared_bgpvpn", "bgpvpn_owner", "bgpvpn_self_service", "bgpvpn_any_number"}
"""Rules that others are made of; test_self_service.py has the last two."""
NUMBERS = itertools.count(7000)

TABLE = """
create_bgpvpn                              201    403    403    403    403    403
create_bgpvpn:LIST                         201    403    403    403    403    403
create_bgpvpn:vni                          201    403    403    403    403    403
create_bgpvpn:local_pref                   201    403    403    403    403    403
create_bgpvpn:fallback                     201    403    403    403    403    403
create_bgpvpn:families                     201    403    403    403    403    403
get_bgpvpn                                 200    200    200    200    404    404
get_bgpvpn:project_id                      seen   hidden hidden hidden 404    404
get_bgpvpn:LIST                            seen   hidden hidden hidden 404    404
get_bgpvpn:vni                             seen   hidden hidden hidden 404    404
get_bgpvpn:local_pref                      seen   seen   seen   seen   404    404
get_bgpvpn:fallback                        seen   seen   seen   seen   404    404
get_bgpvpn:families                        seen   hidden hidden hidden 404    404
get_bgpvpn:status_details                  seen   hidden hidden hidden 404    404
update_bgpvpn                              200    200    200    403    404    404
update_bgpvpn:LIST                         200    403    403    403    404    404
update_bgpvpn:local_pref                   200    403    403    403    404    404
update_bgpvpn:fallback                     200    403    403    403    404    404
update_bgpvpn:families                     200    403    403    403    404    404
delete_bgpvpn                              204    403    403    403    404    404
create_bgpvpn_KIND_association             201    201    201    403    404    403
get_bgpvpn_KIND_association                200    200    200    200    404    404
get_bgpvpn_KIND_association:project_id     seen   seen   seen   seen   404    404
get_bgpvpn_KIND_association:status_details seen   hidden hidden hidden 404    404
update_bgpvpn_KIND_association             200    200    200    403    404    404
delete_bgpvpn_KIND_association             204    204    204    403    404    404
get_bgpvpn_association                     200    200    200    200    404    404
get_bgpvpn_association:status_details      seen   hidden hidden hidden 404    404
get_bgpvpn:tags                            200    200    200    200    403    403
create_bgpvpn:tags                         200    200    200    403    403    403
update_bgpvpn:tags                         200    200    200    403    403    403
delete_bgpvpn:tags                         204    204    204    403    403    403
"""


def _table() -> dict[str, dict[str, str]]:
    """Rule → role → what comes of it."""
    found = {}
    for line in TABLE.split("\n"):
        words = line.split()
        for kind, attribute in itertools.product(KINDS, LISTS) if words else ():
            name = words[0].replace("KIND", kind).replace("LIST", attribute)
            found[name] = dict(zip(ROLES, words[1:], strict=True))
    return found


EXPECTED = _table()


@dataclass
class World:
    """A project with a BGPVPN, one association of each kind, and more resources of each to associate."""

    cloud: Cloud
    project: str
    users: dict[str, User]
    bgpvpn: str
    associations: dict[str, str] = field(default_factory=dict)
    """By kind: the path."""

    @property
    def member(self) -> User:
        return self.users["member"]

    @property
    def admin(self) -> User:
        return self.users["admin"]

    def target(self, kind: str) -> str:
        """A new one of the project's."""
        if kind == "network":
            return str(self.member.network(V4)["id"])
        if kind == "router":
            return str(self.member.make("routers", name="r")["id"])
        return str(self.member.make("ports", network_id=self.member.network(V4)["id"])["id"])

    def bind(self, kind: str) -> str:
        made = self.member.make(f"{self.bgpvpn}/{kind}_associations", **{f"{kind}_id": self.target(kind)})
        return f"{self.bgpvpn}/{kind}_associations/{made['id']}"


@pytest.fixture(scope="module")
def world(cloud: Cloud) -> World:
    project = uuid.uuid4().hex
    users = {
        "admin": cloud.admin,
        "manager": cloud.user(project, "manager,member,reader"),
        "member": cloud.user(project),
        "reader": cloud.user(project, "reader"),
        "stranger": cloud.user(uuid.uuid4().hex),
        "nobody": cloud.user(project, "nothing"),
    }
    made = cloud.admin.make(BGPVPNS, project_id=project, name="roles", local_pref=50)
    found = World(cloud, project, users, f"{BGPVPNS}/{made['id']}")
    found.associations = {kind: found.bind(kind) for kind in KINDS}
    return found


def requested(world: World, rule: str, role: str, allowed: bool) -> str:
    """What comes of the request that the rule is about; `allowed` says whether something is needed that it uses up."""
    verb, _, rest = rule.partition("_")
    resource, _, attribute = rest.partition(":")
    if attribute == "tags":
        return _tags(world, verb, world.users[role])
    if resource == "bgpvpn":
        return _bgpvpn(world, verb, attribute, role, allowed)
    if resource == "bgpvpn_association":
        line = f"{LINES}/{world.associations['network'].rsplit('/', 1)[-1]}"
        return _seen(world.users[role], line, attribute)
    return _association(world, verb, resource.removeprefix("bgpvpn_"), attribute, role, allowed)


def _seen(user: User, path: str, attribute: str) -> str:
    answer = user.call("GET", path)
    if answer.status != 200 or not attribute:
        return str(answer.status)
    [shown] = answer.body.values()
    return "seen" if attribute in shown else "hidden"


def _tags(world: World, verb: str, user: User) -> str:
    tags = f"bgpvpns/{world.bgpvpn.rsplit('/', 1)[-1]}/tags"
    if verb == "delete":
        world.admin.put(tags, {"tags": ["red"]})
        return str(user.call("DELETE", tags).status)
    method = {"get": "GET", "create": "POST", "update": "PUT"}[verb]
    return str(user.call(method, tags, None if verb == "get" else {"tags": ["blue"]}).status)


def _bgpvpn(world: World, verb: str, attribute: str, role: str, allowed: bool) -> str:
    user = world.users[role]
    words: dict[str, object] = {"fallback": "none", "families": ["evpn"], "": "roles"}
    value: object = [f"64512:{next(NUMBERS)}"] if attribute in LISTS else next(NUMBERS)
    named = {attribute or "name": words.get(attribute, value)}
    project = {"project_id": world.project} if role == "admin" else {}
    if verb == "create":
        return str(user.call("POST", BGPVPNS, {"bgpvpn": named | project}).status)
    if verb == "update":
        return str(user.call("PUT", world.bgpvpn, {"bgpvpn": named}).status)
    if verb == "delete":
        made = f"{BGPVPNS}/{world.admin.make(BGPVPNS, **project)['id']}" if allowed else world.bgpvpn
        return str(user.call("DELETE", made).status)
    return _seen(user, world.bgpvpn, attribute)


def _association(world: World, verb: str, resource: str, attribute: str, role: str, allowed: bool) -> str:
    user, kind = world.users[role], resource.removesuffix("_association")
    one = world.associations[kind]
    if verb == "create":
        project = {"project_id": world.project} if role == "admin" else {}
        target = world.target(kind) if allowed or role == "stranger" else str(uuid.uuid4())
        body = {resource: {f"{kind}_id": target} | project}
        return str(user.call("POST", one.rsplit("/", 1)[0], body).status)
    if verb == "update":
        return str(user.call("PUT", one, {resource: {"description": role}}).status)
    if verb == "delete":
        return str(user.call("DELETE", world.bind(kind) if allowed else one).status)
    return _seen(user, one, attribute)


@pytest.mark.parametrize("rule", EXPECTED)
def test_every_policy_and_every_role(world: World, rule: str) -> None:
    expected = EXPECTED[rule]
    found = {role: requested(world, rule, role, expected[role].startswith("2")) for role in ROLES}
    assert found == expected


def test_lists_show_nobody_more_than_single_requests(world: World) -> None:
    resources = {world.bgpvpn: "bgpvpn"} | {p: f"{k}_association" for k, p in world.associations.items()}
    for role, user in world.users.items():
        for one, rule in resources.items():
            listed = user.get(one.rsplit("/", 1)[0], id=one.rsplit("/", 1)[-1])
            single = user.call("GET", one)
            expected = [single.body[rule]] if single.status == 200 else []
            assert listed == expected, (role, rule)


def test_what_one_must_not_see_is_no_filter_and_no_order_either(world: World) -> None:
    for role in ("manager", "member", "reader"):
        for attribute in (*LISTS, "vni", "families"):
            for query in ({attribute: "1"}, {"sort_key": attribute, "sort_dir": "asc"}):
                assert world.users[role].call("GET", BGPVPNS, **query).status == 403, (role, query)


# ------------------------------------------------------------------------------------ the rules as a file


def rules() -> Iterator[Any]:
    from isthmus.neutron.words import policies

    return iter(policies.list_rules())


def test_the_table_names_every_rule() -> None:
    assert {r.name for r in rules()} - PARTS == set(EXPECTED)


def test_every_rule_is_described() -> None:
    for rule in rules():
        assert rule.description, rule.name
        if rule.name in EXPECTED:
            assert rule.operations, rule.name
            assert {o["method"] for o in rule.operations} <= {"GET", "POST", "PUT", "DELETE"}, rule.name
            assert all(o["path"].startswith("/") for o in rule.operations), rule.name


def test_the_sample_file_generates_parses_and_is_valid(cloud: Cloud, tmp_path: Path) -> None:
    sample = tmp_path / "policy.yaml.sample"
    command = [BIN / "oslopolicy-sample-generator", "--namespace", "isthmus", "--output-file", sample]
    subprocess.run(command, check=True, capture_output=True)
    used = tmp_path / "policy.yaml"
    used.write_text("".join(line.removeprefix("#") for line in sample.read_text().splitlines(True) if line[:2] == '#"'))
    written = yaml.safe_load(used.read_text())
    assert written == {r.name: r.check_str for r in rules()}
    settings = tmp_path / "neutron.conf"
    settings.write_text(f"[oslo_policy]\npolicy_file = {used}\n")
    validator = [BIN / "oslopolicy-validator", "--namespace", "neutron", "--config-file", settings]
    done = subprocess.run(validator, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    used.write_text(f'{used.read_text()}"get_bgpvpn": "role:reader and"\n')
    assert subprocess.run(validator, check=False, capture_output=True).returncode != 0, "it finds what is broken"
