#!/bin/sh
# The Python parser of OpenFlow flows leaves a port's quotes in the match and takes them off in the action.
#
# With:     ovs 4.0.0 (PyPI), on what Open vSwitch 3.1.0-2+deb12u1 (Debian 12) prints
# Expected: ovs-ofctl(8), --names: port names stand instead of numbers, in double quotes where they would be misread;
#           ovs.flow.ofp.OFPFlow reads what `ovs-ofctl dump-flows` prints. One name is one value, wherever it stands.
# Seen:     in_port="tap0a1b2c3d-4e" is read as the 16 characters with their quotes, output:"tap0a1b2c3d-4e" as the 14
#           without. A name without a hyphen, p1, is the same in both.
# Matters:  all ports that Neutron makes (tap, qvo, patch) have a hyphen in their names: a script that looks for the flows
#           of a port finds what leaves through it, and nothing that comes in.
set -eu
[ "$(dpkg-query -W -f '${Version}' openvswitch-switch)" = 3.1.0-2+deb12u1 ] || { echo "this was seen with Open vSwitch 3.1.0" >&2; exit 2; }
[ "${1:-}" = inside ] || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  python3 -m pip install -qq --target "$work" "ovs[flow]==4.0.0"
  unshare -n sh "$0" inside "$work" && exit 0 || exit $?
}
work=$2
processes=
trap '[ -z "$processes" ] || kill $processes; wait' EXIT
trap 'exit 1' HUP INT TERM
export OVS_RUNDIR="$work" OVS_LOGDIR="$work" OVS_DBDIR="$work"
ip link set lo up
ovsdb-tool create "$work/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$work/conf.db" --remote="punix:$work/db.sock" --unixctl="$work/db.ctl" >"$work/db.log" 2>&1 &
processes=$!
sleep 1
ovs-vsctl --no-wait init
ovs-vswitchd "unix:$work/db.sock" --disable-system --enable-dummy=override --unixctl="$work/vs.ctl" >"$work/vs.log" 2>&1 &
processes="$processes $!"
sleep 1
ovs-vsctl -t 10 add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure -- add-port br0 p1 -- set interface p1 type=dummy \
  -- add-port br0 tap0a1b2c3d-4e -- set interface tap0a1b2c3d-4e type=dummy
ovs-ofctl add-flow br0 in_port=p1,actions=output:tap0a1b2c3d-4e
ovs-ofctl add-flow br0 in_port=tap0a1b2c3d-4e,actions=output:p1
ovs-ofctl --names --no-stats dump-flows br0 | grep in_port | tee "$work/flows"
PYTHONPATH=$work python3 - "$work/flows" <<'PYTHON'
import sys
from ovs.flow.ofp import OFPFlow

ports = set()
for line in open(sys.argv[1]):
    flow = OFPFlow(line.strip())
    ports |= {("match", flow.match["in_port"]), ("action", flow.actions[0]["output"]["port"])}
for where, port in sorted(ports):
    print(f"{where}: {port!r}")
if ports != {("match", "p1"), ("action", "p1"), ("match", '"tap0a1b2c3d-4e"'), ("action", "tap0a1b2c3d-4e")}:
    sys.exit("changed: the parser now reads both alike")
PYTHON
