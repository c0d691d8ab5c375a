#!/bin/sh
# The Python parser of Open vSwitch's datapath flows takes pop_eth for a port and cannot read push_eth.
#
# With:     ovs 4.0.0 (PyPI), on what Open vSwitch 3.1.0-2+deb12u1 (Debian 12) prints
# Expected: ovs.flow.odp.ODPFlow reads the flows that `dpctl/dump-flows` prints; pop_eth and push_eth(src=..,dst=..) stand in
#           each of a tunnel without Ethernet (MPLS in GRE, VXLAN-GPE).
# Seen:     pop_eth becomes {"output": {"port": "pop_eth"}}; push_eth ends in a ParseError.
# Matters:  who counts or checks flows with it sees a port that there is not, or stops at the first packet from such a tunnel.
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
ovs-vswitchd "unix:$work/db.sock" --disable-system --unixctl="$work/vs.ctl" >"$work/vs.log" 2>&1 &
processes="$processes $!"
sleep 1
control() { ovs-appctl -t "$work/vs.ctl" "$@"; }
ovs-vsctl -t 10 add-br br0 -- set bridge br0 datapath_type=netdev fail-mode=secure protocols=OpenFlow13,OpenFlow15 \
  -- add-port br0 in -- set interface in type=gre options:remote_ip=192.0.2.8 options:packet_type=ptap ofport_request=7 \
  -- add-port br0 out -- set interface out type=gre options:remote_ip=192.0.2.9 options:packet_type=legacy_l3 ofport_request=8
ip link add port type veth peer name far
ip link set port up
ovs-vsctl -t 10 add-port br0 port
ip address add 192.0.2.1/24 dev br0
ip link set br0 up
control tnl/neigh/set br0 192.0.2.9 02:00:00:00:00:09 >"$work/log"
ovs-ofctl -OOpenFlow15 add-flow br0 'in_port=7,packet_type=(1,0x8847),actions=encap(ethernet),set_field:02:00:00:00:00:01->eth_dst,output:LOCAL'
ovs-ofctl -OOpenFlow15 add-flow br0 'in_port=port,ip,actions=push_mpls:0x8847,set_field:100->mpls_label,output:8'
for flow in 'in_port=7,packet_type=(1,0x8847),mpls_label=100,mpls_bos=1' 'in_port=port,ip,nw_dst=198.51.100.1,nw_ttl=64'; do
  control ofproto/trace br0 "$flow" | sed -n 's/^Datapath actions: //p' | tail -1
done | sed 's/^/recirc_id(0),in_port(1),packet_type(ns=0,id=0), packets:0, bytes:0, used:never, actions:/' | tee "$work/flows"
PYTHONPATH=$work python3 - "$work/flows" <<'PYTHON'
import sys
from ovs.flow.odp import ODPFlow

seen = {}
for name, line in zip(("push_eth", "pop_eth"), open(sys.argv[1])):
    assert name in line, "Open vSwitch now prints other actions"
    try:
        seen[name] = str(ODPFlow(line.strip()).actions[0])
    except Exception as error:
        seen[name] = type(error).__name__
    print(f"{name} is read as {seen[name]}")
if seen != {"push_eth": "ParseError", "pop_eth": "{'output': {'port': 'pop_eth'}}"}:
    sys.exit("changed: the parser now reads these actions otherwise")
PYTHON
