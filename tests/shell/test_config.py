"""The agent's file: what a good one says, and one sentence for everything that can be wrong in it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.bgp.family import EVPN, VPNV4, VPNV6
from isthmus.model.net import IpAddress
from isthmus.model.vpn import Encapsulation
from isthmus.node.config import Limits, Liveness
from isthmus.shell.agent import node_config
from isthmus.shell.config import Config, ConfigError, LocalSwitch, Reflector, Tls, parse, read
from isthmus.shell.tcp_guard import Guard
from tests.build import ip, rts
from tests.certificates import certificates

FILE = Path("/etc/isthmus/agent.toml")
EXAMPLE = Path(__file__).parent.parent.parent / "etc/agent.toml"
GOOD = """
[agent]
vtep = "192.0.2.11"
as = 64512
[[reflectors]]
address = "192.0.2.1"
as = 64512
[southbound]
endpoints = ["tcp:192.0.2.21:6642"]
"""


def good(change: Callable[[str], str] = lambda text: text) -> Config:
    return parse(change(GOOD), FILE)


def test_defaults() -> None:
    assert good() == Config(
        host=None,
        vtep=IpAddress.parse("192.0.2.11"),
        router_id=IpAddress.parse("192.0.2.11"),
        asn=64512,
        reflectors=(Reflector(IpAddress.parse("192.0.2.1"), 64512, 179, 30, 7 * 86400),),
        switch=LocalSwitch("unix:/run/openvswitch/db.sock", "br-vpn", "br-int", "", Path("/run/openvswitch")),
        southbound=("tcp:192.0.2.21:6642",),
        tls=None,
        socket=Path("/run/isthmus/agent.sock"),
        metrics=("127.0.0.1", 9179),  # type: ignore[arg-type]
        state=Path("/var/lib/isthmus"),
        limits=Limits(),
        liveness=Liveness.ON,
    )


def test_everything_can_be_said() -> None:
    config = parse(
        """
        agent = { host = "compute-1", vtep = "192.0.2.11", router_id = "192.0.2.99", as = 4200000000 }
        reflectors = [
          { address = "192.0.2.1", as = 64512, port = 1790, hold_time_s = 0, long_lived_s = 0 },
          { address = "192.0.2.2", as = 64513, hold_time_s = 65535 },
        ]
        [ovsdb]
        endpoint = "tcp:127.0.0.1:6640"
        bridge = "br-x"
        integration_bridge = "br-y"
        datapath_type = "netdev"
        run_dir = "/tmp/run"
        [southbound]
        endpoints = ["unix:/tmp/sb.sock", "tcp:[2001:db8::2]:6642"]
        [show]
        socket = "/tmp/a.sock"
        [metrics]
        listen = "[::1]:9000"
        [state]
        directory = "/tmp/state"
        [limits]
        routes_per_view = 1
        routes_per_peer = 2
        attachments = 3
        ports = 4
        """,
        FILE,
    )
    assert (config.host, str(config.router_id), config.asn) == ("compute-1", "192.0.2.99", 4200000000)
    assert [(str(r.address), r.asn, r.port, r.hold_time_s, r.long_lived_s) for r in config.reflectors] == [
        ("192.0.2.1", 64512, 1790, 0, 0),
        ("192.0.2.2", 64513, 179, 65535, 604800),
    ]
    assert config.switch == LocalSwitch("tcp:127.0.0.1:6640", "br-x", "br-y", "netdev", Path("/tmp/run"))
    assert config.southbound == ("unix:/tmp/sb.sock", "tcp:[2001:db8::2]:6642")
    assert (config.socket, config.metrics, config.state) == (Path("/tmp/a.sock"), ("::1", 9000), Path("/tmp/state"))
    assert config.limits == Limits(1, 2, 3, 4)


def test_metrics_can_be_switched_off() -> None:
    assert good(lambda text: text + '[metrics]\nlisten = ""').metrics.host == ""


def with_ssl(tls: Tls, more: str = "") -> Config:
    said = {"private_key": tls.private_key, "certificate": tls.certificate, "ca_cert": tls.ca_cert}
    lines = "".join(f'{key} = "{file}"\n' for key, file in said.items())
    return good(lambda text: (text if more else text.replace("tcp:", "ssl:")) + lines + more)


def test_certificates_are_taken_with_ssl(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    assert with_ssl(tls).tls == with_ssl(tls, '[ovsdb]\nendpoint = "ssl:127.0.0.1:6640"').tls == tls


def test_certificates_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
    ours, other = certificates(tmp_path / "ours"), certificates(tmp_path / "other")
    nonsense, locked = tmp_path / "nonsense.pem", tmp_path / "locked.pem"
    nonsense.write_text("PEM")
    encrypt = ["openssl", "pkey", "-in", str(ours.private_key), "-aes128", "-passout", "pass:word", "-out", str(locked)]
    subprocess.run(encrypt, check=True)
    for tls, sentence in (
        (replace(ours, ca_cert=nonsense), f"ca_cert must have certificates in PEM; {nonsense} has none"),
        (replace(ours, certificate=nonsense), f"certificate must have certificates in PEM; {nonsense} has none"),
        (
            replace(ours, private_key=other.private_key),
            f"private_key does not belong to certificate {ours.certificate}",
        ),
        (
            replace(ours, private_key=locked),
            f"private_key must have a key in PEM without a password; {locked} has none",
        ),
        (
            replace(ours, private_key=ours.certificate, certificate=ours.private_key),
            f"certificate must have certificates in PEM; {ours.private_key} has none",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            with_ssl(tls)
        assert str(caught.value) == f"{FILE}: southbound.{sentence}"


def test_paths_where_nothing_can_be_made_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for table, line, rule in (
        ("show", f'socket = "{tmp_path}"', f"socket must be a file's path; {tmp_path} is a directory"),
        ("show", f'socket = "{tmp_path}/file/x"', f"socket must be below directories; {tmp_path}/file is a file"),
        ("state", f'directory = "{tmp_path}/file"', f"directory must be below directories; {tmp_path}/file is a file"),
    ):
        with pytest.raises(ConfigError) as caught:
            good(_set(table, line))
        assert str(caught.value) == f"{FILE}: {table}.{rule}"


def _set(table: str, line: str) -> Callable[[str], str]:
    """Add a line at the head of a table, or the table with it."""
    header = f"[[{table}]]" if table == "reflectors" else f"[{table}]"
    key = line.split("=")[0].strip()

    def change(text: str) -> str:
        if header not in text:
            return f"{text}\n{header}\n{line}\n"
        head, _, tail = text.partition(header)
        ours, bracket, rest = tail.partition("\n[")
        ours = re.sub(rf"(?m)^{re.escape(key)} = .*$", "", ours)
        return f"{head}{header}\n{line}{ours}{bracket}{rest}"

    return change


def _without(line: str) -> Callable[[str], str]:
    return lambda text: text.replace(line, "")


WRONG = [
    (lambda _: "[agent", "not TOML: "),
    (_set("agent", f"as = {'9' * 5000}"), "not TOML: "),
    (lambda t: f"{t}deep = {'[' * 5000}", "not TOML: "),
    (_set("agent", "color = 1"), "agent.color is not a key of this table; known are as, host, router_id, vtep"),
    (
        lambda t: t + "[agents]",
        "agents is not a table of this file; known are agent, bgp, reflectors, clouds, ovsdb,",
    ),
    (lambda t: "agent = 3\n" + t.replace("[agent]", "[ovsdb]"), "agent must be a table"),
    (_set("agent", 'host = ""'), "agent.host must be a name without blanks and slashes, not ''"),
    (_set("agent", "host = 3"), "agent.host must be text, not 3"),
    (_without('vtep = "192.0.2.11"'), "agent.vtep is missing"),
    (_set("agent", 'vtep = "compute-1"'), "agent.vtep must be an IP address, not 'compute-1'"),
    (_set("agent", 'vtep = "192.0.2.0/24"'), "agent.vtep must be an IP address, not '192.0.2.0/24'"),
    (_set("agent", 'vtep = "224.0.0.1"'), "agent.vtep must be the address of one machine, not 224.0.0.1"),
    (_set("agent", 'vtep = "0.0.0.0"'), "agent.vtep must be the address of one machine, not 0.0.0.0"),
    (
        _set("agent", 'vtep = "2001:db8::1"'),
        "agent.vtep must be an IPv4 address, not 2001:db8::1: tunnels over IPv6 are not built yet",
    ),
    (
        _set("agent", 'router_id = "2001:db8::1"'),
        "agent.router_id must be written as an IPv4 address, not 2001:db8::1",
    ),
    (_set("agent", 'router_id = "0.0.0.0"'), "agent.router_id must be the address of one machine, not 0.0.0.0"),
    (
        _set("reflectors", 'address = "2001:db8::1"'),
        "reflectors #1.address must be an IPv4 address, not 2001:db8::1: BGP is spoken from the vtep",
    ),
    (
        _set("reflectors", 'address = "fe80::1%eth0"'),
        "reflectors #1.address must be an IPv4 address, not fe80::1%eth0: BGP is spoken from the vtep",
    ),
    (_set("agent", "as = 0"), "agent.as must be a number from 1 to 4294967295, not 0"),
    (_set("agent", "as = 4294967296"), "agent.as must be a number from 1 to 4294967295, not 4294967296"),
    (_set("agent", 'as = "64512"'), "agent.as must be a number from 1 to 4294967295, not '64512'"),
    (_set("agent", "as = true"), "agent.as must be a number from 1 to 4294967295, not True"),
    (
        lambda t: t.replace("[[reflectors]]", "[state]").replace('address = "192.0.2.1"\nas = 64512\n', ""),
        "reflectors must have at least one [[reflectors]] table",
    ),
    (lambda t: t.replace("[[reflectors]]", "[reflectors]"), "reflectors must have at least one [[reflectors]] table"),
    (_set("reflectors", 'address = "rr-1"'), "reflectors #1.address must be an IP address, not 'rr-1'"),
    (_without('address = "192.0.2.1"'), "reflectors #1.address is missing"),
    (
        _set("bgp", 'families = ["ipv4"]'),
        "bgp.families must be a list of at least one of evpn, vpnv4, vpnv6",
    ),
    (_set("bgp", 'families = [["evpn"]]'), "bgp.families must be a list of at least one of evpn, vpnv4, vpnv6"),
    (_set("bgp", "families = [{}]"), "bgp.families must be a list of at least one of evpn, vpnv4, vpnv6"),
    (_set("bgp", "families = []"), "bgp.families must be a list of at least one of evpn, vpnv4, vpnv6"),
    (_set("bgp", "multipath = 9"), "bgp.multipath must be a number from 1 to 8, not 9"),
    (
        _set("bgp", 'prefer = ["mpls"]'),
        "bgp.prefer must be a list of vxlan and mpls, the preferred first",
    ),
    (
        _set("reflectors", "families = [3]"),
        "reflectors #1.families must be a list of at least one of evpn",
    ),
    (_set("reflectors", "port = 0"), "reflectors #1.port must be a number from 1 to 65535, not 0"),
    (_set("reflectors", "hold_time_s = 2"), "reflectors #1.hold_time_s must be 0 or a number from 3 to 65535, not 2"),
    (_set("reflectors", "hold_time_s = 65536"), "reflectors #1.hold_time_s must be 0 or a number from 3 to 65535, not"),
    (_set("reflectors", "long_lived_s = 16777216"), "reflectors #1.long_lived_s must be a number from"),
    (_set("reflectors", "hold_time_s = 3.5"), "reflectors #1.hold_time_s must be 0 or a number from 3 to 65535, not"),
    (_set("reflectors", "md5_password = 3"), "reflectors #1.md5_password must be text"),
    (_set("reflectors", f'md5_password = "{"x" * 81}"'), "reflectors #1.md5_password must have at most 80 bytes, all"),
    (_set("reflectors", 'md5_password = "a\\nb"'), "reflectors #1.md5_password must have at most 80 bytes, all"),
    (_set("reflectors", "ttl_security_hops = 255"), "reflectors #1.ttl_security_hops must be a number from 0 to 254"),
    (_set("reflectors", "allow_own_as = 11"), "reflectors #1.allow_own_as must be a number from 0 to 10, not 11"),
    (
        _set("reflectors", 'accept_targets = "64512:1"'),
        "reflectors #1.accept_targets must be a list of route targets, such as 64512:5, 64512:100-199 or 64512:*",
    ),
    (
        _set("reflectors", 'accept_targets = ["64512"]'),
        "reflectors #1.accept_targets must be a list of route targets, such as 64512:5, 64512:100-199 or 64512:*: '",
    ),
    (
        _set("reflectors", 'announce_targets = ["64512:9-8"]'),
        "reflectors #1.announce_targets must be a list of route targets, such as 64512:5, 64512:100-199 or 64512:*: '",
    ),
    (
        _set("reflectors", 'tunnel_endpoints = ["172.30.2.1/24"]'),
        "reflectors #1.tunnel_endpoints must be a list of IPv4 prefixes: '172.30.2.1/24' is not an IP prefix",
    ),
    (
        _set("reflectors", 'tunnel_endpoints = ["2001:db8::/64"]'),
        "reflectors #1.tunnel_endpoints must be a list of IPv4 prefixes: tunnels over IPv6 are not built yet",
    ),
    (_set("reflectors", "hold = 9"), "reflectors #1.hold is not a key of this table; known are accept_prefixes,"),
    (
        lambda t: t + '[[reflectors]]\naddress = "192.0.2.1"\nas = 1',
        "reflectors #2.address 192.0.2.1 is already another reflector's",
    ),
    (lambda t: t + "[clouds]", "clouds must be [[clouds]] tables"),
    (lambda t: t + "[[clouds]]", "clouds #1.as is missing"),
    (lambda t: t + "[[clouds]]\nas = 64512", "clouds #1.as 64512 is our own: by its AS such a cloud is not told from"),
    (lambda t: t + "[[clouds]]\nas = 1\n[[clouds]]\nas = 1", "clouds #2.as 1 is already another cloud's"),
    (
        lambda t: t + '[[clouds]]\nas = 1\nannounce_targets = ["1:1"]',
        "clouds #1.announce_targets is not a key of this table; known are accept_prefixes, accept_targets, as,",
    ),
    (
        lambda t: t + '[[clouds]]\nas = 1\naccept_prefixes = ["10.0.0.1/8"]',
        "clouds #1.accept_prefixes must be a list of prefixes: '10.0.0.1/8' is not an IP prefix",
    ),
    (_set("ovsdb", 'endpoint = "/run/db.sock"'), "ovsdb.endpoint must be unix:/<path>, tcp:<host>:<port> or ssl:"),
    (_set("ovsdb", 'endpoint = "unix:db.sock"'), "ovsdb.endpoint must be unix:/<path>, tcp:<host>:<port> or ssl:"),
    (_set("ovsdb", 'bridge = "br vpn"'), "ovsdb.bridge must be a name without blanks and slashes, not 'br vpn'"),
    (_set("ovsdb", 'bridge = "br-int"'), "ovsdb.bridge must be another bridge than integration_bridge"),
    (_set("ovsdb", 'bridge = "a-very-long-name"'), "ovsdb.bridge must have at most 15 characters"),
    (_set("ovsdb", 'datapath_type = "dpdk"'), "ovsdb.datapath_type must be 'system', 'netdev' or empty"),
    (_set("ovsdb", 'run_dir = "run"'), "ovsdb.run_dir must be an absolute path, not 'run'"),
    (_without('endpoints = ["tcp:192.0.2.21:6642"]'), "southbound.endpoints is missing"),
    (_set("southbound", "endpoints = []"), "southbound.endpoints must be a list with at least one endpoint"),
    (_set("southbound", 'endpoints = "tcp:a:1"'), "southbound.endpoints must be a list with at least one endpoint"),
    (_set("southbound", 'endpoints = ["tcp:192.0.2.21"]'), "southbound.endpoints must be unix:/<path>, tcp:<host>:"),
    (_set("southbound", 'endpoints = ["tcp:a:70000"]'), "southbound.endpoints must be unix:/<path>, tcp:<host>:"),
    (_set("southbound", 'endpoints = ["tcp:192.0.2.999:1"]'), "southbound.endpoints must be unix:/<path>, tcp:<host>:"),
    (_set("southbound", 'endpoints = ["tcp:2001:db8::1:9"]'), "southbound.endpoints must be unix:/<path>, tcp:<host>:"),
    (_set("southbound", 'endpoints = ["ssl:a:6642"]'), "southbound.private_key is missing"),
    (_set("southbound", 'ca_cert = "/etc/ca.pem"'), "southbound.ca_cert has no use: no endpoint begins with ssl:"),
    (
        lambda t: t.replace("tcp:", "ssl:") + 'private_key = "/nowhere/key.pem"',
        "southbound.private_key must be a file that can be read; /nowhere/key.pem is not",
    ),
    (_set("show", 'socket = "agent.sock"'), "show.socket must be an absolute path, not 'agent.sock'"),
    (_set("show", f'socket = "/{"x" * 107}"'), "show.socket must have at most 107 bytes: no socket has a longer path"),
    (_set("show", 'socket = "/tmp/a\\u0000"'), "show.socket must be an absolute path, not '/tmp/a"),
    (_set("metrics", 'listen = "9179"'), "metrics.listen must be <address>:<port> or empty, not '9179'"),
    (_set("metrics", 'listen = "localhost:9179"'), "metrics.listen must be <address>:<port> or empty, not 'localhost:"),
    (_set("metrics", 'listen = "127.0.0.1:99999"'), "metrics.listen must be <address>:<port> or empty, not '127.0.0."),
    (_set("state", f'directory = "/{"x" * 256}"'), "state.directory must have no part of more than 255 bytes"),
    (_set("state", 'directory = "lib"'), "state.directory must be an absolute path, not 'lib'"),
    (
        lambda t: t + "[limits]\nroutes_per_view = 0",
        "limits.routes_per_view must be a number from 1 to 10000000",
    ),
    (lambda t: t + "[limits]\npaths_per_target = 1", "limits.paths_per_target must be a number from 2 to 10000000"),
    (lambda t: t + "[limits]\nattachments = 1.5", "limits.attachments must be a number from 1 to 10000000, not 1.5"),
    (lambda t: t + "[liveness]\nmode = false", "liveness.mode must be one of on, warn, off, not False"),
    (
        lambda t: t + "[limits]\nroutes = 9",
        "limits.routes is not a key of this table; known are attachments,",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[s[:60] for _, s in WRONG])
def test_every_fault_is_one_sentence_with_file_key_and_rule(change: Callable[[str], str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        good(change)
    assert str(caught.value).startswith(f"{FILE}: {sentence}")
    assert "\n" not in str(caught.value)


def test_how_far_a_reflector_is_trusted() -> None:
    line = 'accept_targets = ["64513:*", "64512:5", "64512:100-199"]'
    more = 'tunnel_endpoints = ["172.30.2.0/24"]\nmd5_password = "between us"\nttl_security_hops = 2\nallow_own_as = 1'
    (one,) = good(_set("reflectors", f"{line}\n{more}")).reflectors
    assert one.guard == Guard("between us", 2)
    assert one.trust.announce_targets is None and one.trust.allow_own_as == 1
    said = frozenset(rts("64513:4294967295", "64512:5", "64512:6", "64512:100", "64512:199", "64512:200", "65535:4789"))
    assert said - one.trust.accepted(said) == frozenset(rts("64512:6", "64512:200"))
    assert one.trust.may_end_at(ip("172.30.2.9")) and not one.trust.may_end_at(ip("172.30.3.9"))


def test_what_is_spoken_is_said_for_all_or_for_one() -> None:
    text = GOOD.replace("[southbound]", '[[reflectors]]\naddress = "192.0.2.2"\nas = 64512\n[southbound]')
    config = parse(text + '[bgp]\nfamilies = ["vpnv4", "evpn"]\nprefer = ["mpls", "vxlan"]', FILE)
    assert [r.families for r in config.reflectors] == [(EVPN, VPNV4)] * 2
    assert config.prefer == (Encapsulation.MPLS_IN_GRE, Encapsulation.VXLAN)
    assert good().multipath == 1
    spoken = node_config(good(_set("bgp", 'multipath = 2\nprefer = ["mpls", "vxlan"]')), generation=1).speaker
    assert (spoken.multipath, spoken.prefer) == (2, config.prefer)
    text = text.replace('address = "192.0.2.2"', 'address = "192.0.2.2"\nfamilies = ["vpnv4", "vpnv6"]')
    assert [r.families for r in parse(text, FILE).reflectors] == [(EVPN,), (VPNV4, VPNV6)]


def test_a_password_is_shown_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(_set("reflectors", 'md5_password = "between us"')(GOOD))
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"agent\.toml: has an md5_password and is readable by everybody; chmod o-r"):
        read(file)
    file.chmod(0o640)
    assert "between us" not in repr(read(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml: cannot be read: No such file or directory"):
        read(tmp_path / "agent.toml")
    (tmp_path / "agent.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"agent\.toml: not UTF-8 text"):
        read(tmp_path / "agent.toml")


def test_the_example_differs_from_a_good_file_only_in_its_certificates() -> None:
    text = EXAMPLE.read_text()
    assert (
        good().switch
        == parse(
            re.sub(r"(?m)^(private_key|certificate|ca_cert) = .*$", "", text).replace("ssl:", "tcp:"), EXAMPLE
        ).switch
    )
    # Every default that the example shows is the default.
    shown = re.sub(r"(?m)^# (\w+ = )", r"\1", text).replace("ssl:", "tcp:")
    shown = re.sub(r"(?m)^(private_key|certificate|ca_cert|host) = .*$", "", shown)
    plain = re.sub(r"(?m)^(private_key|certificate|ca_cert) = .*$", "", text).replace("ssl:", "tcp:")
    assert parse(shown, EXAMPLE) == parse(plain, EXAMPLE)
