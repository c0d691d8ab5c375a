#!/bin/sh
# ip -j prints an empty object for each address or interface that its filter leaves out.
#
# With:     iproute2 6.1.0-3 (Debian 12)
# Expected: ip-address(8): `to PREFIX` lists only addresses that match; ip-link(8): `type` lists only interfaces of that
#           type. In text the others are not there.
# Seen:     three addresses, of which one is in 192.0.2.0/24: "addr_info" is [{}, {}, {…}]. `ip -j link show type TYPE` is a
#           list of as many {} as there are interfaces, where the kernel does not know the type: so for geneve, gretap or
#           bareudp without their modules.
# Matters:  "is there any such tunnel port" is answered with yes, and a loop over addresses fails at the first that has no
#           "local".
set -eu
[ "$(dpkg-query -W -f '${Version}' iproute2)" = 6.1.0-3 ] || { echo "this was seen with iproute2 6.1.0-3" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare -n sh "$0" inside
ip link set lo up
ip address add 198.51.100.1/32 dev lo
ip address add 192.0.2.1/32 dev lo
ip address show dev lo to 192.0.2.0/24
ip -j address show dev lo to 192.0.2.0/24 | python3 -c '
import json, sys
for interface in json.load(sys.stdin):
    print("ip -j address:", interface["ifname"], [each.get("local", each) for each in interface["addr_info"]])
'
ip link show type nosuch
echo "ip -j link: $(ip -j link show type nosuch)"
ip -j address show dev lo to 192.0.2.0/24 | python3 -c '
import json, sys
sys.exit({} not in json.load(sys.stdin)[0]["addr_info"])
' && ip -j link show type nosuch | grep -q '^\[{}' || { echo "changed: ip -j now leaves out what does not match" >&2; exit 1; }
