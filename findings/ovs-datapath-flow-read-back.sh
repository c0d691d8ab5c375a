#!/bin/sh
# Open vSwitch's dpctl/add-flow cannot read the MPLS actions that Open vSwitch prints.
#
# With:     Open vSwitch 3.1.0-2+deb12u1 (Debian 12), userspace datapath
# Expected: ovs-dpctl(8): actions are given to add-flow as dump-flows and ofproto/trace print them; so it is for push_vlan.
# Seen:     the actions that a flow with push_vlan becomes are taken. Those of push_mpls and of pop_mpls are answered with
#           "parsing actions (Invalid argument)".
# Matters:  the datapath flows of an MPLS network can be neither saved and restored nor moved into a test.
set -eu
[ "$(dpkg-query -W -f '${Version}' openvswitch-switch)" = 3.1.0-2+deb12u1 ] || { echo "this was seen with Open vSwitch 3.1.0" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
processes=
trap '[ -z "$processes" ] || kill $processes; wait; rm -rf "$work"' EXIT
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

again() {                                                     # FLOW ACTIONS KEY: add to the datapath what OpenFlow becomes there
  ovs-ofctl -OOpenFlow13 add-flow br0 "in_port=1,$1,actions=$2,output:2"
  actions=$(control ofproto/trace br0 "in_port=1,$1" | sed -n 's/^Datapath actions: //p')
  if control dpctl/add-flow "in_port(1),eth(),$3" "$actions" 2>"$work/error"; then answer=added; else answer=$(grep -o "parsing actions" "$work/error"); fi
  control dpctl/del-flows
  echo "$actions: ${answer:-other}"
}
again ip push_vlan:0x8100 'eth_type(0x0800),ipv4()' && vlan=$answer
again ip push_mpls:0x8847 'eth_type(0x0800),ipv4()' && push=$answer
again mpls,mpls_label=100,mpls_bos=1 pop_mpls:0x0800 'eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=1)' && pop=$answer
[ "$vlan $push $pop" = 'added parsing actions parsing actions' ] || { echo "changed: dpctl/add-flow now reads other actions" >&2; exit 1; }
