"""Frames with ESP in UDP whose UDP checksum is right, wrong or 0."""

from espnic.model.esp import esp
from espnic.model.interface.codes import IPPROTO_UDP, UDP_PORT_ESP
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.traffic import frames

CHECKSUMS = ("right", "wrong", "none")
TEXT = bytes(range(29)) + b"\x01\x01\x04"


def in_udp(
    sa: SecurityAssociation, sequence: int, checksum: str, text: bytes = TEXT, tags: bytes = b"",
    port: int = UDP_PORT_ESP, behind: bytes = b"",
) -> bytes:
    """A good frame of the SA, but for a UDP checksum that is one of ``CHECKSUMS``.

    ``behind`` follows the UDP datagram in its IP packet.
    """
    esp_packet = esp.seal(sa, sequence, text).packet
    value = 0
    if checksum != "none":
        value = frames.udp_checksum(sa, frames.udp(esp_packet, port))
    if checksum == "wrong":
        # 1 must not become 0, which is no checksum.
        value ^= 0x10 if value != 0x10 else 0x20
    datagram = frames.udp(esp_packet, port, checksum=value)
    return frames.ethernet(frames.ip(sa, datagram + behind, IPPROTO_UDP), tags)
