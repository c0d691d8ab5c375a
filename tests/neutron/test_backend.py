"""The backend door: another backend behind the same API, and what it refuses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.model.vpn import SiteOfOrigin
from isthmus.neutron.attachments import backend
from isthmus.neutron.attachments.backend import Feature, Support
from isthmus.neutron.attachments.recording import RecordingBackend
from isthmus.neutron.words.conf import BadConfiguration, Settings
from tests.neutron.cloud import V4, Cloud

pytestmark = pytest.mark.neutron

BGPVPNS = "bgpvpn/bgpvpns"


def settings(**given: str) -> Settings:
    return Settings(SiteOfOrigin.parse("64512:1"), 1, 2, 1.0, **given)  # type: ignore[arg-type]


def test_a_backend_that_is_not_there_stops_the_start_with_a_sentence() -> None:
    with pytest.raises(BadConfiguration, match=r"\[isthmus\] backend = fabric: there is no such backend \(.*ovn.*\)"):
        backend.load(settings(backend="fabric"))


def test_every_feature_has_an_answer_of_both_backends(tmp_path: Path) -> None:
    for name in ("ovn", "recording"):
        made = backend.load(settings(backend=name, recording=str(tmp_path / "told")))
        assert all(isinstance(made.support(feature), Support) for feature in Feature)


def test_the_recording_backend_writes_down_what_it_is_told(tmp_path: Path) -> None:
    made = RecordingBackend(settings(recording=str(tmp_path / "told")))
    made.changed(["router:b", "network:a"])
    made.changed([])
    assert (tmp_path / "told").read_text() == "network:a\nrouter:b\n"


@pytest.fixture(scope="module")
def recording() -> Iterator[Cloud]:
    """A cloud of its own, whose API processes have the recording backend."""
    home = Path(tempfile.mkdtemp(prefix="isthmus-door-"))
    made = Cloud(home, processes=1)
    try:
        made.start(reconcile_interval_s=3600, backend="recording", recording=home / "told")
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


def test_the_backend_is_told_which_attachment_changed_and_refuses_what_it_cannot_do(recording: Cloud) -> None:
    admin, told = recording.admin, recording.home / "told"
    owner = recording.user("a" * 32)
    vpn = admin.make(BGPVPNS, project_id=owner.project, route_targets=["1:1"])
    one = f"{BGPVPNS}/{vpn['id']}"
    network, router = owner.network(V4), owner.make("routers", name="r")
    owner.make(f"{one}/network_associations", network_id=network["id"])
    assert told.read_text().split() == [f"network:{network['id']}"]
    owner.plug(router["id"], network["subnet_ids"][0])
    assert set(told.read_text().split()) == {f"network:{network['id']}", f"router:{router['id']}"}
    assert recording.northbound.ours() == [], "nobody else writes"

    routers = f"{one}/router_associations"
    refused = owner.call("POST", routers, {"router_association": {"router_id": owner.make("routers", name="s")["id"]}})
    assert (refused.status, refused.kind) == (400, "BGPVPNNotSupported")
    assert "advertise_extra_routes" in refused.message
    assert owner.get(routers) == []
    refused = admin.call("POST", BGPVPNS, {"bgpvpn": {"type": "l2"}})
    assert (refused.status, refused.kind) == (400, "BGPVPNNotSupported")
    assert "l2" in refused.message
    port = owner.make("ports", network_id=network["id"])
    ports = f"{one}/port_associations"
    route = {"type": "prefix", "prefix": "10.9.0.0/16"}
    refused = owner.call("POST", ports, {"port_association": {"port_id": port["id"], "routes": [route]}})
    assert (refused.status, refused.kind) == (400, "BGPVPNNotSupported")
    assert owner.get(ports) == []
    made = owner.make(ports, port_id=port["id"])
    refused = owner.call("PUT", f"{ports}/{made['id']}", {"port_association": {"routes": [route]}})
    assert refused.status == 400
    assert owner.get(f"{ports}/{made['id']}")["routes"] == []
