"""A clear packet on its way down: struct sk_buff with the work that it leaves to others."""

from dataclasses import dataclass
from enum import IntFlag

from espnic.model.interface.codes import IPPROTO_TCP
from espnic.model.interface.headers import IPV6_VERSION
from espnic.model.net import gso, ip

IPPROTO_SCTP = 132


class GsoType(IntFlag):
    """Kind of a super-frame (SKB_GSO_*, with the kernel's bits)."""

    TCPV4 = 1 << 0
    DODGY = 1 << 1
    """From a source that is not trusted, such as TUN/TAP."""
    TCP_ECN = 1 << 2
    TCP_FIXEDID = 1 << 3
    """Every segment has the same IPv4 identification."""
    TCPV6 = 1 << 4
    GRE = 1 << 6
    GRE_CSUM = 1 << 7
    """Instead of GRE, for a tunnel with checksums."""
    IPXIP4 = 1 << 8
    IPXIP6 = 1 << 9
    UDP_TUNNEL = 1 << 10
    """VXLAN, GENEVE and other tunnels in UDP."""
    UDP_TUNNEL_CSUM = 1 << 11
    """Instead of UDP_TUNNEL, for a tunnel with UDP checksums."""
    SCTP = 1 << 14
    ESP = 1 << 15
    """ESP stands in front: the stack sets it before a driver is asked for features."""
    UDP_L4 = 1 << 17


NO_GSO = GsoType(0)


@dataclass(frozen=True)
class TxSkb:
    """A clear packet, and what of it is still to be done."""

    data: bytes
    """The IP packet."""
    csum_start: int | None = None
    """Offset of the header whose checksum is to be finished (CHECKSUM_PARTIAL); None: finished."""
    csum_offset: int | None = None
    """Offset of the checksum in that header; None: that of TCP, UDP or SCTP."""
    gso_size: int = 0
    """Payload bytes of each segment of a super-frame; 0: it is none."""
    gso_segs: int = 0
    """Segments as the stack counts them: so many sequence numbers it takes. A super-frame from
    TUN/TAP has 0."""
    gso_type: GsoType = NO_GSO
    inner_network: int | None = None
    """Offset of the IP header inside a tunnel such as GRE or VXLAN; None without one."""
    fragments: tuple[int, ...] = ()
    """Bytes of the chunks of each segment of an SCTP super-frame."""


def tx_skb(clear: bytes, checksum: bool = False, mss: int = 0) -> TxSkb:
    """The packet of a TCP or UDP sender on this host; arguments as those of ``Outgoing``.

    Raises ``ValueError`` for what is no whole IP packet, and, with work left, for what is neither
    TCP nor UDP.
    """
    packet = ip.split(clear)
    if not checksum and not mss:
        return TxSkb(clear)
    layer4 = gso.layer4(packet)
    if not mss:
        return TxSkb(clear, csum_start=len(packet.header))
    kind = GsoType.UDP_L4
    if layer4.protocol == IPPROTO_TCP:
        kind = GsoType.TCPV6 if packet.version == IPV6_VERSION else GsoType.TCPV4
    return TxSkb(clear, csum_start=len(packet.header), gso_size=mss,
                 gso_segs=-(-len(layer4.payload) // mss), gso_type=kind)
