#!/bin/sh
# ExaBGP sends route targets and origins of a four-octet AS as those of an IPv4 address.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 5668 section 3: type 0x02 with the AS's four octets, for route targets (subtype 0x02) and origins (0x03).
# Seen:     `target:4200000001:5` is announced as 0x0102 fa56ea01 0005, the target 250.86.234.1:5, and `origin:4200000001:5`
#           as 0x0103. 64512L, which asks for four octets explicitly, becomes 0.0.252.0. The RD is right (type 2).
# Matters:  PEs that import 4200000001:5 do not take the routes; a site that is told by its origin is not known.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
cat >"$work/exabgp.conf" <<'CONF'
neighbor 127.0.0.1 {
  router-id 192.0.2.1;
  local-address 127.0.0.1;
  local-as 64512;
  peer-as 64512;
  family { ipv4 mpls-vpn; }
  static {
    route 198.51.100.0/24 next-hop 192.0.2.1 rd 4200000001:7 label 100 extended-community [ target:4200000001:5 origin:4200000001:5 target:64512L:5 ];
  }
}
CONF
PYTHONPATH=$work python3 -W ignore -m exabgp validate -n -r -v "$work/exabgp.conf" >"$work/log" 2>&1
sed -n 's/.*parsed hex *//p' "$work/log" | tr -d ' ' | grep -oE 'C01018.{48}' | cut -c7- | fold -w 16 | tee "$work/seen"
echo "said, as octets: 02020000FC000005, 0202FA56EA010005, 0203FA56EA010005"
for each in 01020000FC000005 0102FA56EA010005 0103FA56EA010005; do
  grep -q $each "$work/seen" || { echo "changed: ExaBGP now sends four-octet ASes otherwise" >&2; exit 1; }
done
