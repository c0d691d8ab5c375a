"""How `isthmus-lab why` puts its question; what is answered is in test_ladder_why.py and tests/faults."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from isthmus.lab import why
from isthmus.lab.lab import Lab, make
from isthmus.lab.places import Places
from tests.lab.build import PROGRAMS, topology


def lab(root: Path) -> Lab:
    made = make(topology(), Places(root), PROGRAMS)
    made.places.vms.mkdir()
    (made.places.vms / "a-red1.json").write_text(json.dumps({"port_id": "c0ffee", "cloud": "a", "host": "h1"}))
    return made


def test_every_agent_is_asked_by_its_name(tmp_path: Path) -> None:
    words = why.command(lab(tmp_path), "a-red1", "10.11.0.10", True)
    assert words[:6] == ["/opt/agent/bin/isthmus", "why", "--from", "c0ffee", "--to", "10.11.0.10"]
    asked = [word for flag, word in itertools.pairwise(words) if flag == "--socket"]
    assert asked == [f"{node}={tmp_path}/{node}/agent.sock" for node in ("a-h1", "a-h2", "b-h1", "b-h2")]
    assert words[-1] == "--json"


def test_the_question_is_put_on_the_hypervisor_of_its_source(tmp_path: Path) -> None:
    made = lab(tmp_path)
    assert (why.home_of(made, "a-red1"), why.home_of(made, "10.1.0.10")) == ("a-h1", None)


def test_what_is_no_vm_of_the_lab_goes_on_as_it_is(tmp_path: Path) -> None:
    made = lab(tmp_path)
    assert why.port_of(made, "2001:db8:b1::10") == "2001:db8:b1::10"
    assert why.port_of(made, "../vm/a-red1") == "../vm/a-red1"


def test_agents_that_do_not_run_are_named_with_the_remedy(tmp_path: Path) -> None:
    assert next(iter(why.stopped(lab(tmp_path)))) == "the agent of a-h1 does not run (isthmus-lab agent start a-h1)"
