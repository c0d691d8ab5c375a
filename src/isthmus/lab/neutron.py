"""A cloud's Neutron: configuration files, schema, API under uWSGI, periodic workers, and the network `public`.

No Keystone (access.py stands in), no message queue: under ML2/OVN nothing of Neutron crosses a process by RPC.
"""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any

from isthmus.lab import mariadb
from isthmus.lab.access import ADMIN
from isthmus.lab.fault import PartFailed
from isthmus.lab.hypervisor import PHYSICAL_NETWORK
from isthmus.lab.places import Places
from isthmus.lab.plan import Programs, api, neutron_files, periodic_workers
from isthmus.lab.process import Processes
from isthmus.lab.topology import Cloud

SERVICE_PLUGINS = "ovn-router,bgpvpn"
IDENTITY = "/identity"
"""Where the API answers for projects (access.py), beside Neutron's own paths."""

API_ANSWERS_WITHIN_S = 90.0
"""A plugin that ends the process when loaded makes uWSGI start it anew for ever; somebody must give up."""


def neutron_conf(cloud: Cloud, vpn_mtu: int | None, places: Places) -> str:
    home = places.of(cloud.name)
    quotas = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
    unlimited = "\n".join(f"quota_{thing} = -1" for thing in quotas)
    return f"""[DEFAULT]
core_plugin = ml2
service_plugins = {SERVICE_PLUGINS}
auth_strategy = noauth
host = ctl-{cloud.name}
state_path = {home}/state
api_paste_config = {home}/etc/api-paste.ini
transport_url = fake://
rpc_workers = 0
rpc_state_report_workers = 0
agent_down_time = 20
dns_domain = lab.
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
use_stderr = true
[database]
connection = {mariadb.url(places, cloud.name)}
[oslo_concurrency]
lock_path = {home}/lock
[oslo_messaging_notifications]
driver = noop
[quotas]
{unlimited}
[isthmus]
site = {cloud.site}
{f"vpn_mtu = {vpn_mtu}" if vpn_mtu else ""}
"""


def ml2_conf(cloud: Cloud, places: Places) -> str:
    return f"""[ml2]
mechanism_drivers = ovn
type_drivers = local,flat,vlan,geneve
project_network_types = geneve
extension_drivers = port_security
overlay_ip_version = 4
[ml2_type_geneve]
vni_ranges = 1:65536
max_header_size = 38
[ml2_type_flat]
flat_networks = {PHYSICAL_NETWORK}
[ml2_type_vlan]
network_vlan_ranges = {PHYSICAL_NETWORK}:100:200
[securitygroup]
enable_security_group = true
[ovn]
ovn_nb_connection = unix:{places.northbound(cloud.name)}
ovn_sb_connection = unix:{places.southbound(cloud.name)}
ovn_metadata_enabled = false
enable_distributed_floating_ip = true
"""


def paste_ini(shipped: str, cloud: Cloud) -> str:
    """Neutron's own pipeline with the one change: who is asking is read from the request (access.py)."""
    lines = []
    for line in shipped.splitlines():
        if line.startswith("noauth = ") and "fake_project_id" in line:
            line = line.replace(" fake_project_id", "")
            line = line.replace(" extensions ", " lab_access keystonecontext extensions ")
        lines.append(line)
        if line.startswith("/v2.0:"):
            lines.append(f"{IDENTITY}: lab_projects")
    for section in ("filter:lab_access", "app:lab_projects"):
        kind = section.partition(":")[0]
        lines += ["", f"[{section}]", f"paste.{kind}_factory = isthmus.lab.access:{kind}_factory"]
        lines.append(f"tenants = {' '.join(cloud.tenants)}")
    return "\n".join([*lines, ""])


def write_configuration(cloud: Cloud, vpn_mtu: int | None, places: Places, programs: Programs) -> None:
    """All files; the directories Neutron expects."""
    home = places.of(cloud.name)
    for directory in ("etc", "state", "lock", "tmp", "tmp-periodic"):
        (home / directory).mkdir(parents=True, exist_ok=True)
    conf, ml2 = neutron_files(cloud, places)
    conf.write_text(neutron_conf(cloud, vpn_mtu, places))
    ml2.write_text(ml2_conf(cloud, places))
    shipped = programs.python_bin.parent / "etc/neutron/api-paste.ini"
    (home / "etc/api-paste.ini").write_text(paste_ini(shipped.read_text(), cloud))


def migrate(cloud: Cloud, processes: Processes, programs: Programs) -> None:
    """The schema, from empty to every installed project's head."""
    argv = [str(programs.python_bin / "neutron-db-manage")]
    for file in neutron_files(cloud, processes.places):
        argv += ["--config-file", str(file)]
    processes.run(
        f"database of {cloud.name}",
        [*argv, "upgrade", "heads"],
        timeout_s=120,
    )


def start(cloud: Cloud, processes: Processes, programs: Programs) -> None:
    """From a schema and a northbound database to an API that answers, and the periodic workers."""
    places = processes.places
    started = processes.start(api(cloud, places, programs))
    processes.until(
        f"Neutron {cloud.name}",
        f"GET http://127.0.0.1:{cloud.api_port}/v2.0/networks to answer 200",
        lambda: unanswered(cloud),
        within_s=API_ANSWERS_WITHIN_S,
        watch=[started],
    )
    processes.start(periodic_workers(cloud, places, programs))


def unanswered(cloud: Cloud) -> str | None:
    """None if the API answers as it should, else what it does instead."""
    try:
        status, answer = call(cloud, "GET", "/v2.0/networks")
    except OSError as error:
        return f"{error}"
    except http.client.HTTPException as error:
        return f"no HTTP answer: {error!r}"
    return None if status == 200 else f"{status}: {answer}"


def call(cloud: Cloud, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One request as admin, without the SDK's second of imports."""
    credentials = base64.b64encode(f"{ADMIN}:lab".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", cloud.api_port, timeout=30)
    try:
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except json.JSONDecodeError:
        return response.status, text[:300]


def make_public(cloud: Cloud, log: Path) -> None:
    """The external network: flat on br-ex, the internet host its gateway."""
    network = {
        "name": "public",
        "router:external": True,
        "shared": False,
        "provider:network_type": "flat",
        "provider:physical_network": PHYSICAL_NETWORK,
    }
    made = _create(cloud, "network", network, log)
    subnet = {
        "name": "public",
        "network_id": made["id"],
        "ip_version": 4,
        "cidr": str(cloud.external),
        "gateway_ip": str(cloud.internet_host),
        "enable_dhcp": False,
    }
    _create(cloud, "subnet", subnet, log)


def _create(cloud: Cloud, kind: str, body: dict[str, Any], log: Path) -> Any:
    status, answer = call(cloud, "POST", f"/v2.0/{kind}s", {kind: body})
    if status != 201:
        raise PartFailed(f"network public of {cloud.name}", f"POST {kind} to answer 201", f"{status}: {answer}", log)
    return answer[kind]


def clouds_yaml(clouds: tuple[Cloud, ...]) -> str:
    """The stock client's file: `a` is cloud a's admin, `a-tenant1` one of its tenants."""
    lines = ["clouds:"]
    for cloud in clouds:
        for user in (ADMIN, *cloud.tenants):
            lines += [
                f"  {cloud_name(cloud, user)}:",
                "    auth_type: http_basic",
                "    auth:",
                f"      username: {user}",
                "      password: lab",
                f"      endpoint: http://127.0.0.1:{cloud.api_port}",
                "    identity_api_version: '3'",
                f"    identity_endpoint_override: http://127.0.0.1:{cloud.api_port}{IDENTITY}/v3",
            ]
    return "\n".join([*lines, ""])


def cloud_name(cloud: Cloud, user: str) -> str:
    """The name of a user's entry in clouds.yaml."""
    return cloud.name if user == ADMIN else f"{cloud.name}-{user}"
