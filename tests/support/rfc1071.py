"""The Internet checksum of RFC 1071 in whole numbers."""


def ones_sum(octets, start=0):
    """RFC 1071, not complemented: 16-bit numbers, carries added back, a 0 after an odd byte."""
    octets += bytes(len(octets) % 2)
    total = start + sum(int.from_bytes(octets[place:place + 2], "big")
                        for place in range(0, len(octets), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total
