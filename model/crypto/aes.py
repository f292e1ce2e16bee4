"""AES as FIPS 197 writes it, with every intermediate state, for the benches of the round pipeline.

The rest of the model takes AES from the ``cryptography`` package. This file gives
what a library does not show: the round keys and the state after each round.
A block or a round key is 16 bytes in the order of FIPS 197, 3.4: byte ``r + 4 c``
is row ``r`` of column ``c``.
"""

from espnic.model.interface.codes import AES_BLOCK_BYTES, KEY_BYTES

_WORD_BYTES = 4
_BLOCK_WORDS = AES_BLOCK_BYTES // _WORD_BYTES
_REDUCTION = 0x11B
_AFFINE_CONSTANT = 0x63


def field_multiply(a: int, b: int) -> int:
    """Product of two bytes in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _REDUCTION
        b >>= 1
    return product


def _substitute(byte: int) -> int:
    """SBOX() of one byte by its definition: inverse, then affine map (FIPS 197, 5.1.1)."""
    inverse = 0
    if byte:
        inverse = next(x for x in range(1, 256) if field_multiply(byte, x) == 1)
    result = inverse
    for shift in range(1, 5):
        result ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
    return result ^ _AFFINE_CONSTANT


SBOX = bytes(_substitute(byte) for byte in range(256))


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def sub_bytes(state: bytes) -> bytes:
    """SubBytes (FIPS 197, 5.1.1), on any number of bytes."""
    return bytes(SBOX[byte] for byte in state)


def shift_rows(state: bytes) -> bytes:
    """ShiftRows of a 16-byte state (FIPS 197, 5.1.2)."""
    return bytes(state[(i + 4 * (i % 4)) % AES_BLOCK_BYTES] for i in range(AES_BLOCK_BYTES))


def mix_columns(state: bytes) -> bytes:
    """MixColumns of a 16-byte state (FIPS 197, 5.1.3)."""
    mixed = bytearray()
    for column in range(0, AES_BLOCK_BYTES, 4):
        a = state[column:column + 4]
        for row in range(4):
            mixed.append(
                field_multiply(a[row], 2)
                ^ field_multiply(a[(row + 1) % 4], 3)
                ^ a[(row + 2) % 4]
                ^ a[(row + 3) % 4]
            )
    return bytes(mixed)


def expand_key(key: bytes) -> list[bytes]:
    """The round keys of a 16, 24 or 32-byte key: 11, 13 or 15 of 16 bytes (FIPS 197, 5.2).

    Raises ``ValueError`` for any other key length.
    """
    if len(key) not in KEY_BYTES:
        raise ValueError(f"AES key of {len(key)} bytes, expected 16, 24 or 32")
    key_words = len(key) // _WORD_BYTES
    rounds = key_words + 6
    words = [key[i:i + _WORD_BYTES] for i in range(0, len(key), _WORD_BYTES)]
    round_constant = 1
    for i in range(key_words, _BLOCK_WORDS * (rounds + 1)):
        word = words[-1]
        if i % key_words == 0:
            word = sub_bytes(word[1:] + word[:1])
            word = bytes([word[0] ^ round_constant]) + word[1:]
            round_constant = field_multiply(round_constant, 2)
        elif key_words == 8 and i % key_words == 4:
            word = sub_bytes(word)
        words.append(_xor(words[i - key_words], word))
    return [b"".join(words[i:i + _BLOCK_WORDS]) for i in range(0, len(words), _BLOCK_WORDS)]


def round_states(key: bytes, block: bytes) -> list[bytes]:
    """The state after the first AddRoundKey and after each round; the last is the ciphertext.

    11, 13 or 15 states of 16 bytes, as many as there are round keys (FIPS 197, 5.1).
    Raises ``ValueError`` for a wrong length of key or block.
    """
    if len(block) != AES_BLOCK_BYTES:
        raise ValueError(f"AES block of {len(block)} bytes, expected {AES_BLOCK_BYTES}")
    first, *middle, last = expand_key(key)
    states = [_xor(block, first)]
    for round_key in middle:
        states.append(_xor(mix_columns(shift_rows(sub_bytes(states[-1]))), round_key))
    states.append(_xor(shift_rows(sub_bytes(states[-1])), last))
    return states


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """AES encryption of one 16-byte block under a 16, 24 or 32-byte key."""
    return round_states(key, block)[-1]
