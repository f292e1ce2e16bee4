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


def test_word_on_the_fcs_is_no_part_of_the_link_type(capture):
    """Bits 31:26 of the word say whether and how long a frame check sequence is there."""
    data = bytearray(capture.read_bytes())
    data[20:24] = struct.pack("<I", 1 | 1 << 26 | 2 << 28)
    capture.write_bytes(data)
    assert read_capture(capture).ethernet


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


def block(order, kind, body):
    """A pcapng block in a byte order of ``struct``."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order, link, snapshot_bytes, *blocks):
    """A pcapng section with one interface and packet blocks, each a kind and a body."""
    start = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    interface = struct.pack(f"{order}HHI", link, 0, snapshot_bytes)
    return b"".join(block(order, kind, body) for kind, body in (
        (0x0A0D0D0A, start), (1, interface), *blocks))


def simple(order, frame, whole=None):
    return 3, struct.pack(f"{order}I", whole or len(frame)) + frame


def enhanced(order, frame, interface=0):
    return 6, struct.pack(f"{order}IIIII", interface, 0, 0, len(frame), len(frame)) + frame


def obsolete(order, frame):
    return 2, struct.pack(f"{order}HHIIII", 0, 0, 0, 0, len(frame), len(frame)) + frame


@pytest.fixture
def written(tmp_path):
    """Write a file of bytes; gives its path."""
    def write(*parts):
        path = tmp_path / "x.pcapng"
        path.write_bytes(b"".join(parts))
        return path
    return write


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("snapshot_bytes", [0, 1514, 262144])
def test_snapshot_length_of_0_is_no_limit_to_simple_packet_blocks(written, order, snapshot_bytes):
    path = written(section(order, 1, snapshot_bytes, *(simple(order, f) for f in FRAMES)))
    assert read_capture(path).packets == tuple(FRAMES)


def test_simple_packet_block_that_its_interface_has_snapped_is_refused(written):
    path = written(section("<", 1, 60, simple("<", bytes(60)), simple("<", bytes(60), whole=99)))
    assert "packet 2 has 60 of its 99 bytes" in refusal(path)


def test_each_section_has_its_own_byte_order_and_interfaces(written):
    """Files of several captures, put behind each other as the format allows."""
    path = written(section("<", 12, 0, enhanced("<", FRAMES[0])),
                   section(">", 101, 0, simple(">", FRAMES[1]), obsolete(">", FRAMES[2])))
    capture = read_capture(path)
    assert not capture.ethernet and capture.packets == tuple(FRAMES)
    path = written(section("<", 101, 0), section(">", 1, 0, enhanced(">", FRAMES[1])))
    assert read_capture(path).ethernet
    path = written(section("<", 1, 0, enhanced("<", FRAMES[1])), block("<", 0x0A0D0D0A, bytes(8)))
    assert "malformed" in refusal(path)


def test_interface_of_an_earlier_section_is_not_known(written):
    path = written(section("<", 1, 0, enhanced("<", FRAMES[0])),
                   block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
                   block("<", *enhanced("<", FRAMES[1])))
    assert "malformed pcapng after packet 1" in refusal(path)


@pytest.mark.parametrize("kind, size", [(1, 4), (2, 8), (3, 0), (6, 16)])
def test_block_that_is_too_small_for_its_fields_is_malformed(written, kind, size):
    assert "malformed pcapng after packet 1" in refusal(
        written(section("<", 1, 0, simple("<", FRAMES[0])), block("<", kind, bytes(size))))


def test_packets_of_more_than_64_kb_are_read_whole(tmp_path, written):
    """A super-packet of 65,535 bytes has an Ethernet header before it."""
    frame = bytes(range(256)) * 257
    write_pcap(tmp_path / "x.pcap", [(0, frame), (1, FRAMES[0])])
    assert read_capture(tmp_path / "x.pcap").packets == (frame, FRAMES[0])
    assert read_capture(written(section("<", 1, 0, enhanced("<", frame)))).packets == (frame,)


@pytest.mark.parametrize("length", [61, 1 << 31])
def test_record_longer_than_the_file_is_refused(capture, length):
    data = bytearray(capture.read_bytes()[:24 + 16 + 60])
    data[24 + 8 : 24 + 12] = struct.pack("<I", length)
    capture.write_bytes(data)
    assert "cut short after packet 0" in refusal(capture)


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
