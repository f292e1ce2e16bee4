"""The line that names the first difference between RTL and model."""

import pytest
from amaranth.lib.data import StructLayout

from espnic.model.interface.layouts import Field, Layout
from tests.support.differences import check_item, check_items

INNER = StructLayout({"count": 5, "last": 1})
OUTER = StructLayout({"beat": INNER, "user": 40})
EVENT = Layout("event", (Field("kind", 2, ""), Field("sa", 8, "")))


def line(got, expected, **how):
    """Message about a difference."""
    with pytest.raises(AssertionError) as caught:
        check_items(got, expected, **how)
    return str(caught.value)


def test_equal_items_pass_whatever_they_are():
    check_items([], [])
    check_items([1, b"ab", {"x": 1}], [1, b"ab", {"x": 1}], width=128)
    check_items([0b100001], [0b100001], layout=INNER)


def test_the_first_wrong_item_is_named_and_counted_from_1():
    assert line([5, 6, 7], [5, 0, 0], width=128) == "item 2 of 3, width 128: RTL 6, model 0"


def test_a_packed_item_is_taken_apart_into_its_fields():
    assert line([0b100001], [0b000001], width=256, layout=INNER) == (
        "item 1 of 1, width 256, field last: RTL 1, model 0")
    assert line([3 << 2 | 1], [4 << 2 | 1], layout=EVENT) == "item 1 of 1, field sa: RTL 3, model 4"


def test_a_nested_field_has_a_dotted_name_and_a_great_number_is_hexadecimal():
    assert line([1], [2], layout=OUTER) == "item 1 of 1, field beat.count: RTL 1, model 2"
    assert line([0x12345 << 6], [0x12346 << 6], layout=OUTER) == (
        "item 1 of 1, field user: RTL 0x12345, model 0x12346")


def test_only_fields_that_the_model_gives_are_compared():
    seen = {"beat": {"count": 1, "last": 0}, "user": 7}
    check_items([seen], [{"beat": {"count": 1}}])
    check_items([7 << 6 | 1], [{"user": 7}], layout=OUTER)
    assert line([seen], [{"beat": {"count": 1, "first": 1}}]) == (
        "item 1 of 1, field beat.first: RTL none, model 1")


def test_bytes_are_shown_around_the_first_that_differs():
    ours = bytes(range(60))
    model = ours[:20] + b"\xff" + ours[21:]
    assert line([ours], [model], port="text", width=512) == (
        "text: item 1 of 1, width 512, byte 20 of 60: RTL 10 11 12 13 14 15 16 17 18,"
        " model 10 11 12 13 ff 15 16 17 18 from byte 16")


def test_bytes_that_end_early_differ_at_their_end():
    assert line([b"\1\2"], [b"\1\2\3"]) == (
        "item 1 of 1, byte 2 of 3 (RTL 2): RTL 01 02, model 01 02 03 from byte 0")


def test_an_item_too_few_or_too_many_is_named():
    assert line([1], [1, b"abc"]) == "item 2 of 2: RTL none, model 3 bytes 61 62 63"
    assert line([1, bytes(9)], [1]) == (
        "item 2 of 1: RTL 9 bytes 00 00 00 00 00 00 00 00 ..., model none")


def test_a_wrong_item_is_named_before_the_missing_one():
    assert line([2], [1, 1]) == "item 1 of 2: RTL 2, model 1"


def test_an_item_alone_is_named_by_its_number():
    check_item(3, 3, number=5)
    with pytest.raises(AssertionError, match="^usage: item 5, width 128: RTL 3, model 4$"):
        check_item(3, 4, number=5, port="usage", width=128)
