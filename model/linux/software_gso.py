"""Segments and checksums of clear packets as the kernel makes them in software.

Beside TCP and UDP these are tunnels in the packet (GRE, IPIP, VXLAN, GENEVE), and SCTP. Sources:
``__skb_gso_segment`` and its handlers, RFC 2784 (GRE), RFC 9260 (SCTP).
"""

from itertools import pairwise

from espnic.model.interface.headers import IPV4_VERSION
from espnic.model.linux.tx_skb import IPPROTO_SCTP, GsoType, TxSkb
from espnic.model.net import checksum, gso, ip
from espnic.model.net.header_fields import IPV4_ID, UDP_CHECKSUM, UDP_LENGTH, HeaderField
from espnic.model.net.ip import IpPacket

SCTP_HEADER_BYTES = 12
_SCTP_CHECKSUM = slice(8, 12)
_GRE_CHECKSUM = HeaderField(4)
_CRC32C = 0x82F63B78
"""Polynomial of CRC32c, lowest power first (RFC 9260, appendix A)."""
_UDP_TUNNELS = GsoType.UDP_TUNNEL | GsoType.UDP_TUNNEL_CSUM
_TUNNELS = GsoType.GRE | GsoType.GRE_CSUM | GsoType.IPXIP4 | GsoType.IPXIP6 | _UDP_TUNNELS


def finished(skb: TxSkb) -> list[bytes]:
    """The finished clear packets of a packet or super-frame.

    Raises ``ValueError`` for what cannot be segmented or summed.
    """
    if not skb.gso_size:
        return [_summed(skb)]
    if bool(skb.gso_type & _TUNNELS) != (skb.inner_network is not None):
        raise ValueError(f"super-frame {skb.gso_type!r}, expected a tunnel's type and its inside")
    inside = skb.data[skb.inner_network or 0:]
    cut = (_sctp_segments(inside, skb.fragments) if skb.gso_type & GsoType.SCTP
           else gso.segments(inside, skb.gso_size))
    if skb.gso_type & GsoType.TCP_FIXEDID:
        cut = [_with_id(segment, IPV4_ID.read(inside)) for segment in cut]
    if skb.inner_network is None:
        return cut
    return [_in_tunnel(skb, index, segment) for index, segment in enumerate(cut)]


def crc32c(data: bytes) -> int:
    """The CRC32c of ``data`` (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC32C if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _summed(skb: TxSkb) -> bytes:
    """A packet that is no super-frame, its checksum finished where it was left."""
    if skb.csum_start is None:
        return skb.data
    inside = ip.split(skb.data[skb.inner_network or 0:])
    end = (skb.inner_network or 0) + len(inside.whole())
    layer4 = skb.data[skb.csum_start:end]
    if inside.protocol == IPPROTO_SCTP:
        done = _with_crc(layer4)
    elif skb.csum_offset is not None:
        value = checksum.of(layer4) or checksum.MODULUS
        done = HeaderField(skb.csum_offset).replace(layer4, value)
    elif inside.protocol in checksum.FIELDS:
        done = checksum.complete(layer4, inside.protocol)
    else:
        raise ValueError(
            f"protocol {inside.protocol} without csum_offset, expected TCP, UDP or SCTP")
    return skb.data[:skb.csum_start] + done + skb.data[end:]


def _sctp_segments(packet: bytes, fragments: tuple[int, ...]) -> list[bytes]:
    """The packets of an SCTP super-frame: the common header, then the chunks of each."""
    whole = ip.split(packet)
    header, chunks = whole.payload[:SCTP_HEADER_BYTES], whole.payload[SCTP_HEADER_BYTES:]
    if whole.protocol != IPPROTO_SCTP or not fragments or sum(fragments) != len(chunks):
        raise ValueError(f"super-frame of {len(chunks)} bytes of chunks in {fragments}, "
                         "expected SCTP and their lengths")
    ends = [0]
    for length in fragments:
        ends.append(ends[-1] + length)
    return [_rebuilt(whole, index, _with_crc(header + chunks[start:end]))
            for index, (start, end) in enumerate(pairwise(ends))]


def _with_crc(sctp: bytes) -> bytes:
    """An SCTP packet with its checksum, which stands with the lowest byte first."""
    start, end = _SCTP_CHECKSUM.start, _SCTP_CHECKSUM.stop
    crc = crc32c(sctp[:start] + bytes(end - start) + sctp[end:])
    return sctp[:start] + crc.to_bytes(end - start, "little") + sctp[end:]


def _in_tunnel(skb: TxSkb, index: int, segment: bytes) -> bytes:
    """A segment behind the headers of its tunnel, with their lengths and checksums."""
    outer = ip.split(skb.data)
    header = skb.data[len(outer.header):skb.inner_network]
    if skb.gso_type & GsoType.GRE_CSUM:
        header = _GRE_CHECKSUM.replace(header, 0)
        header = _GRE_CHECKSUM.replace(header, checksum.of(header + segment))
    if skb.gso_type & _UDP_TUNNELS:
        header = UDP_LENGTH.replace(header, len(header) + len(segment))
        header = UDP_CHECKSUM.replace(header, 0)
        if skb.gso_type & GsoType.UDP_TUNNEL_CSUM:
            whole = header + segment
            pseudo = checksum.pseudo_header(
                outer.source, outer.destination, outer.protocol, len(whole))
            value = checksum.of(pseudo + whole)
            at = UDP_CHECKSUM.offset
            header = header[:at] + checksum.field(outer.protocol, value) + header[at + 2:]
    return _rebuilt(outer, index, header + segment)


def _rebuilt(packet: IpPacket, index: int, payload: bytes) -> bytes:
    """The packet of segment ``index`` with its payload; its IPv4 ID is higher by ``index``."""
    header = packet.header
    if packet.version == IPV4_VERSION:
        header = IPV4_ID.replace(header, IPV4_ID.read(header) + index & 0xFFFF)
    return ip.fix_lengths(header, len(payload)) + payload


def _with_id(packet: bytes, identification: int) -> bytes:
    """An IPv4 packet with an identification, its header's checksum put right."""
    split = ip.split(packet)
    return ip.with_ipv4_checksum(
        IPV4_ID.replace(split.header, identification)) + split.payload
