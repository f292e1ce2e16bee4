"""Frames with TCP and UDP that is not in ESP, with right and wrong checksums or none to check."""

from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
)
from espnic.model.net import checksum
from espnic.model.net.addresses import Address
from espnic.sim.traffic.frames import MACS, SERVICE_TAG, VLAN_TAG

PROTOCOLS = (IPPROTO_TCP, IPPROTO_UDP)
FAMILIES = (4, 6)
TAGS = (b"", VLAN_TAG)
PADDING = (b"", b"\xff", b"\xaa\xbb\xcc", bytes(range(1, 41)))
HEADER_BYTES = {IPPROTO_TCP: 20, IPPROTO_UDP: 8}

Kind = tuple[int, int, bytes]
"""IP version, protocol and VLAN tags of a frame."""


def layer4(
    chance: Random, protocol: int, payload_bytes: int, *, udp_length: int | None = None,
) -> bytes:
    """A TCP or UDP header and payload of random bytes, with anything as its checksum."""
    header = bytearray(chance.randbytes(HEADER_BYTES[protocol]))
    if protocol == IPPROTO_UDP:
        length = len(header) + payload_bytes if udp_length is None else udp_length
        header[4:6] = length.to_bytes(2, "big")
    return bytes(header) + chance.randbytes(payload_bytes)


def summed(data: bytes, protocol: int, source: Address, destination: Address) -> bytes:
    """Put in the checksum that makes the sum zero; in UDP FFFFh for 0, which says none is given.

    The sum of UDP goes to where its length says, if that is in ``data``.
    """
    at = checksum.FIELD_AT[protocol]
    if len(data) < at + 2:
        return data
    end = len(data)
    if protocol == IPPROTO_UDP:
        end = min(end, max(int.from_bytes(data[4:6], "big"), HEADER_BYTES[protocol]))
    pseudo = checksum.pseudo_header(source, destination, protocol, end)
    value = checksum.of(pseudo + data[:at] + bytes(2) + data[at + 2:end])
    return data[:at] + checksum.field(protocol, value) + data[at + 2:]


def ip_packet(
    chance: Random, family: int, protocol: int, data: bytes, *, next_header: int | None = None,
    length: int | None = None, first: int | None = None, fragment: int = 0x4000,
) -> bytes:
    """An IP packet whose L4 checksum is right; what is given of its header may be wrong."""
    next_header = protocol if next_header is None else next_header
    source: Address
    destination: Address
    if family == 4:
        source, destination = (IPv4Address(chance.randbytes(4)) for _ in range(2))
        length = IPV4_HEADER_BYTES + len(data) if length is None else length
        header = bytes([0x45 if first is None else first, 0]) + length.to_bytes(2, "big")
        header += chance.randbytes(2) + fragment.to_bytes(2, "big")
        header += bytes([chance.randrange(256), next_header]) + chance.randbytes(2)
    else:
        source, destination = (IPv6Address(chance.randbytes(16)) for _ in range(2))
        length = len(data) if length is None else length
        header = bytes([0x6B if first is None else first]) + chance.randbytes(3)
        header += length.to_bytes(2, "big") + bytes([next_header, chance.randrange(256)])
    return header + source.packed + destination.packed + summed(
        data, protocol, source, destination)


def frame(family: int, packet: bytes, tags: bytes = b"", padding: bytes = b"") -> bytes:
    """A packet in its Ethernet frame, with bytes behind it."""
    ethertype = ETHERTYPE_IPV4 if family == 4 else ETHERTYPE_IPV6
    return MACS + tags + ethertype.to_bytes(2, "big") + packet + padding


def headers() -> list[Kind]:
    """Every combination of headers that is looked at."""
    return [(family, protocol, tags)
            for family in FAMILIES for protocol in PROTOCOLS for tags in TAGS]


def good_frame(
    chance: Random, payload_bytes: int, *, kind: Kind | None = None, padding: bytes | None = None,
) -> bytes:
    """A frame with a right checksum, or of UDP once in 65,536 with none."""
    family, protocol, tags = kind or chance.choice(headers())
    data = layer4(chance, protocol, payload_bytes)
    return frame(family, ip_packet(chance, family, protocol, data), tags,
                 chance.choice(PADDING) if padding is None else padding)


def short_udp_frame(
    chance: Random, payload_bytes: int, behind_bytes: int, *, family: int | None = None,
    tags: bytes = b"", cut: int = 0,
) -> bytes:
    """A frame with a right checksum of UDP that ends ``behind_bytes`` before its IP packet does.

    The frame lacks the last ``cut`` bytes of that.
    """
    family = chance.choice(FAMILIES) if family is None else family
    length = HEADER_BYTES[IPPROTO_UDP] + payload_bytes
    data = layer4(chance, IPPROTO_UDP, payload_bytes + behind_bytes, udp_length=length)
    whole = frame(family, ip_packet(chance, family, IPPROTO_UDP, data), tags)
    return whole[:len(whole) - cut]


def one_bit_wrong(chance: Random, given: bytes) -> bytes:
    """Any bit after the MAC addresses may be the wrong one, so it is the model that knows."""
    at = chance.randrange(len(MACS), len(given))
    return given[:at] + bytes([given[at] ^ 1 << chance.randrange(8)]) + given[at + 1:]


def l4_bit_wrong(chance: Random, kind: Kind, payload_bytes: int) -> bytes:
    """A frame with a wrong bit in addresses, L4 header or payload, but not in the UDP length or,
    where that would take it away, the checksum."""
    family, protocol, tags = kind
    given = bytearray(good_frame(chance, payload_bytes, kind=kind, padding=b""))
    l3 = ETHERNET_HEADER_BYTES + len(tags)
    l4 = l3 + (IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES)
    places = [at for at in range(l3 + (12 if family == 4 else 8), len(given))
              if protocol == IPPROTO_TCP or not l4 + 4 <= at < l4 + 8]
    given[chance.choice(places)] ^= 1 << chance.randrange(8)
    return bytes(given)


def frames_not_looked_at(chance: Random) -> list[bytes]:
    """Every reason to say nothing of a checksum, in every place where it can stand."""
    found: list[bytes] = []

    def add(family: int, protocol: int, tags: bytes, data: bytes, **change: Any) -> None:
        found.append(frame(family, ip_packet(chance, family, protocol, data, **change), tags))

    for family, protocol, tags in headers():
        whole = layer4(chance, protocol, 30)
        length = len(whole) + (IPV4_HEADER_BYTES if family == 4 else 0)
        for change in (
            {"next_header": 1}, {"next_header": 50}, {"next_header": 44}, {"next_header": 7},
            {"next_header": 0}, {"length": length - 1}, {"length": 0},
            {"first": 0x55}, {"first": 0x40 if family == 6 else 0x60},
        ):
            if protocol == IPPROTO_UDP or "length" not in change:
                add(family, protocol, tags, whole, **change)
        if protocol == IPPROTO_TCP:
            for count in (length + 1, length + 0x100, 0xFFFF, 0):
                add(family, protocol, tags, whole, length=count)
        if family == 4:
            for change in ({"first": 0x46}, {"first": 0x4F}, {"first": 0x44}, {"fragment": 0x2000},
                           {"fragment": 1}, {"fragment": 0x1FFF}, {"fragment": 0x6000},
                           {"length": 5}, {"length": 19}, {"length": 20}):
                add(family, protocol, tags, whole, **change)
        for count in range(HEADER_BYTES[protocol]):
            add(family, protocol, tags, layer4(chance, protocol, 0)[:count])
        if protocol == IPPROTO_UDP:
            for udp_length in (0, 7, 39, 38 + 0x100, 0xFFFF):
                add(family, protocol, tags, layer4(chance, protocol, 30, udp_length=udp_length))
            for count in range(8):
                data = layer4(chance, protocol, 0, udp_length=count)
                add(family, protocol, tags, data,
                    length=count + (IPV4_HEADER_BYTES if family == 4 else 0))
            good = good_frame(chance, 30, kind=(family, protocol, tags), padding=b"")
            at = ETHERNET_HEADER_BYTES + len(tags) + (
                IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES) + 6
            found.append(good[:at] + bytes(2) + good[at + 2:])
        for wrong in (SERVICE_TAG, 2 * VLAN_TAG, 3 * VLAN_TAG, SERVICE_TAG + VLAN_TAG):
            found.append(frame(family, ip_packet(chance, family, protocol, whole), wrong))
        packet = ip_packet(chance, family, protocol, whole)
        found.append(frame(10 - family, packet, tags))
        found.append(MACS + tags + b"\x08\x06" + packet)
        whole_frame = frame(family, packet, tags)
        found += [whole_frame[:count] for count in range(1, len(whole_frame))]
    return found
