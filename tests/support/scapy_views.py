"""SAs, packets and checksums as scapy sees them."""

from scapy.layers.inet import IP, UDP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.layers.ipsec import ESP
from scapy.layers.ipsec import SecurityAssociation as ScapySa
from scapy.utils import checksum

from espnic.model.interface.codes import Encapsulation
from espnic.model.net import ip


def scapy_sa(sa, high):
    """The SA in scapy's form."""
    outer = {4: IP, 6: IPv6}[sa.outer_family]
    addresses = {"src": str(sa.source), "dst": str(sa.destination)}
    return ScapySa(
        ESP, spi=sa.spi, crypt_algo="AES-GCM", crypt_key=sa.key + sa.salt,
        tunnel_header=outer(**addresses) if sa.mode == "tunnel" else None,
        nat_t_header=(UDP(sport=4500, dport=4500, chksum=0)
                      if sa.encapsulation == Encapsulation.UDP else None),
        esn_en=sa.esn, esn=high,
    )


def layers(packet):
    """Scapy's view of an IP packet."""
    return (IP if packet[0] >> 4 == 4 else IPv6)(packet)


def sums(packet):
    """Scapy's checksums over an IP packet's header and over its TCP or UDP: 0 if right."""
    split = ip.split(packet)
    of_layer4 = in4_chksum if split.version == 4 else in6_chksum
    header = checksum(split.header) if split.version == 4 else 0
    return header, of_layer4(split.protocol, layers(packet), split.payload)
