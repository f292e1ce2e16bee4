"""IP addresses, and the key by which the device finds an SA."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from espnic.model.interface.codes import Encapsulation
from espnic.model.interface.headers import IPV6_VERSION

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def lookup_key(destination: Address, encapsulation: Encapsulation, spi: int) -> dict[str, int]:
    """The fields of LOOKUP_KEY."""
    return {
        "destination": int(destination),
        "ipv6": int(destination.version == IPV6_VERSION),
        "encapsulation": int(encapsulation),
        "spi": spi,
    }


def address_of(number: int, ipv6: int) -> Address:
    """The address in the fields ``destination`` and ``ipv6`` of LOOKUP_KEY.

    Raises ``ValueError`` for an IPv4 address above 32 bits.
    """
    return IPv6Address(number) if ipv6 else IPv4Address(number)


def without_zone(address: Address) -> Address:
    """The address without its zone (RFC 4007, 11), with which it would equal none in a packet."""
    return address_of(int(address), int(address.version == IPV6_VERSION))
