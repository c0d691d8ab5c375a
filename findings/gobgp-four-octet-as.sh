#!/bin/sh
# GoBGP's command takes the route distinguisher and the route target of a four-octet AS and stores those of AS 65535.
#
# With:     GoBGP 3.10.0-1+b4 (Debian 12)
# Expected: RFC 5668 and RFC 4364 section 4.2: a four-octet AS has targets and RDs of type 2, written 4200000001:100 (RFC
#           5396, asplain).
# Seen:     no error; rd 4200000001:7 becomes 65535:7 (type 0), rt 4200000001:100 becomes 65535:100, and `redirect
#           4200000001:101` of a flow specification leads to 65535:101. Written as 64086.59905 (asdot) they are right.
# Matters:  the VPNs of all four-octet ASes are one, and it is that of AS 65535.
set -eu
[ "$(dpkg-query -W -f '${Version}' gobgpd)" = 3.10.0-1+b4 ] || { echo "this was seen with GoBGP 3.10.0-1+b4" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ip link set lo up
printf '[global.config]\nas = 64512\nrouter-id = "192.0.2.10"\nport = -1\n' >"$work/gobgpd.toml"
gobgpd -t toml -f "$work/gobgpd.toml" --api-hosts 127.0.0.1:50051 --pprof-disable >"$work/log" 2>&1 &
daemon=$!
sleep 2
gobgp global rib add -a vpnv4 198.51.100.0/24 label 100 rd 4200000001:7 rt 4200000001:100 nexthop 192.0.2.1
gobgp global rib add -a vpnv4 203.0.113.0/24 label 100 rd 64086.59905:7 rt 64086.59905:100 nexthop 192.0.2.1
gobgp global rib add -a ipv4-flowspec match destination 198.51.100.0/24 then redirect 4200000001:101
gobgp global rib -a vpnv4 | tee "$work/vpn"
gobgp global rib -a ipv4-flowspec | tee "$work/flow"
grep -q ' 65535:7:198.51.100.0/24 .*\[65535:100\]' "$work/vpn" && grep -q ':7:203.0.113.0/24' "$work/vpn" &&
  ! grep -q '65535:7:203' "$work/vpn" && grep -q '65535:101' "$work/flow" ||
  { echo "changed: gobgp now stores, or refuses, a four-octet AS" >&2; exit 1; }
