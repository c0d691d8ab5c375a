"""The `[isthmus]` section: what is wrong is said in one sentence."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from isthmus.neutron import conf


def section(**values: object) -> cfg.ConfigOpts:
    made = cfg.ConfigOpts()
    made([])
    made.register_opts(conf.OPTIONS, group=conf.GROUP)
    for name, value in values.items():
        made.set_override(name, value, group=conf.GROUP)
    return made


def test_the_defaults_leave_the_lower_half_of_the_vnis_to_people() -> None:
    settings = conf.read(section(site="64512:1"))
    assert (str(settings.site), settings.vni_min, settings.vni_max) == ("64512:1", 2**23, 2**24 - 1)
    assert settings.reconcile_interval_s == 60


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "site is missing"),
        ({"site": ""}, "site is missing"),
        ({"site": "here"}, "'here' is not a site of origin"),
        ({"site": "65536:65536"}, "'65536:65536' is not a site of origin"),
        ({"site": "1:1", "vni_min": 0}, "1 <= vni_min <= vni_max"),
        ({"site": "1:1", "vni_min": 10, "vni_max": 9}, "1 <= vni_min <= vni_max"),
        ({"site": "1:1", "vni_max": 2**24}, "1 <= vni_min <= vni_max"),
        ({"site": "1:1", "reconcile_interval_s": 0.0}, "reconcile_interval_s"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(conf.BadConfiguration, match=sentence):
        conf.read(section(**values))
