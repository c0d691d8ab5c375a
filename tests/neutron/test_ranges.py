"""Ranges of numbers: what an operator writes, what is in them, which of them meet."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.vpn import RouteTarget
from isthmus.neutron.words.ranges import Range, first_overlap

ADMINISTRATORS = st.one_of(
    st.integers(0, 2**16 - 1).map(lambda n: (str(n), 2**32 - 1)),
    st.integers(2**16, 2**32 - 1).map(lambda n: (str(n), 2**16 - 1)),
    st.integers(0, 2**32 - 1).map(lambda n: (str(ipaddress.IPv4Address(n)), 2**16 - 1)),
)


@st.composite
def target_ranges(draw: st.DrawFn) -> Range:
    administrator, most = draw(ADMINISTRATORS)
    low, high = sorted((draw(st.integers(0, most)), draw(st.integers(0, most))))
    return Range(administrator, low, high)


def vni_ranges(most: int = 2**24 - 1) -> st.SearchStrategy[Range]:
    return st.tuples(st.integers(1, most), st.integers(1, most)).map(lambda pair: Range("", min(pair), max(pair)))


@given(target_ranges() | vni_ranges())
def test_what_is_written_is_read_again(made: Range) -> None:
    assert Range.parse(str(made)) == made
    assert Range.parse(f" {made} ") == made


@given(target_ranges(), st.data())
def test_a_range_holds_its_numbers_and_no_others(made: Range, data: st.DataObject) -> None:
    inside = made.written(data.draw(st.integers(made.low, made.high)))
    assert made.holds(inside)
    assert str(RouteTarget.parse(inside)) == inside, "what the range writes is a route target, written as the API does"
    for outside in (made.low - 1, made.high + 1):
        assert not made.holds(f"{made.administrator}:{outside}")
    assert not made.holds(f"9{made.administrator}:{made.low}")
    assert not made.holds(str(made.low)), "a VNI is no route target"


@given(st.text(max_size=24) | st.from_regex(r"[0-9.]{0,12}:?[0-9]{0,10}-?[0-9]{0,10}", fullmatch=True))
def test_any_text_is_a_range_or_refused_with_a_sentence(text: str) -> None:
    try:
        made = Range.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert made.low <= made.high
        assert made.size == made.high - made.low + 1 >= 1
        assert made.holds(made.written(made.low))
        assert made.holds(made.written(made.high))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is not a range: it must be"),
        ("0-5", "a VNI is 1 to"),
        ("1-16777216", "a VNI is 1 to"),
        ("9-1", "its first number is above its last"),
        ("64512:9-1", "its first number is above its last"),
        ("64512:", "is not a range: it must be"),
        (":1-2", "is not a range: it must be"),
        ("64512:1-", "is not a range: it must be"),
        ("64512:01-2", "is not a range: it must be"),
        ("64512:1-4294967296", "is not a route target"),
        ("70000:1-65536", "is not a route target"),
        ("10.0.0.256:1-2", "is not a route target"),
        ("target:1-2", "is not a route target"),
        ("64512:1-2-3", "is not a range: it must be"),
        ("64512:-1-2", "is not a range: it must be"),
        ("1:\u0661-2", "is not a range: it must be"),
    ],
)
def test_what_is_wrong_is_said(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Range.parse(text)


def test_a_single_number_is_a_range_of_one() -> None:
    assert Range.parse("5000") == Range("", 5000, 5000)
    assert Range.parse("64512:7") == Range("64512", 7, 7)


SMALL = st.tuples(st.sampled_from(["", "64512", "10.0.0.1"]), st.integers(1, 40), st.integers(0, 6)).map(
    lambda parts: Range(parts[0], parts[1], parts[1] + parts[2])
)


@given(st.lists(SMALL, max_size=8))
def test_an_overlap_is_found_exactly_when_there_is_one(ranges: list[Range]) -> None:
    def numbers(of: Range) -> set[str]:
        return {of.written(n) for n in range(of.low, of.high + 1)}

    every = [number for of in ranges for number in numbers(of)]
    found = first_overlap(ranges)
    assert (found is None) == (len(every) == len(set(every)))
    if found:
        assert numbers(found[0]) & numbers(found[1])
