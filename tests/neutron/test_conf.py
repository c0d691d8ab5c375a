"""The `[isthmus]` section: what is wrong is said in one sentence."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from isthmus.model.intent import Fallback
from isthmus.neutron.words import conf


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


def test_what_is_private_and_unknown_is_not_sent_to_the_internet_unless_somebody_says_so() -> None:
    assert conf.read(section(site="64512:1")).cloud.fallback is Fallback.PUBLIC
    assert conf.read(section(site="64512:1", fallback="all")).cloud.fallback is Fallback.ALL


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


def test_pools_and_projects_are_read() -> None:
    given = {
        "site": "64512:1",
        "route_target_pool": ["64512:100-199", "10.0.0.1:7"],
        "project_numbers": ["alpha 64512:200-299,5000-5099", "\n beta 64512:300-399\n\nalpha 6000"],
        "number_rest_s": 60.0,
    }
    settings = conf.read(section(**given))
    assert [str(r) for r in settings.route_targets] == ["64512:100-199", "10.0.0.1:7"]
    read = {project: [str(r) for r in ranges] for project, ranges in settings.projects.items()}
    assert read == {"alpha": ["64512:200-299", "5000-5099", "6000"], "beta": ["64512:300-399"]}
    assert settings.number_rest_s == 60


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"route_target_pool": ["64512:1-"]}, r"route_target_pool: '64512:1-' is not a range"),
        ({"route_target_pool": ["100-199"]}, r"route_target_pool: 100-199 has no administrator \(64512:100-199\)"),
        ({"project_numbers": ["alpha"]}, "project_numbers = alpha: it must be a project's id and its ranges"),
        ({"project_numbers": [","]}, "project_numbers = ,: it must be a project's id and its ranges"),
        ({"project_numbers": ["alpha beta"]}, "project_numbers: 'beta' is not a range"),
        ({"project_numbers": ["a 64512:1-9", "b 64512:9-20"]}, "64512:1-9 and 64512:9-20 overlap"),
        ({"project_numbers": ["a 1-9", "b 5"]}, "1-9 and 5 overlap"),
        ({"project_numbers": ["a 64512:1-9"], "route_target_pool": ["64512:2"]}, "64512:1-9 and 64512:2 overlap"),
        ({"project_numbers": ["a 8388608"]}, "8388608 and 8388608-16777215 overlap"),
        ({"route_target_pool": ["1:1-9", "1:1-9"]}, "1:1-9 and 1:1-9 overlap"),
        ({"number_rest_s": -1.0}, "number_rest_s must not be below zero"),
    ],
)
def test_numbers_that_could_collide_stop_the_start(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(conf.BadConfiguration, match=sentence):
        conf.read(section(site="64512:1", **values))
