"""Fields of the headers in front of ESP, wherever VLAN tag and IP version put them."""

from amaranth.hdl import Cat, Mux, Value

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    VLAN_TAG_BYTES,
)
from espnic.model.interface.headers import IPV4_PROTOCOL_AT, IPV6_NEXT_HEADER_AT


class Places:
    """Fields of a header whose place depends on VLAN tag and IP version.

    A function of a field is computed for each place where the field may lie. The choice
    between the places is known latest, so it comes last.
    """

    def __init__(self, octets, vlan, ipv6):
        self.octets = octets
        self.vlan = vlan
        self.ipv6 = ipv6

    def number(self, offset: int, count: int) -> Value:
        """The big-endian number of ``count`` bytes at ``offset``."""
        return number_at(self.octets, offset, count)

    def behind_ethernet(self, function) -> Value:
        """``function`` of the offset of the IP header."""
        return Mux(self.vlan, function(ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES),
                   function(ETHERNET_HEADER_BYTES))

    def behind_ip(self, function) -> Value:
        """``function`` of the offset of what follows the IP header."""
        return Mux(
            self.ipv6,
            self.behind_ethernet(lambda l3: function(l3 + IPV6_HEADER_BYTES)),
            self.behind_ethernet(lambda l3: function(l3 + IPV4_HEADER_BYTES)))

    def protocol(self, function) -> Value:
        """``function`` of the protocol of IPv4 or the next header of IPv6."""
        return Mux(
            self.ipv6,
            self.behind_ethernet(lambda l3: function(self.octets[l3 + IPV6_NEXT_HEADER_AT])),
            self.behind_ethernet(lambda l3: function(self.octets[l3 + IPV4_PROTOCOL_AT])))


def number_at(octets, offset: int, count: int) -> Value:
    """The big-endian number of ``count`` header bytes at ``offset``."""
    return Cat(*(octets[offset + index] for index in reversed(range(count))))
