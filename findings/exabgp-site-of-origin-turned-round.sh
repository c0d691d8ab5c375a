#!/bin/sh
# ExaBGP prints a Site of Origin with an IPv4 address the wrong way round, and one with an AS number as an address.
#
# With:     ExaBGP 5.0.15 (PyPI)
# Expected: RFC 4360 sections 3.1, 3.2 and 5: AS and number, or address and number, as ExaBGP's own configuration takes them
#           and as it prints route targets of the same values.
# Seen:     origin:192.0.2.1:100 is announced rightly (0x0103) and printed as "origin:100:192.0.2.1"; origin:64512:100 is
#           printed as "origin:64512:0.0.0.100". The first text is also that of AS 100 and number 192.0.2.1 (0x0003), and
#           given back to ExaBGP it becomes that.
# Matters:  a site is not found by its name in ExaBGP's output, and a program that says a route on changes where it is from.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip install -qq --target "$work" exabgp==5.0.15
exabgp() { PYTHONPATH=$work python3 -W ignore -m exabgp "$@"; }
again() {                                                     # COMMUNITY: announce it, print its octets and ExaBGP's text of them
  cat >"$work/exabgp.conf" <<CONF
neighbor 127.0.0.1 {
  router-id 192.0.2.1; local-address 127.0.0.1; local-as 64512; peer-as 64512;
  family { ipv4 mpls-vpn; }
  static { route 198.51.100.0/24 next-hop 192.0.2.1 rd 64512:7 label 100 extended-community [ $1 ]; }
}
CONF
  exabgp validate -n -r -v "$work/exabgp.conf" >"$work/log" 2>&1
  octets=$(sed -n 's/.*parsed hex *//p' "$work/log" | tr -d ' ' | head -n 1)
  text=$(exabgp decode "$octets" 2>/dev/null | sed -n 's/.*"string": "\([^"]*\)".*/\1/p')
  echo "$1: $(echo "$octets" | grep -oE 'C01008.{16}' | cut -c7-), $text"
}
for each in target:192.0.2.1:100 origin:192.0.2.1:100 target:64512:100 origin:64512:100 origin:100:192.0.2.1; do again $each; done | tee "$work/seen"
for each in 'target:192.0.2.1:100: 0102C00002010064, target:192.0.2.1:100' 'origin:192.0.2.1:100: 0103C00002010064, origin:100:192.0.2.1' \
  'origin:64512:100: 0003FC0000000064, origin:64512:0.0.0.100' 'origin:100:192.0.2.1: 00030064C0000201,'; do
  grep -q "^$each" "$work/seen" || { echo "changed: ExaBGP now prints origins otherwise" >&2; exit 1; }
done
