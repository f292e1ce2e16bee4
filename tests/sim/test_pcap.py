"""Captures that are read, and each kind that is refused in one line."""

import gzip
import struct
import subprocess
import sys

import pytest

from espnic.sim.capture.pcap import Note, read_capture, write_pcap, write_pcapng
from espnic.sim.problem import CaptureError

FRAMES = [bytes(range(60)), bytes(1514), b"\x01" * 61]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "frames.pcap"
    write_pcap(path, enumerate(FRAMES))
    return path


def refusal(path):
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_pcap_is_read_as_written(capture):
    assert read_capture(capture).packets == tuple(FRAMES)
    assert read_capture(capture).ethernet


def test_raw_ip_is_told_from_ethernet(tmp_path):
    write_pcap(tmp_path / "ip.pcap", [(0, bytes(20))], ethernet=False)
    assert not read_capture(tmp_path / "ip.pcap").ethernet


def test_gzipped_capture_is_read(capture):
    packed = capture.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert read_capture(packed).packets == tuple(FRAMES)


def test_pcapng_is_read_as_written(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(frame, f"packet {n}", n) for n, frame in enumerate(FRAMES)])
    assert read_capture(path).packets == tuple(FRAMES)
    assert b"packet 2" in path.read_bytes()


def test_no_partial_file_remains_when_writing_fails(tmp_path):
    def broken():
        yield 0, bytes(60)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_pcap(tmp_path / "frames.pcap", broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_every_cut_of_a_pcap_is_noticed(capture):
    whole = capture.read_bytes()
    ends = {24}
    for frame in FRAMES:
        ends.add(max(ends) + 16 + len(frame))
    for length in range(1, len(whole)):
        capture.write_bytes(whole[:length])
        if length in ends - {24}:
            assert read_capture(capture).packets
        else:
            refusal(capture)


def test_every_cut_of_a_pcapng_is_noticed(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(bytes(60), "one")])
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)


def test_missing_file_is_named(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.pcap")


def test_directory_is_refused(tmp_path):
    assert "directory" in refusal(tmp_path)


def test_text_is_no_capture(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not packets")
    assert "not a capture" in refusal(path)


def test_damaged_gzip_is_refused(capture):
    packed = capture.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(capture.read_bytes())[:-9])
    assert "gzip" in refusal(packed)


def test_capture_without_packets_is_refused(tmp_path):
    write_pcap(tmp_path / "empty.pcap", [])
    assert "no packets" in refusal(tmp_path / "empty.pcap")


def test_other_link_type_is_named(capture):
    data = bytearray(capture.read_bytes())
    data[20:24] = struct.pack("<I", 113)
    capture.write_bytes(data)
    assert "link type 113" in refusal(capture)


def test_snapped_packet_is_refused(capture):
    data = bytearray(capture.read_bytes())
    data[24 + 12 : 24 + 16] = struct.pack("<I", 99)
    capture.write_bytes(data)
    assert "packet 1 has 60 of its 99 bytes" in refusal(capture)


def test_empty_packet_is_refused(tmp_path):
    write_pcap(tmp_path / "x.pcap", [(0, bytes(60)), (1, b"")])
    assert "packet 2 is empty" in refusal(tmp_path / "x.pcap")


@pytest.mark.parametrize(("where", "value"), [(4, 13), (8, 7), (-4, 0)])
def test_malformed_block_of_a_pcapng_is_not_taken_for_its_end(tmp_path, caplog, where, value):
    path = tmp_path / "x.pcapng"
    write_pcapng(path, [Note(bytes(60), "one"), Note(bytes(60), "two")])
    data = bytearray(path.read_bytes())
    block = int.from_bytes(data[-4:], sys.byteorder)
    # The last block's length, the interface that it names, or the length at its end.
    start = len(data) - block if where >= 0 else len(data)
    data[start + where:start + where + 4] = value.to_bytes(4, sys.byteorder)
    path.write_bytes(data)
    assert "malformed" in refusal(path)
    assert not caplog.records


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v tshark"], capture_output=True).returncode != 0,
    reason="tshark is not installed: the second opinion on our pcapng is not to be had",
)
def test_wireshark_shows_the_comment(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(bytes(60), "rx.out OK")])
    shown = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.comment", "-e", "frame.len"],
        capture_output=True, text=True, check=True,
    )
    assert shown.stdout.split("\t") == ["rx.out OK", "60\n"]
