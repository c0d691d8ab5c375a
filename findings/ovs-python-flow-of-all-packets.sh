#!/bin/sh
# The Python parser of OpenFlow flows cannot read a flow that matches everything, and joins two flags of a flow to one.
#
# With:     ovs 4.0.0 (PyPI), on what Open vSwitch 3.1.0-2+deb12u1 (Debian 12) prints
# Expected: ovs.flow.ofp.OFPFlow reads what `ovs-ofctl dump-flows` prints. `ovs-ofctl add-flow br0 actions=normal` is a flow
#           of priority 32768 for all packets; ovs-ofctl(8) has the flags check_overlap and reset_counts.
# Seen:     "…, n_bytes=0, actions=NORMAL" ends in a ParseError, for nothing stands between the comma and the actions; with
#           priority=0 before them the same flow is read. "check_overlap reset_counts" becomes one key of that name, where
#           send_flow_rem alone is a key.
# Matters:  a script that reads a switch stops at this flow; a flag is not found as soon as it is not alone.
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
ovs-vsctl -t 10 add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure
for flow in actions=normal priority=0,actions=normal send_flow_rem,ip,actions=drop check_overlap,reset_counts,ip,actions=drop; do
  ovs-ofctl -OOpenFlow13 del-flows br0
  ovs-ofctl -OOpenFlow13 add-flow br0 "$flow"
  ovs-ofctl -OOpenFlow13 dump-flows br0 | grep actions= | sed 's/^ *//'
done 2>"$work/errors" >"$work/flows"
[ "$(wc -l <"$work/flows")" = 4 ] || { cat "$work/errors" >&2; exit 2; }
PYTHONPATH=$work python3 - "$work/flows" <<'PYTHON'
import sys
from ovs.flow.kv import ParseError
from ovs.flow.ofp import OFPFlow

COUNTERS = {"cookie", "duration", "table", "n_packets", "n_bytes"}
seen = []
for line in open(sys.argv[1]):
    try:
        seen.append(sorted(set(OFPFlow(line.strip()).info) - COUNTERS))
    except ParseError:
        seen.append("ParseError")
    print(line.strip().split("n_packets")[1], "->", seen[-1])
if seen != ["ParseError", [], ["send_flow_rem"], ["check_overlap reset_counts"]]:
    sys.exit("changed: the parser now reads these flows otherwise")
PYTHON
