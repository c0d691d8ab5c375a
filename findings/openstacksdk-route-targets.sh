#!/bin/sh
# openstacksdk finds no BGPVPN by its route target, and does not say on a target that was appended to one.
#
# With:     openstacksdk 4.22.0 (PyPI), against a small server that has Neutron's BGPVPN API and says all it has to any
#           filter
# Expected: the documentation of network.bgpvpns(): "query parameters to be sent to limit the resources being returned";
#           that of update_bgpvpn(): the BGPVPN is updated. `name` and `vni` are sent.
# Seen:     route_targets="64512:100" is not sent, and the answer is empty: the text is compared with each BGPVPN's list
#           here. With ["64512:100"] a BGPVPN of two targets, this one among them, is still not found. After
#           vpn.route_targets.append("64512:300"), update_bgpvpn(vpn) sends no request and raises nothing: the attribute is
#           another list each time it is read.
# Matters:  "nobody has this target" is what a script reads before it gives it to somebody else.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq openstacksdk==4.22.0 2>/dev/null
HOME=$work "$work/venv/bin/python" -W ignore - <<'PYTHON'
import http.server
import json
import sys
import threading
import openstack

VPNS = [{"id": "1" * 32, "name": "blue", "vni": 5000, "route_targets": ["64512:100"]},
        {"id": "2" * 32, "name": "red", "vni": None, "route_targets": ["64512:100", "64512:200"]}]
asked = []

class Neutron(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "/bgpvpns" in self.path:
            asked.append(self.path)
            found = {"bgpvpns": VPNS} if self.path.split("?")[0].endswith("/bgpvpns") else {"bgpvpn": VPNS[0]}
        else:
            found = {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": url + "/"}]}]}
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(found).encode())

    def do_PUT(self):
        asked.append("PUT " + self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps({"bgpvpn": VPNS[0]}).encode())

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Neutron)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v2.0"
network = openstack.connect(auth_type="none", auth={"endpoint": url}, network_endpoint_override=url).network

seen = []
for query in ({"name": "blue"}, {"route_targets": "64512:100"}, {"route_targets": ["64512:100"]}):
    asked.clear()
    names = [each.name for each in network.bgpvpns(**query)]
    seen.append(("?" in asked[0], names))
    print(f"{query}: asked {asked[0]}, found {names}")
vpn = network.get_bgpvpn(VPNS[0]["id"])
for change in ("appended", "given"):
    asked.clear()
    if change == "appended":
        vpn.route_targets.append("64512:300")
        network.update_bgpvpn(vpn)
    else:
        network.update_bgpvpn(vpn, route_targets=[*vpn.route_targets, "64512:300"])
    seen.append(len(asked))
    print(f"a target {change}: requests {asked}")
if seen != [(True, ["blue", "red"]), (False, []), (False, ["blue"]), 0, 1]:
    sys.exit("changed: openstacksdk now treats route targets otherwise")
PYTHON
