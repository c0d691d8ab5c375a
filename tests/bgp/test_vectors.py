"""Every vector is decoded, shown and, where it can be, encoded again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from isthmus.bgp.errors import MessageError
from tests.bgp import vectors
from tests.bgp.vectors import Vector


@pytest.mark.parametrize("file", sorted(vectors.FOLDER.glob("*.vec")), ids=lambda f: f.stem)
def test_rewriting_changes_nothing_but_on_request(file: Path) -> None:
    before = file.read_text()
    vectors.rewrite(file)
    if not os.environ.get("UPDATE_GOLDEN"):
        after = file.read_text()
        file.write_text(before)
        assert after == before


@pytest.mark.parametrize("vector", vectors.all_vectors(), ids=str)
def test_octets_value_and_text_say_the_same(vector: Vector) -> None:
    decoded = vectors.decode(vector)
    assert vectors.plain(decoded) == json.loads(vector.fields["value"])
    assert vectors.text(decoded) == vector.fields["text"]


@pytest.mark.parametrize("vector", [v for v in vectors.all_vectors() if v.is_reversible], ids=str)
def test_a_value_is_encoded_as_it_was(vector: Vector) -> None:
    decoded = vectors.decode(vector)
    if isinstance(decoded, MessageError):
        pytest.fail("an error has no encoding: say `encode: no`")
    assert vectors.encode(decoded, vector.agreed).hex(" ") == vector.octets.hex(" ")


def test_case_names_are_unique() -> None:
    names = [str(v) for v in vectors.all_vectors()]
    assert len(names) == len(set(names))
