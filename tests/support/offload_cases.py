"""Random packets and super-packets on random SAs, from a seed."""

from ipaddress import ip_address
from random import Random

from espnic.model.host.stack import Outgoing
from espnic.model.interface.codes import Encapsulation, IcvSize
from espnic.model.net import gso, ip
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.traffic import frames

TCP, UDP = 6, 17
IPV6_EXTENSIONS = (b"", b"", bytes.fromhex("0000010400000000"))
"""None, or a header of 8 bytes whose first byte, the next header, is still to be filled in."""


def random_sa(chance: Random) -> SecurityAssociation:
    """An SA that the device can send on, its first sequence number anywhere."""
    outer = chance.choice((4, 6))
    mode = chance.choice(("tunnel", "tunnel", "transport"))
    esn = chance.random() < 0.5
    return SecurityAssociation(
        name="any",
        spi=chance.randrange(1, 1 << 32),
        source=address(chance, outer),
        destination=address(chance, outer),
        mode=mode,
        inner_family=outer if mode == "transport" else chance.choice((4, 6)),
        key=chance.randbytes(chance.choice((16, 24, 32))),
        salt=chance.randbytes(4),
        seqiv_salt=chance.randbytes(8),
        icv=chance.choice(list(IcvSize)),
        esn=esn,
        esn_high=0,
        encapsulation=chance.choice(list(Encapsulation)),
    )


def address(chance: Random, family: int):
    return ip_address(chance.randbytes(4 if family == 4 else 16))


def random_sequence(chance: Random, esn: bool, count: int) -> int:
    """A first sequence number for ``count`` packets, often where something carries or ends."""
    limit = 1 << (64 if esn else 32)
    edges = [1, limit - count, chance.randrange(1, limit - count)]
    if esn:
        edges += [(chance.randrange(1, 1 << 32) << 32) - chance.randrange(count + 1), 1 << 32]
    return max(1, min(chance.choice(edges), limit - count))


def random_clear(chance: Random, sa: SecurityAssociation, payload_bytes: int) -> bytes:
    """A clear TCP or UDP packet for the SA, its checksum left to whoever sends."""
    if sa.mode == "transport":
        source, destination = sa.source, sa.destination
    else:
        source, destination = (address(chance, sa.inner_family) for _ in range(2))
    return clear_packet(chance, source, destination, payload_bytes)


def clear_packet(chance: Random, source, destination, payload_bytes: int) -> bytes:
    """A TCP or UDP packet between two addresses with random headers, options among them."""
    protocol = chance.choice((TCP, UDP))
    payload = chance.randbytes(payload_bytes)
    ports = chance.randbytes(4)
    if protocol == UDP:
        length = (8 + payload_bytes) & 0xFFFF
        layer4 = ports + length.to_bytes(2, "big") + bytes(2) + payload
    else:
        options = chance.randbytes(4 * chance.choice((0, 3, chance.randrange(11))))
        sequence = chance.choice((chance.randbytes(4), b"\xff\xff\xff\xf0"))
        layer4 = (ports + sequence + chance.randbytes(4)
                  + bytes([(5 + len(options) // 4) << 4 | chance.randrange(2)])
                  + chance.randbytes(1) + chance.randbytes(2) + bytes(2) + chance.randbytes(2)
                  + options + payload)
    header = ip_header(chance, source, destination, protocol)
    return gso.unfinished(ip.fix_lengths(header, len(layer4)) + layer4)


def ip_header(chance: Random, source, destination, protocol: int) -> bytes:
    addresses = source.packed + destination.packed
    if source.version == 6:
        extension = chance.choice(IPV6_EXTENSIONS)
        first = 60 if extension else protocol
        if extension:
            extension = bytes([protocol]) + extension[1:]
        word = 6 << 28 | chance.getrandbits(28)
        return word.to_bytes(4, "big") + bytes([0, 0, first, 64]) + addresses + extension
    options = b"\x01" * (4 * chance.choice((0, 0, chance.randrange(11))))
    identification = chance.choice((chance.randbytes(2), b"\xff\xfe"))
    flags = chance.choice((b"\x40\x00", b"\x00\x00"))
    return (bytes([0x45 + len(options) // 4, chance.randrange(256), 0, 0]) + identification + flags
            + bytes([64, protocol, 0, 0]) + addresses + options)


def random_link(chance: Random) -> bytes:
    return chance.randbytes(12) + chance.choice((b"", frames.VLAN_TAG))


def random_super(chance: Random) -> Outgoing:
    """A super-packet on a random SA: any MSS and number of segments, at times close to 64 KiB."""
    sa = random_sa(chance)
    mss = chance.choice((1, 2, 3, 536, 1460, chance.randrange(1, 60), chance.randrange(1, 9000)))
    count = chance.randrange(1, 12)
    payload_bytes = min(chance.choice((mss * count, chance.randrange(1, mss * count + 1))), 64000)
    segments = -(-payload_bytes // mss)
    return Outgoing(
        sa, random_sequence(chance, sa.esn, segments), random_clear(chance, sa, payload_bytes),
        random_link(chance), ip_id=chance.choice((0xFFFF, chance.getrandbits(16))), mss=mss)


def random_single(chance: Random) -> Outgoing:
    """A packet whose checksum the device is to put in."""
    sa = random_sa(chance)
    return Outgoing(
        sa, random_sequence(chance, sa.esn, 1), random_clear(chance, sa, chance.randrange(0, 200)),
        random_link(chance), ip_id=chance.getrandbits(16), checksum=True)


