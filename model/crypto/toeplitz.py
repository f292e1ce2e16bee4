"""The Toeplitz hash, a universal hash: without its key nobody can aim at a collision.

Source: H. Krawczyk, "LFSR-based Hashing and Authentication", CRYPTO 1994. The form is
that of receive side scaling, and it gives the vectors published for that.
"""


def toeplitz(key: int, data: int, bits: int) -> int:
    """Hash ``data`` to ``bits`` bits under ``key``.

    For every bit n that is set in ``data``, the ``bits`` bits of ``key`` from bit n up are XORed
    into the result. So data of d bits uses d + ``bits`` - 1 bits of the key. Numbers are
    big-endian: the first bit of a byte string is the most significant bit of its number.
    """
    result = 0
    while data:
        if data & 1:
            result ^= key
        key >>= 1
        data >>= 1
    return result & ((1 << bits) - 1)
