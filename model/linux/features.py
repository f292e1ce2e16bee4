"""The device's features as a packet or a user meets them."""

from collections.abc import Iterable

from espnic.model.linux.netdev import Feature
from espnic.model.linux.tx_skb import NO_GSO, GsoType, TxSkb
from espnic.model.net import checksum, ip

_HARMLESS = GsoType.DODGY | GsoType.TCP_ECN | GsoType.ESP
"""Bits of a super-frame's type that change nothing in its segments."""
_SEGMENTED = (NO_GSO, GsoType.TCPV4, GsoType.TCPV6, GsoType.UDP_L4)
"""Types of super-frames that the device cuts."""


def for_packet(skb: TxSkb, features: set[Feature]) -> set[Feature]:
    """The device's features for a packet of an offloaded SA.

    It sums and cuts TCP and UDP that stand right behind the packet's IP header. Segments and
    checksums of all else are software's work: of GRE, IPIP, VXLAN, SCTP and ICMPv6, and of
    what needs one IPv4 identification in all segments. The device still seals them.
    """
    if skb.csum_start is None and not skb.gso_size:
        return features
    packet = ip.split(skb.data)
    plain = (
        skb.inner_network is None and packet.protocol in checksum.FIELDS
        and skb.csum_start == len(packet.header)
        and skb.csum_offset in (None, checksum.FIELD_AT[packet.protocol])
        and skb.gso_type & ~_HARMLESS in _SEGMENTED)
    return features if plain else features - {Feature.HW_ESP_TX_CSUM, Feature.GSO_ESP}


def wanted_of(names: Iterable[str], wanted: set[Feature]) -> set[Feature]:
    """The features that can be on when a user wants these: each needs those before it.

    ``names`` are those of the device, in the order of ``model.interface.capabilities``.
    """
    features: set[Feature] = set()
    for name in names:
        if Feature(name) not in wanted:
            break
        features.add(Feature(name))
    return features
