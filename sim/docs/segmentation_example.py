"""A super-frame that Linux handed its offload device, and what the model makes of each field."""

from dataclasses import dataclass
from enum import Enum

from espnic.model.device.device import Device, TxResult
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    SaDirection,
    SaOperation,
)
from espnic.model.sa.sa import command_values
from espnic.sim.capture import handoff
from espnic.sim.capture.handoff import OffloadCapture
from espnic.sim.files import PROJECT

_HANDOFFS = PROJECT / "captures" / "handoff"
_BURST, _BURST_NUMBER = "ho_tun4_mss536", 5
"""The smallest TCP burst: IPv4 and TCP headers without options, three segments, a short one."""


class Change(Enum):
    """Change of a field from segment to segment."""

    COPIED = "copied into each segment"
    LENGTH = "length of the segment"
    COUNT = "counts up"
    FLAGS = "flags of the first or last"
    CHECKSUM = "checksum of the segment"
    APPENDED = "appended by the engine"


@dataclass(frozen=True)
class Field:
    """A field of a header: its length in bytes, and what becomes of it."""

    name: str
    size: int
    change: Change = Change.COPIED
    rule: str = ""
    """Rule that gives its value, or the reason why it stays."""


@dataclass(frozen=True)
class Header:
    """A header and its fields, in the order of their bytes."""

    name: str
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(field.size for field in self.fields)


@dataclass(frozen=True)
class Example:
    """A super-frame in an IPv4 tunnel and its segments.

    ``segments`` are whole, with sequence number, IV, trailer and the ICV of the wire, but their
    text is in clear.
    """

    superframe: bytes
    segments: tuple[bytes, ...]
    header_bytes: int
    mss: int
    icv_bytes: int

    def payload(self, index: int) -> range:
        """Bytes of the payload that are in a segment."""
        end = len(self.superframe) - self.header_bytes
        return range(index * self.mss, min(end, (index + 1) * self.mss))

    def appended(self, index: int) -> bytes:
        """Trailer and ICV of a segment."""
        return self.segments[index][self.header_bytes + len(self.payload(index)):]


def example() -> Example:
    """The burst of the picture."""
    capture = load(_BURST)
    [row] = [row for row in capture.handed_off if row.number == _BURST_NUMBER]
    descriptor, frame = row.request.descriptor, row.request.frame
    result = device_for(capture).transmit(descriptor, frame)
    sa = capture.sas[descriptor["sa"] - 1]
    text_at = descriptor["esp_offset"] + ESP_TEXT_OFFSET
    return Example(
        superframe=frame,
        segments=tuple(
            wire[:text_at] + text + wire[text_at + len(text):]
            for wire, text in zip(result.frames, _traced(result, "tx.trailer", "text"),
                                  strict=True)),
        header_bytes=descriptor["header_bytes"],
        mss=descriptor["mss"],
        icv_bytes=sa.icv.bytes,
    )


def headers(mss: int) -> tuple[Header, ...]:
    """The headers of a frame with TCP in an IPv4 tunnel, from the first byte on."""
    return (
        Header("Ethernet", (Field("destination", 6), Field("source", 6), Field("type", 2))),
        Header("Outer IPv4", _ipv4("to the ICV's end", Field("ID", 2, rule="kept: DF"))),
        Header("ESP and IV", (
            Field("SPI", 4),
            Field("sequence number", ESP_HEADER_BYTES - 4, Change.COUNT, "+ k"),
            Field("IV", ESP_IV_BYTES, Change.COUNT, "64-bit sequence number XOR the SA's salt"),
        )),
        Header("Inner IPv4", _ipv4("to payload's end", Field("ID", 2, Change.COUNT, "+ k"))),
        Header("TCP", (
            Field("src port", 2), Field("dst port", 2),
            Field("sequence number", 4, Change.COUNT, f"+ {mss} · k"),
            Field("acknowledgment", 4), Field("len", 1),
            Field("flags", 1, Change.FLAGS, "PSH: last"),
            Field("window", 2), Field("checksum", 2, Change.CHECKSUM, "header, payload"),
            Field("urgent", 2),
        )),
    )


def _ipv4(length_rule: str, identification: Field) -> tuple[Field, ...]:
    return (
        Field("ver", 1), Field("TOS", 1), Field("length", 2, Change.LENGTH, length_rule),
        identification, Field("flags", 2), Field("TTL", 1), Field("prot", 1),
        Field("checksum", 2, Change.CHECKSUM, "of the header"),
        Field("source", 4), Field("destination", 4),
    )


def trailer_fields(example: Example) -> Header:
    """The fields that the engine appends to the payload of each segment."""
    [size] = {len(example.appended(index)) for index in range(len(example.segments))}
    pad = size - ESP_TRAILER_MIN_BYTES - example.icv_bytes
    return Header("ESP trailer and ICV", (
        Field("padding", pad, Change.APPENDED), Field("len", 1, Change.APPENDED),
        Field("next", 1, Change.APPENDED),
        Field("integrity check value (ICV)", example.icv_bytes, Change.APPENDED),
    ))


def load(name: str) -> OffloadCapture:
    """The capture of this name, of what Linux hands an offload device."""
    return handoff.load(_HANDOFFS / f"{name}.json")


def device_for(capture: OffloadCapture) -> Device:
    """A device with the SAs of a capture, under handles 1 and up."""
    device = Device()
    for handle, sa in enumerate(capture.sas, start=1):
        device.command(command_values(SaOperation.ADD, SaDirection.TX, handle, sa))
    return device


def _traced(result: TxResult, point: str, name: str) -> list[bytes]:
    return [bytes.fromhex(fields[name]) for at, fields in result.trace if at == point]
