"""Packets of a pcap or pcapng file, plain or gzipped, one after another.

Sources: draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng (pcapng). A file is read as it is
iterated over, so that its length does not matter.
"""

import contextlib
import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NoReturn

from espnic.sim.problem import CaptureError

_GZIP_MAGIC = b"\x1f\x8b"
_PCAP_ORDERS = {bytes.fromhex(text): order for text, order in (
    ("a1b2c3d4", ">"), ("d4c3b2a1", "<"), ("a1b23c4d", ">"), ("4d3cb2a1", "<"))}
"""Byte order of a pcap file by its first bytes; the times are in microseconds or nanoseconds."""
_PCAPNG_MAGIC = bytes.fromhex("0a0d0d0a")
_MAGIC_BYTES = 4
_PCAP_HEADER_BYTES = 24
_LINK_MASK = 0xFFFF
"""Bits of the link type; those above say how long the FCS is, which counts as padding here."""
_PCAP_RECORD_HEADER_BYTES = 16
_PACKET_BYTES_MAX = 1 << 24
"""Most bytes of a packet or block; a longer one is a damaged length."""

_SECTION_ORDERS = {bytes.fromhex("1a2b3c4d"): ">", bytes.fromhex("4d3c2b1a"): "<"}
_BLOCK_HEADER_BYTES = 8
_BLOCK_END_BYTES = 4
_BLOCK_BYTES_MIN = _BLOCK_HEADER_BYTES + _BLOCK_END_BYTES
_BLOCK_ALIGNMENT = 4
_PACKET_AT, _SIMPLE_PACKET_AT = 20, 4
"""Offset of the packet in the body of its block."""


class Block(IntEnum):
    """Types of pcapng blocks that matter here; all others are skipped."""

    INTERFACE = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    ENHANCED_PACKET = 6


@dataclass(frozen=True)
class Packet:
    """A packet of a capture file."""

    link: int
    """Link type of its interface."""
    data: bytes
    whole_bytes: int
    """Bytes that it had on the wire; more than ``data`` has where the capture cut it."""


def packets_in(path: Path) -> Iterator[Packet]:
    """The packets of a capture file.

    Raises ``CaptureError``, maybe not before the packets ahead of the fault have been given, for
    a file that is missing, no capture, cut short or malformed.
    """
    try:
        with _opened(path) as file:
            magic = file.read(_MAGIC_BYTES)
            if magic in _PCAP_ORDERS:
                yield from _pcap_packets(path, file, _PCAP_ORDERS[magic])
            elif magic == _PCAPNG_MAGIC:
                yield from _PcapngReader(path, file).packets()
            else:
                raise CaptureError(f"{path}: not a capture, expected pcap or pcapng")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CaptureError(f"{path}: gzip data is damaged or cut short") from None
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}, expected a capture") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        if file.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            file.seek(0)
            yield file
            return
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as unpacked:
            # GzipFile reads like any file, but is typed as none.
            yield unpacked  # type: ignore[misc]


def _pcap_packets(path: Path, file: BinaryIO, order: str) -> Iterator[Packet]:
    header = file.read(_PCAP_HEADER_BYTES - _MAGIC_BYTES)
    if len(header) < _PCAP_HEADER_BYTES - _MAGIC_BYTES:
        raise CaptureError(f"{path}: cut short in the pcap header")
    link = struct.unpack(f"{order}I", header[-4:])[0] & _LINK_MASK
    count = 0
    while record := file.read(_PCAP_RECORD_HEADER_BYTES):
        length = whole = 0
        if len(record) == _PCAP_RECORD_HEADER_BYTES:
            _, _, length, whole = struct.unpack(f"{order}4I", record)
        data = file.read(min(length, _PACKET_BYTES_MAX))
        if len(record) < _PCAP_RECORD_HEADER_BYTES or len(data) < length:
            raise CaptureError(f"{path}: cut short after packet {count}")
        count += 1
        yield Packet(link, data, whole)


@dataclass
class _PcapngReader:
    """Reader of the blocks of a pcapng file, whose first bytes have been read."""

    path: Path
    file: BinaryIO
    order: str = "<"
    """Byte order of the section."""
    interfaces: list[tuple[int, int]] = field(default_factory=list)
    """Link type and snapshot length of each interface of the section."""
    count: int = 0
    """Packets so far."""

    def packets(self) -> Iterator[Packet]:
        kind_bytes = _PCAPNG_MAGIC
        while kind_bytes:
            packet = self._packet(kind_bytes)
            if packet is not None:
                self.count += 1
                yield packet
            kind_bytes = self.file.read(_MAGIC_BYTES)

    def _packet(self, kind_bytes: bytes) -> Packet | None:
        """Packet of the next block, whose first bytes are given; None when it has none."""
        head = kind_bytes + self._need(_BLOCK_HEADER_BYTES - len(kind_bytes))
        start = b""
        if kind_bytes == _PCAPNG_MAGIC:
            # Each section has its own byte order, and its own interfaces.
            start = self._need(_MAGIC_BYTES)
            self.order = _SECTION_ORDERS.get(start) or self._malformed()
            self.interfaces = []
        kind, length = self._numbers("II", head)
        if length < _BLOCK_BYTES_MIN + len(start) or length % _BLOCK_ALIGNMENT:
            self._malformed()
        body = start + self._need(length - _BLOCK_BYTES_MIN - len(start))
        if self._numbers("I", self._need(_BLOCK_END_BYTES)) != (length,):
            self._malformed()
        if kind == Block.INTERFACE:
            link, snapshot_bytes = self._numbers("HxxI", body)
            self.interfaces.append((link, snapshot_bytes))
        return self._packet_of(kind, body)

    def _packet_of(self, kind: int, body: bytes) -> Packet | None:
        match kind:
            case Block.ENHANCED_PACKET:
                interface, length, whole = self._numbers("I8xII", body)
                data = body[_PACKET_AT:_PACKET_AT + length]
            case Block.OBSOLETE_PACKET:
                interface, length, whole = self._numbers("H10xII", body)
                data = body[_PACKET_AT:_PACKET_AT + length]
            case Block.SIMPLE_PACKET:
                [whole] = self._numbers("I", body)
                interface, length = 0, whole
                # A snapshot length of 0 is no limit.
                if self.interfaces and self.interfaces[0][1]:
                    length = min(whole, self.interfaces[0][1])
                data = body[_SIMPLE_PACKET_AT:_SIMPLE_PACKET_AT + length]
            case _:
                return None
        if interface >= len(self.interfaces) or len(data) < length:
            self._malformed()
        return Packet(self.interfaces[interface][0], data, whole)

    def _numbers(self, form: str, data: bytes) -> tuple[int, ...]:
        size = struct.calcsize(f"{self.order}{form}")
        if len(data) < size:
            self._malformed()
        return struct.unpack(f"{self.order}{form}", data[:size])

    def _need(self, count: int) -> bytes:
        data = self.file.read(min(count, _PACKET_BYTES_MAX))
        if len(data) < count:
            raise CaptureError(f"{self.path}: pcapng is cut short after packet {self.count}")
        return data

    def _malformed(self) -> NoReturn:
        raise CaptureError(f"{self.path}: malformed pcapng after packet {self.count}")
