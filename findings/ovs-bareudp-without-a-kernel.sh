#!/bin/sh
# Open vSwitch's userspace datapath takes a bareudp port without an error and sends nothing out of it.
#
# With:     Open vSwitch 3.1.0-2+deb12u1 (Debian 12), datapath_type=netdev
# Expected: ovs-vswitchd.conf.db(5): the Interface column "error" says what went wrong, and ofport is -1, where a port could
#           not be made; bareudp (MPLS over UDP, RFC 7510) is for the kernel module's datapath.
# Seen:     ofport is given, error is empty, ports of the tunnels show no listener. A flow that outputs to the port is
#           translated to actions without any output; the same flow to a GRE port has its tnl_push.
# Matters:  MPLS over UDP looks configured and is a black hole.
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
ovs-vswitchd "unix:$work/db.sock" --disable-system --unixctl="$work/vs.ctl" >"$work/vs.log" 2>&1 &
processes="$processes $!"
sleep 1
control() { ovs-appctl -t "$work/vs.ctl" "$@"; }
ovs-vsctl -t 10 add-br br0 -- set bridge br0 datapath_type=netdev fail-mode=secure
ip link add port type veth peer name far
ip link set port up
ip link set far up
ip address add 192.0.2.1/24 dev br0
ip link set br0 up
ovs-vsctl -t 10 add-port br0 port \
  -- add-port br0 udp -- set interface udp type=bareudp options:remote_ip=192.0.2.9 options:dst_port=6635 options:payload_type=mpls \
  -- add-port br0 gre -- set interface gre type=gre options:remote_ip=192.0.2.9 options:packet_type=legacy_l3
control tnl/neigh/set br0 192.0.2.9 02:00:00:00:00:09 >"$work/out"
ovs-vsctl --columns=ofport,error list interface udp | tee "$work/interface"
control tnl/ports/show | tee "$work/ports"
ovs-ofctl -OOpenFlow13 add-flow br0 in_port=LOCAL,actions=output:port
for tunnel in udp gre; do
  ovs-ofctl -OOpenFlow13 add-flow br0 "in_port=port,ip,actions=push_mpls:0x8847,set_field:100->mpls_label,output:$tunnel"
  control ofproto/trace br0 'in_port=port,ip,nw_src=198.51.100.1,nw_dst=198.51.100.2,nw_ttl=64' >"$work/trace"
  sed -n "s/^Datapath actions/$tunnel/p" "$work/trace" | tail -1 | cut -c1-200 | tee "$work/$tunnel"
done
grep -q 'error  *: \[\]' "$work/interface" && ! grep -q 'ofport  *: -1' "$work/interface" &&
  ! grep -qE 'tnl_push|[,: ][0-9]+$' "$work/udp" && grep -q tnl_push "$work/gre" ||
  { echo "changed: a bareudp port is now refused, or works" >&2; exit 1; }
