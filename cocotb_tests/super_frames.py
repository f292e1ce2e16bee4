"""Super-frames as a host hands them over, whatever headers they have, and their descriptors."""

from model.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    Encapsulation,
    TxOperation,
)

_ESP_BYTES = 16
"""Of ESP header and IV."""


def random_layout(chance):
    """The LSO fields of a descriptor with headers that follow each other."""
    operation = chance.choice((*[TxOperation.ENCRYPT] * 4, TxOperation.BYPASS))
    outer_ipv6, ipv6 = chance.randrange(2), chance.randrange(2)
    tunnel = operation == TxOperation.ENCRYPT and chance.random() < 0.6
    encapsulation = chance.choice(list(Encapsulation))
    outer = chance.choice((14, 18))
    after = outer + _ip_bytes(chance, outer_ipv6)
    esp = chance.randrange(256)
    l3 = outer
    if operation == TxOperation.ENCRYPT:
        esp = after + (8 if encapsulation == Encapsulation.UDP else 0)
        after = esp + _ESP_BYTES
    if tunnel:
        l3 = after
        after += _ip_bytes(chance, ipv6)
    else:
        ipv6 = outer_ipv6
    protocol = chance.choice((IPPROTO_TCP, IPPROTO_UDP))
    header_bytes = after + (8 if protocol == IPPROTO_UDP else 4 * chance.randrange(5, 12))
    return {
        "operation": operation, "lso": 1, "outer_offset": outer, "l3_offset": l3,
        "outer_ipv6": outer_ipv6, "ipv6": ipv6, "encapsulation": encapsulation,
        "outer_id_fixed": chance.randrange(2), "esp_offset": esp, "l4_offset": after,
        "l4_protocol": protocol, "header_bytes": header_bytes,
    }


def random_super_frame(chance, segments_max, mss=None):
    """A descriptor for segmentation without its SA and sequence number, and its frame."""
    fields = random_layout(chance)
    most = FRAME_BYTES_MAX - fields["header_bytes"]
    mss = mss or chance.choice((1, 2, 3, chance.randrange(1, 70), chance.randrange(1, 600), 1460,
                                chance.randrange(1, most + 1), most))
    segments = chance.randrange(1, segments_max + 1)
    payload_bytes = min(65536, (segments - 1) * mss + chance.randrange(1, mss + 1))
    return fields | {"mss": mss}, chance.randbytes(fields["header_bytes"] + payload_bytes)


def _ip_bytes(chance, ipv6):
    """Length of an IP header; IPv4 sometimes with options."""
    return 40 if ipv6 else 20 + 4 * chance.choice((0, 0, 0, chance.randrange(11)))
