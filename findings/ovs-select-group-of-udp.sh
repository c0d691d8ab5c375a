#!/bin/sh
# Open vSwitch's select groups, as they are by default, send all UDP flows between two addresses to one bucket.
#
# With:     Open vSwitch 3.1.0-2+deb12u1 (Debian 12), userspace datapath
# Expected: ovs-ofctl(8), selection_method: the default is dp_hash "with symmetric L3/L4 hash", and that is "a symmetric hash
#           computation over the IP 5-tuple".
# Seen:     64 TCP flows that differ in their source port meet 16 hash values (the most there are for 8 buckets); 64 UDP
#           flows meet one: the hash is sym_l4, and that leaves UDP ports out.
# Matters:  ECMP of DNS, QUIC or VXLAN between two machines uses one path. selection_method=dp_hash, said explicitly, hashes
#           UDP ports too.
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
buckets=$(for bucket in 1 2 3 4 5 6 7 8; do printf ',bucket=output:2'; done)
ovs-ofctl -OOpenFlow15 add-group br0 "group_id=1,type=select$buckets"
ovs-ofctl -OOpenFlow15 add-group br0 "group_id=2,type=select,selection_method=dp_hash$buckets"

values() {                                                    # GROUP NAME PROTOCOL: hash values that 64 source ports meet
  ovs-ofctl -OOpenFlow13 add-flow br0 "in_port=1,ip,actions=group:$1"
  control dpctl/del-flows
  for port in $(seq 1000 1063); do
    control netdev-dummy/receive p1 "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=198.51.100.1,dst=198.51.100.2,proto=$3,tos=0,ttl=64,frag=no),$2(src=$port,dst=80)"
  done
  control dpctl/dump-flows | grep -c 'dp_hash('
}
tcp=$(values 1 tcp 6) udp=$(values 1 udp 17) explicit=$(values 2 udp 17)
echo "64 flows each, hash values: TCP $tcp, UDP $udp, UDP with selection_method=dp_hash $explicit"
[ "$udp" = 1 ] && [ "$tcp" -gt 8 ] && [ "$explicit" -gt 8 ] ||
  { echo "changed: the default select group now hashes otherwise" >&2; exit 1; }
