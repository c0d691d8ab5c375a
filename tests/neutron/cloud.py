"""A private cloud for tests: MariaDB, OVN central and a real Neutron (uWSGI, ML2/OVN), on unix sockets in one folder.

There is no Keystone: project, user and roles come from request headers, so that every role can be tried. Nothing is
read from or written to the machine's own databases, and only processes started here are ended.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pymysql
import requests

from isthmus.model.intent import AttachmentIntent, bgpvpn_port, read_attachment, read_bgpvpn, resolve
from tests.eventually import eventually
from tests.ports import check_free, free_port

BIN = Path(sys.prefix) / "bin"
SCHEMAS = Path("/usr/share/ovn")
TOOLS = ("mariadbd", "mariadb-install-db", "ovsdb-server", "ovsdb-tool", "ovn-northd", "ovn-nbctl", "uwsgi")


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@dataclass
class Process:
    """One server, its log, and its end."""

    name: str
    command: Sequence[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            env = os.environ | self.env
            self.running = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )

    def check(self) -> None:
        assert self.running is not None
        if self.running.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.running.returncode}: {self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """At once: whatever it keeps is thrown away, and what must survive an abrupt end is tested so."""
        if self.running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None  # its number may become another's


KINDS = ("Switch", "Switch_Port", "Router", "Router_Port", "Router_Policy", "Router_Static_Route")
TABLES = tuple(f"Logical_{kind}" for kind in KINDS)


class Northbound:
    """The northbound database as its server has it now: read by one OVSDB transaction, changed by `ovn-nbctl`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, *words: str) -> str:
        command = ["ovn-nbctl", f"--db=unix:{self._path}", "--timeout=40", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def tables(self, *names: str) -> dict[str, list[dict[str, Any]]]:
        operations = [{"op": "select", "table": name, "where": []} for name in names]
        request = {"method": "transact", "params": ["OVN_Northbound", *operations], "id": 0}
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self._path))
            connection.sendall(json.dumps(request).encode())
            answer = _read_json(connection)
        assert not answer["error"], answer
        return {
            name: [{column: _decode(value) for column, value in row.items()} for row in found["rows"]]
            for name, found in zip(names, answer["result"], strict=True)
        }

    def ours(self) -> list[str]:
        """Everything that bears our mark, as text."""
        found = []
        for table, rows in self.tables(*TABLES).items():
            for row in rows:
                if "isthmus" in json.dumps(row):
                    name = row.get("name") or row.get("match") or row.get("ip_prefix")
                    found.append(f"{table} {name} {row['external_ids'].get('isthmus:attachment')}")
        return sorted(found)

    def router(self, name: str) -> dict[str, Any]:
        """A logical router with its ports, policies and routes in place of their uuids."""
        tables = self.tables(*TABLES)
        [router] = [r for r in tables["Logical_Router"] if r["name"] == name]
        for column, table in {
            "ports": "Logical_Router_Port",
            "policies": "Logical_Router_Policy",
            "static_routes": "Logical_Router_Static_Route",
        }.items():
            router[column] = [row for row in tables[table] if row["_uuid"] in _listed(router[column])]
        return router

    def switch(self, name: str) -> dict[str, dict[str, Any]]:
        """The ports of a logical switch by name."""
        tables = self.tables(*TABLES)
        [switch] = [s for s in tables["Logical_Switch"] if s["name"] == name]
        ports = tables["Logical_Switch_Port"]
        return {row["name"]: row for row in ports if row["_uuid"] in _listed(switch["ports"])}

    def intent(self, place: str) -> AttachmentIntent:
        """What the nodes read of an attachment, whatever the form of its rows."""
        tables = self.tables("Logical_Switch_Port")["Logical_Switch_Port"]
        rows = {row["name"]: row["external_ids"] for row in tables if row["name"].startswith("isthmus-")}
        read = read_attachment(rows[f"isthmus-ac-{place}"])
        return resolve(read, {b: read_bgpvpn(rows[port]) for b in read.bgpvpns if (port := bgpvpn_port(b)) in rows})

    def make_holders(self) -> None:
        """What the rows of BGPVPNs hang on."""
        for digit in "0123456789abcdef":
            name = f"isthmus-vpns-{digit}"
            ids = 'external_ids:"isthmus:kind"=vpns'
            self.run("--may-exist", "ls-add", name, "--", "set", "Logical_Switch", name, ids)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_json(connection: socket.socket) -> Any:
    read = b""
    while True:
        part = connection.recv(1 << 16)
        assert part, f"the server hung up after {read!r}"
        read += part
        with contextlib.suppress(ValueError):
            return json.loads(read)


def _decode(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2:
        kind, content = value
        if kind == "map":
            return {_decode(k): _decode(v) for k, v in content}
        if kind == "set":
            return [_decode(v) for v in content]
        if kind == "uuid":
            return content
    return value


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def message(self) -> str:
        error = self.body.get("NeutronError", self.body) if isinstance(self.body, dict) else self.body
        return str(error.get("message", error)) if isinstance(error, dict) else str(error)

    @property
    def kind(self) -> str:
        error = self.body["NeutronError"]
        return str(error["type"]) if isinstance(error, dict) else ""


class User:
    """Somebody who talks to the API."""

    timeout: ClassVar[float] = 60

    def __init__(self, endpoint: str, project: str, roles: str) -> None:
        self.endpoint, self.project = endpoint, project
        self.headers = {"X-User-Id": f"u-{project}", "X-Project-Id": project, "X-Roles": roles}
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        done = self._session.request(
            method,
            f"{self.endpoint}/v2.0/{path}",
            params=query or None,
            data=data,
            headers=self.headers | {"Content-Type": "application/json"},
            timeout=self.timeout,
        )
        try:
            return Answer(done.status_code, done.json() if done.content else None)
        except ValueError:
            return Answer(done.status_code, done.text)

    def make(self, path: str, **attributes: Any) -> dict[str, Any]:
        """Create something by Neutron's rule of names; it must succeed."""
        collection = path.rsplit("/", 1)[-1]
        resource = collection[:-1].replace("-", "_")
        answer = self.call("POST", path, {resource: attributes})
        assert answer.status == 201, f"POST {path} {attributes}: {answer.status} {answer.message}"
        return dict(answer.body[resource])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.message}"
        return next(iter(answer.body.values()))

    def put(self, path: str, body: Any) -> Any:
        answer = self.call("PUT", path, body)
        assert answer.status == 200, f"PUT {path} {body}: {answer.status} {answer.message}"
        return answer.body

    def delete(self, path: str) -> None:
        answer = self.call("DELETE", path)
        assert answer.status == 204, f"DELETE {path}: {answer.status} {answer.message}"

    # ------------------------------------------------------------------------------------ made again and again

    def network(self, *subnets: dict[str, Any], **attributes: Any) -> dict[str, Any]:
        network = self.make("networks", name="n", **attributes)
        network["subnet_ids"] = [self.make("subnets", network_id=network["id"], **s)["id"] for s in subnets]
        return network

    def plug(self, router: str, subnet: str) -> Answer:
        return self.call("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})

    def unplug(self, router: str, subnet: str) -> Answer:
        return self.call("PUT", f"routers/{router}/remove_router_interface", {"subnet_id": subnet})


V4 = {"ip_version": 4, "cidr": "10.1.0.0/24"}
V6 = {"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


class Cloud:
    """One Neutron with what it needs, under `home`."""

    def __init__(self, home: Path, *, processes: int = 2, bin_: Path = BIN) -> None:
        self.home, self.bin = home, bin_
        self.sockets = {n: home / f"{n}.sock" for n in ("mysql", "nb", "sb")}
        self.northbound = Northbound(self.sockets["nb"])
        self._processes: list[Process] = []
        self._api_processes = processes
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return f"mysql+pymysql://root@/neutron?unix_socket={self.sockets['mysql']}&charset=utf8mb3"

    # ------------------------------------------------------------------------------------ its life

    def start(self, **isthmus: Any) -> None:
        for folder in ("etc", "log", "state", "lock", "tmp", "data"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self._start_ovn()
        self._start_database()
        self.write_configuration(isthmus)
        self.manage("upgrade", "heads")
        self.start_api()

    def write_in_form(self, form: int) -> None:
        """As the worker does when it has heard of all agents what they read."""
        if form > 1:
            self.northbound.make_holders()
        self.sql("REPLACE INTO isthmus_intent_forms (id, form) VALUES (1, %s)", form)

    @property
    def form(self) -> int:
        return int((self.sql("SELECT form FROM isthmus_intent_forms") or [(1,)])[0][0])

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()

    def process(self, name: str) -> Process:
        """The last one of this name that was started."""
        return [p for p in self._processes if p.name == name][-1]

    def _run(self, name: str, *command: str, **env: str) -> Process:
        process = Process(name, command, self.home / "log" / f"{name}.out", env)
        process.start()
        self._processes.append(process)
        return process

    def _start_ovn(self) -> None:
        where = {f"{p}_{w}": str(self.home) for p in ("OVS", "OVN") for w in ("RUNDIR", "LOGDIR", "DBDIR")}
        for short in ("nb", "sb"):
            database = self.home / f"{short}.db"
            subprocess.run(
                ["ovsdb-tool", "create", database, SCHEMAS / f"ovn-{short}.ovsschema"],
                check=True,
                env=os.environ | where,
            )
            remote, control = f"--remote=punix:{self.sockets[short]}", f"--unixctl={self.home / short}.ctl"
            self._run(f"ovsdb-{short}", "ovsdb-server", remote, control, str(database), **where)
        eventually(lambda: _exists(self.sockets["nb"], self.sockets["sb"]))
        self.northbound.run("init")
        subprocess.run(["ovn-sbctl", f"--db=unix:{self.sockets['sb']}", "init"], check=True)
        self._run(
            "northd",
            "ovn-northd",
            f"--ovnnb-db=unix:{self.sockets['nb']}",
            f"--ovnsb-db=unix:{self.sockets['sb']}",
            f"--unixctl={self.home}/northd.ctl",
            **where,
        )

    def _start_database(self) -> None:
        options = {
            "datadir": self.home / "data",
            "socket": self.sockets["mysql"],
            "pid-file": self.home / "mysqld.pid",
            "user": "root",
            "innodb-buffer-pool-size": "64M",
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-doublewrite": 0,
            "max-connections": 300,
        }
        arguments = ["--no-defaults", *(f"--{k}={v}" for k, v in options.items())]
        install = ["mariadb-install-db", *arguments, "--auth-root-authentication-method=normal"]
        done = subprocess.run(install, capture_output=True, text=True)
        assert done.returncode == 0, f"mariadb-install-db: {(done.stdout + done.stderr)[-2000:]}"
        self._run("mariadb", "mariadbd", *arguments, "--skip-networking", "--skip-name-resolve")
        eventually(self._database_answers, within=30)
        self.sql("CREATE DATABASE neutron CHARACTER SET utf8mb3", database=None)

    def _database_answers(self) -> None:
        command = ["mariadb-admin", "--no-defaults", f"--socket={self.sockets['mysql']}", "--user=root", "ping"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0, "MariaDB does not answer"

    def sql(self, statement: str, *values: Any, database: str | None = "neutron") -> list[tuple[Any, ...]]:
        with (
            contextlib.closing(
                pymysql.connect(unix_socket=str(self.sockets["mysql"]), user="root", database=database, autocommit=True)
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def until_one_waits(self) -> None:
        """For a lock, in the database. InnoDB shows what it has shown before to whoever asks again within a tenth of a
        second, so asking faster would never see anything new."""

        def waits() -> None:
            assert self.sql("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"), "nobody waits"

        eventually(waits, every=0.3)

    # ------------------------------------------------------------------------------------ Neutron

    def write_configuration(self, isthmus: dict[str, Any], name: str = "neutron.conf") -> Path:
        (self.home / "etc/api-paste.ini").write_text(self.paste())
        parser = configparser.RawConfigParser(default_section="none")
        parser.read_dict(self.settings(isthmus))
        path = self.home / "etc" / name
        with path.open("w") as file:
            parser.write(file)
        return path

    def paste(self) -> str:
        """Without Keystone: who asks is what the headers say."""
        paste = (self.bin.parent / "etc/neutron/api-paste.ini").read_text()
        before = "fake_project_id catch_errors osprofiler"
        assert before in paste
        return paste.replace(before, "catch_errors osprofiler keystonecontext")

    def settings(self, isthmus: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return _settings(self.home, self.sockets, self.database_url) | {"isthmus": {"site": "64512:1"} | isthmus}

    @property
    def _config(self) -> str:
        return str(self.home / "etc/neutron.conf")

    def manage(self, *words: str) -> str:
        command = [str(self.bin / "neutron-db-manage"), "--config-file", self._config, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start_api(self) -> Process:
        eventually(lambda: check_free(self.port))
        # Neutron elects its first worker by files in TMPDIR: one folder a start.
        temporary = self.home / "tmp" / str(len(self._processes))
        temporary.mkdir()
        env = {
            "OS_NEUTRON_CONFIG_FILES": self._config,
            "TMPDIR": str(temporary),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "ignore",
        }
        api = self._run(
            "api",
            *(
                "uwsgi",
                "--plugin",
                "python3",
                "--virtualenv",
                str(self.bin.parent),
                "--module",
                "neutron.wsgi.api:application",
            ),
            *("--http-socket", f"127.0.0.1:{self.port}", "--add-header", "Connection: close", "--buffer-size", "65535"),
            *("--master", "--processes", str(self._api_processes), "--threads", "4", "--enable-threads"),
            *("--lazy-apps", "--die-on-term", "--need-app", "--thunder-lock"),
            **env,
        )
        eventually(lambda: self._api_answers(api), within=180)
        return api

    @property
    def log_size(self) -> int:
        """Where the API's log ends now, in bytes."""
        return self._log.stat().st_size

    def logged(self, *words: str, since: int = 0) -> list[str]:
        """The lines of the API's log with one of the words."""
        lines = self._log.read_bytes()[since:].decode(errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in words)]

    @property
    def _log(self) -> Path:
        return self.home / "log/api.out"

    def kill_api(self) -> None:
        """At once, whatever it was doing."""
        for process in self._processes:
            if process.name == "api":
                process.stop()

    def command(self, name: str, *words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One of the programs beside Neutron, with its configuration files."""
        line = [str(self.bin / name), "--config-file", str(config or self._config), *words]
        env = os.environ | {"PYTHONWARNINGS": "ignore", "TMPDIR": str(self.home / "tmp")}
        return subprocess.run(line, capture_output=True, text=True, check=False, env=env, timeout=180)

    def _api_answers(self, api: Process) -> None:
        api.check()
        try:
            assert self.user("probe").call("GET", "networks").status == 200
        except (requests.ConnectionError, requests.Timeout):
            raise AssertionError("the API does not answer yet") from None

    def periodic_workers(self, **isthmus: Any) -> Process:
        """The process that makes the full passes, with options of its own."""
        path = self.write_configuration(isthmus, "workers.conf")
        command = [str(self.bin / "neutron-periodic-workers"), "--config-file", str(path)]
        return self._run("periodic-workers", *command, PYTHONWARNINGS="ignore", TMPDIR=str(self.home / "tmp"))

    def user(self, project: str, roles: str = "member,reader") -> User:
        return User(self.endpoint, project, roles)

    @property
    def admin(self) -> User:
        return self.user("admin", "admin,member,reader")


def _settings(home: Path, sockets: dict[str, Path], url: str) -> dict[str, dict[str, Any]]:
    quotas = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
    return {
        "DEFAULT": {
            "core_plugin": "ml2",
            "service_plugins": "ovn-router,bgpvpn",
            "auth_strategy": "noauth",
            "host": "control",
            "state_path": home / "state",
            "api_paste_config": home / "etc/api-paste.ini",
            "transport_url": "fake://",
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
        },
        "database": {"connection": url},
        "oslo_concurrency": {"lock_path": home / "lock"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "quotas": {f"quota_{name}": -1 for name in quotas},
        "ml2": {
            "mechanism_drivers": "ovn",
            "type_drivers": "local,flat,vlan,geneve",
            "project_network_types": "geneve",
            "extension_drivers": "port_security",
            "overlay_ip_version": 4,
        },
        "ml2_type_geneve": {"vni_ranges": "1:65536", "max_header_size": 38},
        "ml2_type_flat": {"flat_networks": "public,other"},
        "ml2_type_vlan": {"network_vlan_ranges": "public:100:200"},
        "ovn": {
            "ovn_nb_connection": f"unix:{sockets['nb']}",
            "ovn_sb_connection": f"unix:{sockets['sb']}",
            "ovn_metadata_enabled": "false",
        },
    }


def _exists(*paths: Path) -> None:
    for path in paths:
        assert path.exists(), f"{path} is not there"
