"""The page of segmentation: its picture, its examples and the tests that it names."""

import re
from xml.etree import ElementTree

import pytest

from espnic.model.interface.codes import ESP_TEXT_OFFSET, IPPROTO_TCP, TCP_HEADER_BYTES, TxStatus
from espnic.model.net import checksum
from espnic.sim.docs.segmentation import (
    DOCUMENT,
    EXAMPLES,
    PICTURE,
    with_examples,
    worked_checksum,
)
from espnic.sim.docs.segmentation_example import Change, example, headers, load
from espnic.sim.docs.segmentation_picture import picture
from tests.support.paths import PROJECT

STALE = "stale: run make docs"
SVG_TEXT = "{http://www.w3.org/2000/svg}text"


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(SVG_TEXT)]


def values(header, frame, start):
    """The fields of a header in a frame, as bytes."""
    for field in header.fields:
        yield field, frame[start:start + field.size]
        start += field.size


def all_fields():
    """Each field with its values in the super-frame and in every segment."""
    burst, start = example(), 0
    for header in headers(burst.mss):
        columns = [values(header, frame, start) for frame in (burst.superframe, *burst.segments)]
        for (field, came), *made in zip(*columns, strict=True):
            yield pytest.param(field, came, [value for _, value in made],
                               id=f"{header.name}, {field.name}".replace(" ", "_"))
        start += header.size
    assert start == burst.header_bytes


def test_picture_has_the_values_of_the_model():
    drawn = texts(picture(example()))
    assert len(drawn) > 100
    assert texts(PICTURE.read_text()) == drawn, STALE


def test_the_same_values_give_the_same_picture():
    assert picture(example()) == picture(example())


def test_examples_are_those_of_the_model():
    text = DOCUMENT.read_text()
    assert re.findall(r"<!-- (\w+): make docs", text) == [*EXAMPLES]
    assert text == with_examples(text), STALE
    emptied = re.sub(r"(make docs -->\n).*?(<!-- end -->)", r"\1\2", text, flags=re.DOTALL)
    assert emptied != text == with_examples(emptied)


@pytest.mark.parametrize("field, came, made", [*all_fields()])
def test_what_is_marked_changes_and_nothing_else(field, came, made):
    assert len({came, *made}) == 1 if field.change == Change.COPIED else len({came, *made}) > 1


def test_the_worked_checksum_ends_as_that_of_the_segment():
    burst = example()
    at = burst.header_bytes - TCP_HEADER_BYTES + checksum.FIELD_AT[IPPROTO_TCP]
    result = re.search(r"the checksum of the segment +([0-9a-f]{4})\n", worked_checksum(burst))
    assert result[1] == burst.segments[1][at:at + 2].hex()


def test_the_segments_are_the_kernel_s_but_for_the_encryption():
    burst, capture = example(), load("ho_tun4_mss536")
    [row] = [row for row in capture.handed_off if row.number == 5]
    [clear] = [clear for clear in capture.superframes if clear.number == row.superframe]
    assert row.request.frame == burst.superframe
    text_at = row.request.descriptor["esp_offset"] + ESP_TEXT_OFFSET
    for made, wire, plain in zip(burst.segments, row.wire, clear.plain, strict=True):
        assert len(made) == len(wire)
        assert made[:text_at] == wire[:text_at]
        assert made[text_at:].startswith(plain)
        assert made[-burst.icv_bytes:] == wire[-burst.icv_bytes:]


def test_every_test_and_file_that_the_page_names_is_there():
    text = DOCUMENT.read_text()
    sources = "".join(path.read_text() for folder in ("tests", "cocotb_tests")
                      for path in (PROJECT / folder).rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in sources] == []
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links and all((DOCUMENT.parent / link).exists() for link in links)


def test_the_page_names_every_status_of_a_refused_super_frame():
    """A super-frame whose offsets are right is never one of the other two."""
    refusals = {status.name for status in TxStatus if status > TxStatus.BYPASSED}
    named = set(re.findall(r"\bDROP_\w+", DOCUMENT.read_text()))
    assert named == refusals - {"DROP_OVERSIZE", "DROP_SYNTAX"}
