"""Clear IP packets as the host's stack has them, and the completion of a frame not opened."""

from ipaddress import ip_address

from espnic.model.interface.codes import RxStatus
from espnic.model.net import ip

INSIDE = {4: (ip_address("10.1.1.2"), ip_address("10.1.2.2")),
          6: (ip_address("fd01:1::2"), ip_address("fd01:2::2"))}
NOT_OPENED = {"status": int(RxStatus.NO_SA)}


def clear_packet(family, payload=b"payload", protocol=17, traffic_class=0, between=None):
    """A raw IP packet with a right checksum."""
    source, destination = between or INSIDE[family]
    if family == 4:
        header = bytes([0x45, traffic_class]) + bytes(4) + b"\x40\x00" + bytes([63, protocol, 0, 0])
    else:
        header = (6 << 28 | traffic_class << 20 | 0x12345).to_bytes(4, "big") + bytes(2)
        header += bytes([protocol, 63])
    return ip.fix_lengths(header + source.packed + destination.packed, len(payload)) + payload
