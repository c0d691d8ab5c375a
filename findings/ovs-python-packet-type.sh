#!/bin/sh
# The Python parser of OpenFlow flows cuts packet_type=(1,0x8847) in two at its comma.
#
# With:     ovs 4.0.0 (PyPI), on what Open vSwitch 3.1.0-2+deb12u1 (Debian 12) prints
# Expected: ovs-fields(7), packet_type: it is written as (ns,type); ovs.flow.ofp.OFPFlow reads what `ovs-ofctl dump-flows`
#           prints.
# Seen:     two matches, "packet_type" with the value "(1" and one of the name "0x8847)", both without an error.
# Matters:  the flows of packet-type aware tunnels (MPLS in GRE) are the ones that such a script does not find.
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
control() { ovs-appctl -t "$work/vs.ctl" "$@"; }
ovs-vsctl -t 10 add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure protocols=OpenFlow13,OpenFlow15 \
  -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2
ovs-ofctl -OOpenFlow15 add-flow br0 'packet_type=(1,0x8847),actions=output:2'
ovs-ofctl -OOpenFlow15 --no-stats dump-flows br0 | grep packet_type | tee "$work/flows"
PYTHONPATH=$work python3 - "$work/flows" <<'PYTHON'
import sys
from ovs.flow.ofp import OFPFlow

match = dict(OFPFlow(open(sys.argv[1]).read().strip()).match)
print("is read as", match)
if match.get("packet_type") != "(1" or match.get("0x8847)") is not True:
    sys.exit("changed: the parser now reads packet_type otherwise")
PYTHON
