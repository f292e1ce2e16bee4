"""The checksum that a device gives with a received frame, as Linux uses it up (skb->ip_summed).

Linux takes out of a CHECKSUM_COMPLETE sum whatever it takes off the packet: VLAN tag, Ethernet
padding, ESP's trailer, ESP header and IV, and what follows a UDP datagram in its packet. It does
not take out an IPv4 header, which sums to zero, nor the UDP header before ESP. Sources:
ip_rcv_core, pskb_trim_rcsum, udp_rcv, xfrm4_udp_encap_rcv, esp_remove_trailer, esp_input_done2,
esp6_input_done2, ip6_protocol_deliver_rcu, __skb_checksum_complete.
"""

from collections import Counter

from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ETHERNET_HEADER_BYTES,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    Encapsulation,
)
from espnic.model.interface.headers import IPV6_VERSION
from espnic.model.linux.skb import SkBuff
from espnic.model.linux.xfrm import XfrmState
from espnic.model.net import checksum, ip
from espnic.model.net.ethernet import header_bytes
from espnic.model.net.header_fields import UDP_CHECKSUM, UDP_LENGTH
from espnic.model.net.ip import IpPacket

UDP_ERROR = "UdpInCsumErrors"
"""Counter of datagrams with a wrong checksum (/proc/net/snmp)."""
HARDWARE, SOFTWARE, FAULT = "by the device", "in software", "hw csum failure"
"""How the checksum of a packet that has been opened was found right. FAULT: the device's sum was
wrong (netdev_rx_csum_fault), and software had to sum again."""
WRONG, NONE = "wrong", "none"
"""Checksums that are wrong, and packets without one."""


class Sum:
    """The bytes of a packet on its way up, and the device's sum of them (skb->csum)."""

    def __init__(self, data: bytes, value: int) -> None:
        self.data = data
        self.value = value

    def pull(self, count: int) -> None:
        """Take bytes off the front, and leave the sum (__skb_pull)."""
        self.data = self.data[count:]

    def pull_rcsum(self, count: int) -> None:
        """Take bytes off the front and out of the sum (skb_pull_rcsum)."""
        self.postpull_rcsum(self.data[:count])
        self.pull(count)

    def postpull_rcsum(self, taken: bytes) -> None:
        """Take bytes out of the sum that are off the front already (skb_postpull_rcsum)."""
        self.value = checksum.subtract(self.value, checksum.total(taken))

    def trim_rcsum(self, length: int) -> None:
        """Take all bytes behind the first ``length`` off and out of the sum (pskb_trim_rcsum).

        At an odd length they lie in the other halves of the words.
        """
        self.value = checksum.subtract_block(
            self.value, checksum.total(self.data[length:]), length)
        self.data = self.data[:length]


def outer_udp_is_right(skb: SkBuff, carrier: IpPacket) -> bool:
    """Whether the UDP datagram that carries ESP passes Linux's check of its checksum.

    A device that has opened the packet must have said that the checksum was right: Linux can only
    sum over bytes that the device has replaced. A checksum of 0 is none.
    """
    if skb.csum_level is not None or UDP_CHECKSUM.read(carrier.payload) == 0:
        return True
    return _is_right(carrier, checksum.total(_layer4(carrier)))


def count_inner(skb: SkBuff, x: XfrmState, clear: IpPacket, counts: Counter[str]) -> None:
    """Count how the TCP or UDP checksum of an opened packet is found right, or wrong.

    ``clear`` is the packet as it goes up. Behind NAT, in transport mode, Linux does not check it.
    """
    if not _has_checksum(clear):
        counts[NONE] += 1
        return
    if x.encapsulation == Encapsulation.UDP and x.mode == "transport":
        counts[NONE] += 1
        return
    by_device = skb.sec_path is not None and skb.checksum is not None
    if by_device and _is_right(clear, _left(skb, x, clear)):
        counts[HARDWARE] += 1
    elif not _is_right(clear, checksum.total(_layer4(clear))):
        counts[WRONG] += 1
    else:
        counts[FAULT if by_device else SOFTWARE] += 1


def _left(skb: SkBuff, x: XfrmState, clear: IpPacket) -> int:
    """The rest of the device's sum when the stack has come to the TCP or UDP header."""
    assert skb.checksum is not None
    left = Sum(skb.data[ETHERNET_HEADER_BYTES:], skb.checksum)
    left.pull_rcsum(header_bytes(skb.data) - ETHERNET_HEADER_BYTES)
    carrier = ip.split(left.data)
    left.trim_rcsum(len(carrier.whole()))
    left.pull(len(carrier.header) + (UDP_HEADER_BYTES if x.encap else 0))
    icv_bytes = x.association.icv.bytes
    cut = trailer.length(left.data[ESP_TEXT_OFFSET:-icv_bytes])
    assert cut is not None, "the packet has been opened"
    left.trim_rcsum(len(left.data) - cut - icv_bytes)
    if carrier.version == IPV6_VERSION:
        left.postpull_rcsum(carrier.header)
    left.pull_rcsum(ESP_TEXT_OFFSET)
    if x.mode == "tunnel":
        inner = ip.split(left.data)
        left.trim_rcsum(len(inner.whole()))
        left.pull(len(inner.header))
        if clear.version == IPV6_VERSION:
            left.postpull_rcsum(inner.header)
    left.trim_rcsum(len(_layer4(clear)))
    return left.value


def _has_checksum(packet: IpPacket) -> bool:
    minimum = checksum.HEADER_BYTES_MIN.get(packet.protocol)
    if packet.fragment is not None or minimum is None or len(packet.payload) < minimum:
        return False
    return packet.protocol != IPPROTO_UDP or (
        UDP_HEADER_BYTES <= UDP_LENGTH.read(packet.payload) <= len(packet.payload)
        and UDP_CHECKSUM.read(packet.payload) != 0)


def _layer4(packet: IpPacket) -> bytes:
    """TCP, or UDP as long as its header says, which may be less than IP carries (udp_rcv)."""
    if packet.protocol != IPPROTO_UDP:
        return packet.payload
    return packet.payload[:UDP_LENGTH.read(packet.payload)]


def _is_right(packet: IpPacket, value: int) -> bool:
    """Whether a sum of a packet's TCP or UDP is right with its pseudo-header."""
    pseudo = checksum.total(checksum.pseudo_header(
        packet.source, packet.destination, packet.protocol, len(_layer4(packet))))
    return checksum.add(value, pseudo) in (0, checksum.MODULUS)
