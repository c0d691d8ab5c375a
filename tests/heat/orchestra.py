"""The cloud of tests/conformance (real Keystone, real Neutron with this plugin) and a real Heat in it."""

from __future__ import annotations

import configparser
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import requests

from tests.conformance.identity import PASSWORD, REGION, ROOT, IdentityCloud
from tests.eventually import eventually
from tests.neutron.cloud import Answer, User
from tests.ports import free_port

HEAT = ROOT / ".venv-heat"
PLUGINS = ROOT / "src/isthmus/heat/plugins"
EXAMPLES = ROOT / "etc/heat"
PATIENCE_S = 300
"""A busy machine takes a minute for what takes two seconds; nothing here measures speed."""


def template(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A template of resources as (type below OS::Neutron::, properties), each shown whole in an output of its name."""
    return {
        "heat_template_version": "2018-08-31",
        "resources": {
            name: {"type": f"OS::Neutron::{kind}", "properties": properties}
            for name, (kind, properties) in resources.items()
        },
        "outputs": {name: {"value": {"get_attr": [name, "show"]}} for name in resources},
    }


def get(name: str) -> dict[str, str]:
    return {"get_resource": name}


class Stacks:
    """What one user does with Heat."""

    def __init__(self, endpoint: str, user: User) -> None:
        self.user = user
        self._url = f"{endpoint}/v1/{user.project}"
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        done = self._session.request(
            method, f"{self._url}/{path}", json=body, params=query, headers=self.user.headers, timeout=PATIENCE_S
        )
        try:
            return Answer(done.status_code, done.json() if done.content else None)
        except ValueError:
            return Answer(done.status_code, done.text)

    def ask(self, template: Any, **parameters: str) -> Answer:
        """Ask for a stack."""
        body = {"stack_name": f"s{uuid.uuid4().hex}", "template": template, "parameters": parameters}
        return self.call("POST", "stacks", body)

    def create(self, template: Any, expect: str = "CREATE_COMPLETE", **parameters: str) -> str:
        """Make a stack and wait for it; its path."""
        answer = self.ask(template, **parameters)
        assert answer.status == 201, f"{answer.status} {answer.body}"
        stack = answer.body["stack"]
        path = stack["links"][0]["href"].removeprefix(f"{self._url}/")
        self.wait(path, expect)
        return str(path)

    def update(self, path: str, template: Any, expect: str = "UPDATE_COMPLETE", **more: Any) -> None:
        answer = self.call("PUT", path, {"template": template} | more)
        assert answer.status == 202, f"{answer.status} {answer.body}"
        self.wait(path, expect)

    def delete(self, path: str) -> None:
        answer = self.call("DELETE", path)
        assert answer.status == 204, f"{answer.status} {answer.body}"
        self.wait(path, "DELETE_COMPLETE")

    def wait(self, path: str, status: str) -> dict[str, Any]:
        def reached() -> dict[str, Any]:
            stack = self.call("GET", path).body["stack"]
            assert not stack["stack_status"].endswith("IN_PROGRESS"), stack["stack_status"]
            return dict(stack)

        stack = eventually(reached, within=PATIENCE_S, every=0.2)
        assert stack["stack_status"] == status, f"{stack['stack_status']}: {stack['stack_status_reason']}"
        return stack

    def outputs(self, path: str) -> dict[str, Any]:
        """The stack's outputs, read anew."""
        stack = self.call("GET", path, resolve_outputs=True).body["stack"]
        return {output["output_key"]: output["output_value"] for output in stack["outputs"]}

    def resource(self, path: str, name: str) -> dict[str, Any]:
        answer = self.call("GET", f"{path}/resources/{name}")
        assert answer.status == 200, answer.body
        return dict(answer.body["resource"])


class Orchestra(IdentityCloud):
    """A cloud with Heat."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.heat_port = free_port()
        self.heat_endpoint = f"http://127.0.0.1:{self.heat_port}"
        self._tokens: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}

    def start(self, **isthmus: Any) -> None:
        super().start(**isthmus)
        self.sql("CREATE DATABASE heat CHARACTER SET utf8mb4", database=None)
        self.person("heat", "service", "admin", "service")
        path = self.home / "etc/heat.conf"
        parser = configparser.RawConfigParser(default_section="none")
        parser.read_dict(self._heat_settings())
        with path.open("w") as file:
            parser.write(file)
        env = {"PYTHONWARNINGS": "ignore"}
        sync = [str(HEAT / "bin/heat-manage"), "--config-file", str(path), "db_sync"]
        done = subprocess.run(sync, capture_output=True, text=True, check=False, env=os.environ | env)
        assert done.returncode == 0, done.stdout + done.stderr
        engine = Path(__file__).parent / "one_process.py"
        command = [str(HEAT / "bin/python"), str(engine), str(self.heat_port), "--config-file", str(path)]
        heat = self._run("heat", *command, **env)

        def answers() -> None:
            heat.check()
            try:
                assert requests.get(self.heat_endpoint, timeout=10).status_code == 300
            except (requests.ConnectionError, requests.Timeout):
                raise AssertionError("Heat does not listen yet") from None

        eventually(answers, within=PATIENCE_S)

    def token(self, user: str, project: str) -> tuple[str, dict[str, Any]]:
        """Once for each: Keystone takes half a second to make one."""
        if (user, project) not in self._tokens:
            self._tokens[user, project] = super().token(user, project)
        return self._tokens[user, project]

    def _heat_settings(self) -> dict[str, dict[str, Any]]:
        heat = {
            "auth_type": "password",
            "auth_url": self.identity,
            "username": "heat",
            "password": PASSWORD,
            "user_domain_id": "default",
        }
        return {
            "DEFAULT": {
                "host": "control",
                "plugin_dirs": PLUGINS,
                "environment_dir": HEAT / "etc/heat/environment.d",
                "template_dir": HEAT / "etc/heat/templates",
                "auth_encryption_key": "0123456789abcdef0123456789abcdef",
                "region_name_for_services": REGION,
                "transport_url": "fake://",
                "error_wait_time": 2,
                "rpc_response_timeout": PATIENCE_S,
            },
            "database": {"connection": self.database_url.replace("/neutron?", "/heat?")},
            "paste_deploy": {"api_paste_config": HEAT / "etc/heat/api-paste.ini"},
            "keystone_authtoken": heat | {"project_name": "service", "project_domain_id": "default"},
            "trustee": heat,
            "clients_keystone": {"auth_uri": self.identity.removesuffix("/v3")},
            "oslo_messaging_notifications": {"driver": "noop"},
        }

    def stacks(self, user: User) -> Stacks:
        return Stacks(self.heat_endpoint, user)
