"""The private cloud of tests/neutron with a real Keystone before it: tokens, projects, roles and a catalogue.

Keystone runs from an environment of its own (`.venv-keystone`), on the cloud's MariaDB. It has the roles that
Neutron's policies know: reader, member, manager and admin.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import requests

from tests.eventually import eventually
from tests.neutron.cloud import Answer, Cloud, User
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
KEYSTONE = ROOT / ".venv-keystone"
PASSWORD = "secret"
REGION = "RegionOne"

KEYSTONE_CONF = """[DEFAULT]
transport_url = fake://
[database]
connection = {url}
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {home}/fernet
[fernet_receipts]
key_repository = {home}/fernet
[credential]
key_repository = {home}/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = false
[oslo_messaging_notifications]
driver = noop
"""


class Bearer(User):
    """Somebody with a token of a project."""

    def __init__(self, endpoint: str, project: str, token: str) -> None:
        super().__init__(endpoint, project, "")
        self.headers = {"X-Auth-Token": token}


class IdentityCloud(Cloud):
    """A cloud in which Keystone says who somebody is."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.identity_port = free_port()
        self.identity = f"http://127.0.0.1:{self.identity_port}/v3"
        self._session = requests.Session()
        self._session.trust_env = False

    # ------------------------------------------------------------------------------------ its life

    def _start_database(self) -> None:
        super()._start_database()
        self._start_keystone()

    def _start_keystone(self) -> None:
        self.sql("CREATE DATABASE keystone CHARACTER SET utf8mb3", database=None)
        home = self.home / "keystone"
        for folder in ("fernet", "credential"):
            (home / folder).mkdir(parents=True, mode=0o700)
        url = self.database_url.replace("/neutron?", "/keystone?")
        (home / "keystone.conf").write_text(KEYSTONE_CONF.format(home=home, url=url))
        self._keystone_manage("db_sync")
        who = ("--keystone-user", "root", "--keystone-group", "root")
        self._keystone_manage("fernet_setup", *who)
        self._keystone_manage("credential_setup", *who)
        urls = (f"--bootstrap-{kind}-url={self.identity}" for kind in ("admin", "public", "internal"))
        self._keystone_manage("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION, *urls)
        self._run(
            "keystone",
            *("uwsgi", "--plugin", "python3", "--virtualenv", str(KEYSTONE)),
            *("--module", "keystone.wsgi.api:application", "--http-socket", f"127.0.0.1:{self.identity_port}"),
            *("--master", "--processes", "1", "--threads", "4", "--enable-threads", "--lazy-apps", "--die-on-term"),
            *("--need-app", "--buffer-size", "65535", "--add-header", "Connection: close"),
            OS_KEYSTONE_CONFIG_DIR=str(home),
            PYTHONWARNINGS="ignore",
        )
        eventually(self._keystone_answers, within=60)
        self._fill_catalogue()

    def _keystone_manage(self, *words: str) -> None:
        command = [str(KEYSTONE / "bin/keystone-manage"), "--config-file", str(self.home / "keystone/keystone.conf")]
        env = os.environ | {"PYTHONWARNINGS": "ignore"}
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"

    def _keystone_answers(self) -> None:
        try:
            assert self._session.get(self.identity, timeout=10).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            raise AssertionError("Keystone does not listen yet") from None

    def _fill_catalogue(self) -> None:
        service = self.make_identity("services", name="neutron", type="network")
        for interface in ("public", "internal", "admin"):
            self.make_identity(
                "endpoints", service_id=service, interface=interface, region_id=REGION, url=self.endpoint
            )
        self.person("neutron", "service", "admin", "service")

    # ------------------------------------------------------------------------------------ who is who

    def token(self, user: str, project: str) -> tuple[str, dict[str, Any]]:
        """The token and what Keystone says with it."""
        password = {"user": {"name": user, "domain": {"id": "default"}, "password": PASSWORD}}
        scope = {"project": {"name": project, "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": scope}}
        done = self._session.post(f"{self.identity}/auth/tokens", json=body, timeout=30)
        assert done.status_code == 201, done.text
        return done.headers["X-Subject-Token"], done.json()["token"]

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"X-Auth-Token": self.token("admin", "admin")[0]}
        done = self._session.request(method, f"{self.identity}/{path}", json=body, headers=headers, timeout=30)
        assert done.ok, f"{method} {path}: {done.status_code} {done.text}"
        return Answer(done.status_code, done.json() if done.content else None)

    def make_identity(self, collection: str, **attributes: Any) -> str:
        """Make something by Keystone's rule of names; its id."""
        resource = collection.removesuffix("s")
        return str(self.ask("POST", collection, {resource: attributes}).body[resource]["id"])

    def find_identity(self, collection: str, name: str) -> str | None:
        found = self.ask("GET", f"{collection}?name={name}").body[collection]
        return str(found[0]["id"]) if found else None

    def person(self, name: str, project: str, *roles: str) -> None:
        """A user with roles in a project; both are made if they are not there."""
        p = self.find_identity("projects", project) or self.make_identity("projects", name=project, domain_id="default")
        u = self.find_identity("users", name) or self.make_identity(
            "users", name=name, password=PASSWORD, domain_id="default"
        )
        for role in roles:
            self.ask("PUT", f"projects/{p}/users/{u}/roles/{self.find_identity('roles', role)}")

    def user(self, project: str, roles: str = "member,reader") -> User:
        """As in a cloud without Keystone: a user of its own for each set of roles in a project."""
        name = f"{roles.replace(',', '-')} of {project}"
        self.person(name, project, *roles.split(","))
        return self.login(name, project)

    def login(self, user: str, project: str) -> User:
        token, said = self.token(user, project)
        return Bearer(self.endpoint, said["project"]["id"], token)

    # ------------------------------------------------------------------------------------ Neutron

    def paste(self) -> str:
        return (self.bin.parent / "etc/neutron/api-paste.ini").read_text()

    def settings(self, isthmus: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found = super().settings(isthmus)
        found["DEFAULT"]["auth_strategy"] = "keystone"
        found["keystone_authtoken"] = {
            "www_authenticate_uri": self.identity,
            "auth_url": self.identity,
            "auth_type": "password",
            "username": "neutron",
            "password": PASSWORD,
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        return found
