"""One private MariaDB for all clouds, a schema each; reachable by its unix socket alone.

Durability is switched off: the data does not outlive the lab.
"""

from __future__ import annotations

import getpass

from isthmus.lab.places import Places
from isthmus.lab.plan import mariadb
from isthmus.lab.process import Processes, listening
from isthmus.lab.topology import Topology

PART = "MariaDB"


def schema(cloud: str) -> str:
    return f"neutron_{cloud}"


def url(places: Places, cloud: str) -> str:
    """Where SQLAlchemy finds a cloud's schema."""
    return f"mysql+pymysql://root@/{schema(cloud)}?unix_socket={places.mysql_socket}&charset=utf8mb3"


def configuration(places: Places) -> str:
    home = places.mysql
    return f"""[mysqld]
datadir={home}/data
socket={places.mysql_socket}
pid-file={home}/mysqld.pid
user={getpass.getuser()}
skip-networking
skip-name-resolve
skip-log-bin
max_connections=300
innodb_buffer_pool_size=128M
innodb_log_file_size=48M
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
performance_schema=off
"""


def start(topology: Topology, processes: Processes) -> None:
    """From nothing to an empty schema per cloud."""
    places = processes.places
    places.mysql.mkdir(parents=True)
    config = places.mysql / "my.cnf"
    config.write_text(configuration(places))
    install = ["mariadb-install-db", f"--defaults-file={config}", "--auth-root-authentication-method=normal"]
    processes.run(PART, [*install, "--skip-test-db"])
    started = processes.start(mariadb(places))
    processes.until(
        PART,
        "the server to listen on its socket",
        lambda: listening(places.mysql_socket),
        within_s=30,
        watch=[started],
    )
    statements = "".join(f"create database {schema(c.name)} character set utf8mb3;\n" for c in topology.clouds)
    processes.run(PART, ["mariadb", "--no-defaults", f"--socket={places.mysql_socket}", "-uroot"], stdin=statements)
