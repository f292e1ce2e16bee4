"""The pages of behaviour and blocks name what the code has."""

import re

import pytest

from espnic.model.interface.codes import EventKind, RxStatus, SaOperation, TxStatus
from tests.support.paths import PROJECT

BEHAVIOUR = (PROJECT / "docs" / "behaviour.md").read_text()
BLOCKS = (PROJECT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("codes", [RxStatus, TxStatus, SaOperation, EventKind])
def test_each_code_that_software_sees_has_its_rule(codes):
    named = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", BEHAVIOUR))
    assert {code.name for code in codes} <= named


def test_a_drop_that_the_page_names_is_a_status():
    named = set(re.findall(r"\bDROP_\w+", BEHAVIOUR))
    assert named <= {status.name for status in TxStatus}


def test_the_boxes_of_the_picture_are_components():
    picture = re.search(r"## Blocks\n\n```\n(.*?)```", BLOCKS, re.DOTALL)
    assert picture is not None
    boxes = set(re.findall(r"\b[A-Z][a-z0-9]\w*", picture[1]))
    sources = "".join(path.read_text() for path in (PROJECT / "hdl").rglob("*.py"))
    components = set(re.findall(r"^class (\w+)\(wiring\.Component\)", sources, re.MULTILINE))
    assert len(boxes) > 30
    assert boxes - components == set()
