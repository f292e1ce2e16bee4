"""The picture and the computed parts of docs/segmentation.md, from what the model does."""

from collections.abc import Callable
from pathlib import Path

from espnic.model.esp import esp
from espnic.model.host.stack import device_request
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    IPPROTO_TCP,
    TCP_HEADER_BYTES,
)
from espnic.model.net import checksum
from espnic.sim.docs.segmentation_example import Example, device_for, example, load
from espnic.sim.docs.segmentation_picture import picture
from espnic.sim.files import PROJECT
from espnic.sim.markdown import table, with_parts

DOCUMENT = PROJECT / "docs" / "segmentation.md"
PICTURE = DOCUMENT.with_suffix(".svg")

_WRAP, _WRAP_NUMBER = "ho_esn_wrap_tun4_gcm128", 4
"""A burst with extended sequence numbers across 2^32."""
_WRAP_ROWS_BEFORE, _WRAP_ROWS = 2, 4
_WORKED = 1
"""The segment whose checksum is worked out: neither the first nor the short one."""


def worked_checksum(example: Example) -> str:
    """The sum that gives the TCP checksum of one segment, line by line, in Markdown."""
    at = example.header_bytes - TCP_HEADER_BYTES
    field = slice(checksum.FIELD_AT[IPPROTO_TCP], checksum.FIELD_AT[IPPROTO_TCP] + 2)
    payload_bytes = len(example.payload(_WORKED))
    segment = bytearray(example.segments[_WORKED][at:example.header_bytes + payload_bytes])
    segment[field] = bytes(2)
    came = int.from_bytes(example.superframe[at:][field], "big")
    whole_bytes = len(example.superframe) - at
    lengthless = checksum.subtract(came, whole_bytes)
    pseudo = checksum.add(lengthless, len(segment))
    header = checksum.total(segment[:TCP_HEADER_BYTES])
    data = checksum.total(segment[TCP_HEADER_BYTES:])
    total = checksum.add(checksum.add(pseudo, header), data)
    rows = (
        ("checksum field of the super-frame: sum of its pseudo-header", came),
        (f"- TCP length in that, {len(example.superframe):,} - {at} = {whole_bytes:,}",
         whole_bytes),
        ("= pseudo-header without a length", lengthless),
        (f"+ TCP length of the segment, {TCP_HEADER_BYTES} + {payload_bytes} = {len(segment)}",
         len(segment)),
        ("= sum of the segment's pseudo-header", pseudo),
        ("+ sum of its TCP header, with sequence number and flags, checksum 0", header),
        (f"+ sum of its {payload_bytes} bytes of payload", data),
        ("= sum of all", total),
        ("complement: the checksum of the segment", total ^ 0xFFFF),
    )
    return "\n".join(("```", *(f"{text:<72}{value:04x}" for text, value in rows), "```"))


def wrap_rows() -> str:
    """Sequence numbers and IVs of a burst across 2^32, in Markdown."""
    capture = load(_WRAP)
    [burst] = [row for row in capture.superframes if row.number == _WRAP_NUMBER]
    outgoing = burst.outgoing
    request = device_request(outgoing, capture.sas.index(outgoing.sa) + 1)
    result = device_for(capture).transmit(request.descriptor, request.frame)
    esp_at = request.descriptor["esp_offset"]
    first = (1 << 32) - outgoing.sequence - _WRAP_ROWS_BEFORE
    rows = []
    for index in range(first, first + _WRAP_ROWS):
        sequence = outgoing.sequence + index
        start = result.frames[index][esp_at:esp_at + ESP_TEXT_OFFSET]
        low, iv = start[4:ESP_HEADER_BYTES], start[ESP_HEADER_BYTES:]
        aad = esp.aad(outgoing.sa, sequence).hex(" ", 4)
        rows.append((
            index, f"{sequence:,}", f"`{low.hex()}`", f"`{aad}`", f"`{iv.hex()}`"))
    return table(("*k*", "sequence number", "in the ESP header", "AAD: SPI, high half, low half",
                  "IV"), rows)


EXAMPLES: dict[str, Callable[[], str]] = {
    "checksum": lambda: worked_checksum(example()),
    "wrap": wrap_rows,
}
"""The parts of the document that are computed, by the name in their marks."""


def documents() -> dict[Path, str]:
    """The picture, and the document with its computed parts made anew."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {PICTURE: picture(example()), DOCUMENT: with_examples(text)}


def with_examples(text: str) -> str:
    """The text of the document with its computed parts made anew."""
    return with_parts(text, EXAMPLES)
