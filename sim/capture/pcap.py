"""Captures: read pcap and pcapng, plain or gzipped; write both."""

import gzip
import io
import logging
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scapy.error import Scapy_Exception
from scapy.packet import Raw
from scapy.utils import PcapNgWriter, RawPcapNgReader, RawPcapReader, RawPcapWriter

from espnic.sim.files import replacing
from espnic.sim.problem import CaptureError

LINK_ETHERNET = 1
LINK_RAW = 101
_RAW_IP_LINKS = {12, 14, LINK_RAW, 228, 229}
# Both take an open file as well, which their types leave out.
_PCAP_READER: Any = RawPcapReader
_PCAPNG_READER: Any = RawPcapNgReader
_PCAP_MAGICS = {bytes.fromhex(text) for text in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1")}
_PCAPNG_MAGIC = bytes.fromhex("0a0d0d0a")
_PCAPNG_LITTLE_ENDIAN = bytes.fromhex("4d3c2b1a")
_PCAPNG_PACKET_BLOCKS = (2, 3, 6)
_PCAP_HEADER_BYTES = 24
_RECORD_HEADER_BYTES = 16
_BLOCK_HEADER_BYTES = 8
_BLOCK_BYTES_MIN = 12
_NANOSECONDS = 1_000_000_000

# Whatever scapy warns of is refused here, in one line.
logging.getLogger("scapy.runtime").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Capture:
    """Packets of a capture file: all Ethernet frames, or all IP packets."""

    path: Path
    ethernet: bool
    packets: tuple[bytes, ...]


@dataclass(frozen=True)
class Note:
    """A packet of a pcapng file, and the comment that Wireshark shows with it."""

    packet: bytes
    comment: str
    clock_ns: int = 0
    """Time of the packet in ns."""


def read_capture(path: Path) -> Capture:
    """Read a pcap or pcapng file of Ethernet frames or of raw IP packets.

    Raises ``CaptureError`` for a file that is missing, no capture, cut short, of
    another link type, empty, or that does not hold its packets whole.
    """
    data = _read_bytes(path)
    if data[:4] in _PCAP_MAGICS:
        links, packets = _read_pcap(path, data)
    elif data[:4] == _PCAPNG_MAGIC:
        links, packets = _read_pcapng(path, data)
    else:
        raise CaptureError(f"{path}: not a capture, expected pcap or pcapng")
    if not packets:
        raise CaptureError(f"{path}: holds no packets")
    unknown = links - _RAW_IP_LINKS - {LINK_ETHERNET}
    if unknown:
        raise CaptureError(
            f"{path}: link type {min(unknown)}, expected {LINK_ETHERNET} (Ethernet)"
            f" or {LINK_RAW} (raw IP)"
        )
    if LINK_ETHERNET in links and len(links) > 1:
        raise CaptureError(f"{path}: Ethernet frames and raw IP mixed, expected one of them")
    return Capture(path, LINK_ETHERNET in links, tuple(packets))


def write_pcap(path: Path, packets: Iterable[tuple[int, bytes]], ethernet: bool = True) -> None:
    """Write packets, each with its time in nanoseconds, as a pcap file."""
    link = LINK_ETHERNET if ethernet else LINK_RAW
    with replacing(path) as partial:
        writer = RawPcapWriter(str(partial), linktype=link, nano=True)
        writer.write_header(None)
        for time_ns, packet in packets:
            seconds, nanoseconds = divmod(time_ns, _NANOSECONDS)
            writer.write_packet(packet, sec=seconds, usec=nanoseconds)
        writer.close()


def write_pcapng(path: Path, notes: Iterable[Note]) -> None:
    """Write Ethernet frames with their comments as a pcapng file for Wireshark."""
    with replacing(path) as partial:
        writer = PcapNgWriter(str(partial))
        writer.linktype = LINK_ETHERNET
        writer.write_header(b"")
        for note in notes:
            packet = Raw(note.packet)
            packet.time = note.clock_ns / _NANOSECONDS
            packet.comments = [note.comment.encode()]
            writer.write_packet(packet)
        writer.close()


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}, expected a capture") from None
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        raise CaptureError(f"{path}: gzip data is damaged or cut short") from None


def _read_pcap(path: Path, data: bytes) -> tuple[set[int], list[bytes]]:
    if len(data) < _PCAP_HEADER_BYTES:
        raise CaptureError(f"{path}: cut short in the pcap header")
    reader: Any = _PCAP_READER(io.BytesIO(data))
    packets: list[bytes] = []
    position = _PCAP_HEADER_BYTES
    for packet, metadata in reader:
        position += _RECORD_HEADER_BYTES + metadata.caplen
        _check_whole(path, len(packets) + 1, packet, metadata)
        packets.append(packet)
    if position != len(data):
        raise CaptureError(f"{path}: cut short after packet {len(packets)}")
    return {reader.linktype}, packets


def _read_pcapng(path: Path, data: bytes) -> tuple[set[int], list[bytes]]:
    expected = _count_packets(path, data)
    links: set[int] = set()
    packets: list[bytes] = []
    try:
        for packet, metadata in _PCAPNG_READER(io.BytesIO(data)):
            _check_whole(path, len(packets) + 1, packet, metadata)
            packets.append(packet)
            links.add(metadata.linktype)
    except (Scapy_Exception, struct.error):
        expected = -1
    # The reader takes an unreadable block for the end of the file.
    if len(packets) != expected:
        raise CaptureError(f"{path}: malformed pcapng after packet {len(packets)}")
    return links, packets


def _count_packets(path: Path, data: bytes) -> int:
    """Number of packet blocks of a pcapng file, whose last block must end where the file ends."""
    order = "="
    position = count = 0
    while position < len(data):
        header = data[position : position + _BLOCK_HEADER_BYTES]
        if header[:4] == _PCAPNG_MAGIC:
            # Each section has its own byte order.
            little = data.startswith(_PCAPNG_LITTLE_ENDIAN, position + _BLOCK_HEADER_BYTES)
            order = "<" if little else ">"
        kind, length = struct.unpack(f"{order}II", header) if len(header) == 8 else (0, 0)
        count += kind in _PCAPNG_PACKET_BLOCKS
        position += max(length, 1)
        if length < _BLOCK_BYTES_MIN or position > len(data):
            raise CaptureError(f"{path}: pcapng is cut short or malformed")
    return count


def _check_whole(path: Path, number: int, packet: bytes, metadata: Any) -> None:
    if not packet:
        raise CaptureError(f"{path}: packet {number} is empty, expected one byte or more")
    whole = metadata.wirelen
    if len(packet) < whole:
        raise CaptureError(
            f"{path}: packet {number} has {len(packet)} of its {whole} bytes, expected it whole"
        )
