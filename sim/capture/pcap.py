"""Captures: read pcap and pcapng, plain or gzipped; write both."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scapy.packet import Raw
from scapy.utils import PcapNgWriter, RawPcapWriter

from espnic.sim.capture.link_layers import (
    BEFORE_IP,
    COOKED,
    LINK_ETHERNET,
    LINK_RAW,
    TO_ETHERNET,
    frame_of_ip,
)
from espnic.sim.capture.packets import Packet, packets_in
from espnic.sim.files import replacing
from espnic.sim.problem import CaptureError

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Capture:
    """Packets of a capture file: all Ethernet frames, or all IP packets."""

    path: Path
    ethernet: bool
    packets: tuple[bytes, ...]

    def frames(self) -> tuple[bytes, ...]:
        """The Ethernet frames; one is made of each IP packet, with the model's addresses.

        Raises ``CaptureError`` for what is no IP packet.
        """
        if self.ethernet:
            return self.packets
        return tuple(_converted(self.path, number, packet, frame_of_ip)
                     for number, packet in enumerate(self.packets, start=1))


@dataclass(frozen=True)
class Note:
    """A packet of a pcapng file, and the comment that Wireshark shows with it."""

    packet: bytes
    comment: str
    clock_ns: int = 0
    """Time of the packet in ns."""


def read_capture(path: Path) -> Capture:
    """Read a pcap or pcapng file of Ethernet frames or of raw IP packets.

    The packets of a Linux cooked capture become Ethernet frames; an FCS is cut off. Raises
    ``CaptureError`` for a file that is missing, no capture, cut short, of another link type, empty,
    or that does not hold its packets whole.
    """
    packets: list[bytes] = []
    links: set[int] = set()
    for number, packet in enumerate(packets_in(path), start=1):
        _check_whole(path, number, packet)
        data = packet.data
        if packet.link in TO_ETHERNET:
            data = _converted(path, number, data, TO_ETHERNET[packet.link])
        elif packet.link in BEFORE_IP:
            data = data[BEFORE_IP[packet.link]:]
        else:
            raise CaptureError(
                f"{path}: link type {packet.link}, expected {LINK_ETHERNET} (Ethernet), "
                f"{LINK_RAW} (raw IP) or {' or '.join(map(str, COOKED))} (Linux cooked)")
        packets.append(data)
        links.add(packet.link)
    if not packets:
        raise CaptureError(f"{path}: holds no packets")
    if links & TO_ETHERNET.keys() and links & BEFORE_IP.keys():
        raise CaptureError(f"{path}: Ethernet frames and raw IP mixed, expected one of them")
    return Capture(path, not links & BEFORE_IP.keys(), tuple(packets))


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


def _converted(
    path: Path, number: int, data: bytes, convert: Callable[[bytes], bytes],
) -> bytes:
    try:
        return convert(data)
    except ValueError as error:
        raise CaptureError(f"{path}: packet {number}: {error}") from None


def _check_whole(path: Path, number: int, packet: Packet) -> None:
    if not packet.data:
        raise CaptureError(f"{path}: packet {number} is empty, expected one byte or more")
    if len(packet.data) < packet.whole_bytes:
        raise CaptureError(
            f"{path}: packet {number} has {len(packet.data)} of its {packet.whole_bytes} bytes, "
            "expected it whole"
        )
