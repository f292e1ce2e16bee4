"""Trace files and their comparison."""

import json
from dataclasses import replace

import pytest

from espnic.model import trace
from espnic.model.trace import Difference, TraceError, TraceRecord
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa


@pytest.fixture
def records():
    """The trace of frames of every kind."""
    sa = make_sa()
    device = device_with(sa)
    return trace.records(device.receive(kind.frame).trace for kind in frames.kinds(sa)[:12])


def test_a_trace_is_read_back_as_it_was_written_one_line_a_record(tmp_path, records):
    path = tmp_path / "a.jsonl"
    trace.write(path, records)
    assert trace.read(path) == records
    lines = path.read_text().splitlines()
    assert len(lines) == len(records)
    assert json.loads(lines[0])["point"] == "rx.in"
    assert {record.packet for record in records} == set(range(1, 13))


def test_equal_traces_have_no_difference_in_whatever_order_stages_wrote(records):
    assert trace.compare(records, records) is None
    assert trace.compare(records, sorted(records, key=lambda record: record.point)) is None


def test_the_first_difference_is_the_lowest_packet_and_its_earliest_stage(records):
    changed = list(records)
    for index, record in enumerate(records):
        if (record.packet, record.point) in {(3, "rx.open"), (3, "rx.icv"), (2, "rx.out")}:
            fields = {name: "00" for name in record.fields}
            changed[index] = replace(record, fields=fields)
    difference = trace.compare(records, changed)
    assert (difference.packet, difference.point, difference.field) == (2, "rx.out", "frame")
    assert difference.b == "00"
    changed = [record for record in changed if record.packet != 2]
    difference = trace.compare(changed + [r for r in records if r.packet == 2], records)
    assert (difference.packet, difference.point, difference.field) == (3, "rx.open", "text")


def test_a_missing_record_and_a_missing_field_are_differences(records):
    without = [record for record in records if record.point != "rx.lookup"]
    assert trace.compare(records, without) == Difference(
        "rx.lookup", 1, None, {"hit": 1, "sa": 1}, trace.ABSENT)
    assert trace.compare(without, records).a == trace.ABSENT
    a = [TraceRecord(1, "rx.lookup", {"hit": 1})]
    b = [TraceRecord(1, "rx.lookup", {"hit": 1, "sa": 4})]
    difference = trace.compare(a, b)
    assert str(difference) == "packet 1, rx.lookup, field sa: (absent) against 4"
    assert trace.compare(a + a, a).field is None


@pytest.mark.parametrize(("line", "message"), [
    ("{", "not JSON (Expecting property name enclosed in double quotes), "
          "expected one record a line"),
    ("[]", "expected an object with packet, point and fields"),
    ('{"packet": 1, "point": "rx.in"}', "expected an object with packet, point and fields"),
    ('{"packet": "1", "point": "rx.in", "fields": {}}', "packet is '1', expected int"),
    ('{"packet": 0, "point": "rx.in", "fields": {}}', "packet is 0, expected 1 or more"),
    ('{"packet": 1, "point": "rx.in", "fields": []}', "fields is [], expected dict"),
    ('{"packet": 1, "point": "rx", "fields": {}}',
     f"point is 'rx', expected one of {', '.join(trace.POINTS)}"),
])
def test_a_malformed_line_is_one_line_with_file_and_line_number(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"packet": 1, "point": "rx.in", "fields": {}}\n' + line + "\n")
    with pytest.raises(TraceError) as caught:
        trace.read(path)
    assert str(caught.value) == f"{path}:2: {message}"


def test_a_missing_or_binary_trace_is_refused_in_one_line(tmp_path):
    with pytest.raises(TraceError, match="No such file or directory, expected a trace file$"):
        trace.read(tmp_path / "none.jsonl")
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TraceError, match="not text, expected a trace of JSON lines$"):
        trace.read(path)
