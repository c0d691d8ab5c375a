"""What the operator's pages say to put into neutron.conf is taken, also what is commented out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from oslo_config import cfg

from isthmus.neutron.words import conf
from tests.guides import blocks

pytestmark = pytest.mark.neutron

PAGES = ("operator/install.md", "operator/self-service.md")
TEXTS = [(page, number, text) for page in PAGES for number, text in enumerate(blocks(page, "ini"))]


@pytest.mark.parametrize("uncommented", [False, True])
@pytest.mark.parametrize(("page", "number", "text"), TEXTS)
def test_neutron_conf(tmp_path: Path, page: str, number: int, text: str, uncommented: bool) -> None:
    text = re.sub(r"(?m)^#(\w)", r"\1", text) if uncommented else text
    if "site =" not in text:
        text += "site = 64512:1\n"
    file = tmp_path / "neutron.conf"
    file.write_text(text)
    options = cfg.ConfigOpts()
    options.register_opts([cfg.ListOpt("service_plugins", default=["bgpvpn"])])
    options(["--config-file", str(file)])
    assert "bgpvpn" in options.service_plugins
    conf.read(options)
