#!/bin/sh
# networking-bagpipe with the ExaBGP that it asks for never opens a connection to its BGP peer.
#
# With:     networking-bagpipe 25.0.0, ExaBGP 5.0.15 (PyPI); its metadata asks for exabgp>=5.0.1
# Expected: RFC 4271 section 8: a speaker that is not passive connects to its peer.
# Seen:     the peer's address and the MD5 address are set as attributes of ExaBGP's neighbour, which is a mapping since 5.0;
#           ExaBGP finds none there and raises AttributeError before it opens a socket. The listener hears nothing.
# Matters:  after the upgrade a hypervisor with bagpipe is alive, attaches ports, and is in no VPN.
#
# The worker that speaks BGP is run as it is; only the options it reads are given by hand, for the rest of bagpipe wants
# Neutron.
set -eu
[ "${1:-}" = inside ] || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  python3 -m pip install -qq --no-deps --target "$work" networking-bagpipe==25.0.0
  python3 -m pip install -qq --target "$work" exabgp==5.0.15 oslo.config==10.7.0 oslo.log==8.3.2 oslo.serialization==5.11.0 netaddr==1.3.0 2>"$work/pip.log"
  unshare -n sh "$0" inside "$work" && exit 0 || exit $?
}
ip link set lo up
PYTHONPATH=$2 python3 -W ignore - <<'PYTHON'
import os
import socket
import sys
import threading
from importlib.metadata import requires
from unittest import mock
from networking_bagpipe.bagpipe_bgp.engine import exabgp_peer_worker
from oslo_config import cfg

cfg.CONF.register_opts([cfg.StrOpt("local_address", default="127.0.0.3"), cfg.IntOpt("my_as", default=64512),
                        cfg.PortOpt("bgp_port", default=1790), cfg.BoolOpt("enable_rtc", default=True)], "BGP")
cfg.CONF([], project="bagpipe")
print("it asks for", [each for each in requires("networking-bagpipe") if each.startswith("exabgp")])
listener = socket.create_server(("127.0.0.2", 1790))
listener.settimeout(10)
errors = []

def speak():
    try:
        exabgp_peer_worker.setup_exabgp_env()
        exabgp_peer_worker.ExaBGPPeerWorker(mock.Mock(), "127.0.0.2")._initiate_connection()
    except Exception as error:
        errors.append(error)
        print(f"{type(error).__name__}: {error}")

threading.Thread(target=speak, daemon=True).start()
try:
    listener.accept()
    connected = True
except TimeoutError:
    connected = False
print("the peer hears", "a connection" if connected else "nothing in ten seconds")
sys.stdout.flush()
if connected or not errors or not isinstance(errors[0], AttributeError):
    print("changed: bagpipe now connects, or fails otherwise", file=sys.stderr)
    os._exit(1)
os._exit(0)
PYTHON
