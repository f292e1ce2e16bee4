"""The Toeplitz hash: universal, so collisions cannot be aimed at without its key.

Source: H. Krawczyk, "LFSR-based Hashing and Authentication", CRYPTO 1994; the form is
that of receive side scaling, whose published vectors it gives.
"""


def toeplitz(key: int, data: int, bits: int) -> int:
    """Hash ``data`` to ``bits`` bits under ``key``.

    Every set bit n of ``data`` adds (XOR) the ``bits`` bits of ``key`` from bit n up, so
    data of d bits uses d + ``bits`` - 1 bits of the key. Numbers are big-endian: the first
    bit of a byte string is the most significant bit of its number.
    """
    result = 0
    while data:
        if data & 1:
            result ^= key
        key >>= 1
        data >>= 1
    return result & ((1 << bits) - 1)
