"""Frames on Ethernet: their lengths, how many a line carries, and the clock that they need."""

from collections.abc import Sequence

from espnic.hdl.layouts import has_spare_lane, lanes_of
from espnic.model.interface.codes import (
    AES_BLOCK_BYTES,
    ESP_ALIGNMENT_BYTES,
    ESP_TEXT_OFFSET,
    FRAME_BYTES_MAX,
    IcvSize,
)
from espnic.model.interface.headers import ESP_OFFSET_MIN

FRAME_BYTES_MIN = 60
"""Length of the shortest frame, without FCS."""
OVERHEAD_BYTES = 24
"""Length of the preamble, FCS and gap around a frame on the wire."""
SIZES = range(FRAME_BYTES_MIN, FRAME_BYTES_MAX + 1)
"""All lengths of frames that the engine takes, without FCS."""


def line_mpps(gbps: float, frame_bytes: float) -> float:
    """Millions of frames of a length a second that a line of this rate in Gb/s carries."""
    return gbps * 1000 / 8 / (frame_bytes + OVERHEAD_BYTES)


def needed_mhz(gbps: float, frame_bytes: int, width: int) -> float:
    """Clock at which a beat of ``width`` bits a clock carries a line full of such frames."""
    return line_mpps(gbps, frame_bytes) * -(-8 * frame_bytes // width)


def hardest(width: int) -> int:
    """The length of frame that needs the fastest clock at ``width`` bits a beat."""
    return max(SIZES, key=lambda frame_bytes: needed_mhz(1, frame_bytes, width))


def slots(text_bytes: int, width: int) -> int:
    """Slots of the AES-GCM core for an ESP packet with a text of so many bytes.

    They are those of the AAD, of the text's beats, and of the lengths block if the last of them
    leaves no room for it. A core with a spare lane takes the latter in a slot of the text, and so
    the AAD if the last beat has less than a block.
    """
    beats, rest = divmod(text_bytes - 1, width // 8)
    if has_spare_lane(lanes_of(width)):
        return beats + 1 + (rest + 1 >= AES_BLOCK_BYTES)
    return beats + 2 + (rest + 1 > width // 8 - AES_BLOCK_BYTES)


def sealed_mhz(gbps: float, width: int, fold: int) -> float:
    """Clock at which a core that takes ``fold`` clocks a slot carries a line full of ESP packets.

    It is that of the length that needs the fastest, with the fewest bytes around the text.
    """
    around = ESP_OFFSET_MIN + ESP_TEXT_OFFSET + IcvSize.ICV8.bytes
    return max(
        line_mpps(gbps, max(around + text_bytes, FRAME_BYTES_MIN)) * slots(text_bytes, width) * fold
        for text_bytes in range(
            ESP_ALIGNMENT_BYTES, FRAME_BYTES_MAX - around + 1, ESP_ALIGNMENT_BYTES))


def lost_sizes(gbps: float, width: int, clock_mhz: float) -> Sequence[int]:
    """The lengths of frames that need a faster clock than this one."""
    return [frame_bytes for frame_bytes in SIZES
            if needed_mhz(gbps, frame_bytes, width) > clock_mhz]
