"""AES-GCM (NIST SP 800-38D) with 96-bit IVs, in one call and step by step.

The device model uses ``seal`` and ``open``. ``seal_steps`` and
``open_steps`` do the same by the definitions and keep every intermediate
value, for the benches of single blocks; the tests hold the two against each other.

All blocks and field elements are byte strings in the order of the standard:
the first bit of a block (the coefficient of x^0 in GHASH) is the most
significant bit of its first byte.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espnic.model.interface.codes import AES_BLOCK_BYTES

IV_BYTES = 12
TAG_BYTES = 16
_REDUCTION = 0xE1 << 120
_FIRST_COUNTER = 1


def gf_multiply(x: bytes, y: bytes) -> bytes:
    """Product of two 16-byte elements of GF(2^128) (SP 800-38D, 6.3, algorithm 1)."""
    factor = int.from_bytes(x, "big")
    shifted = int.from_bytes(y, "big")
    product = 0
    for bit in range(127, -1, -1):
        if factor >> bit & 1:
            product ^= shifted
        shifted = shifted >> 1 ^ (_REDUCTION if shifted & 1 else 0)
    return product.to_bytes(AES_BLOCK_BYTES, "big")


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """AES encryption of one or more whole 16-byte blocks, each by itself (ECB)."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def hash_subkey(key: bytes) -> bytes:
    """H = E(K, 0^128), the hash subkey (SP 800-38D, 7.1, step 1)."""
    return encrypt_block(key, bytes(AES_BLOCK_BYTES))


def hash_powers(key: bytes, count: int) -> list[bytes]:
    """H^1 to H^count of the hash subkey, H^1 at index 0."""
    h = hash_subkey(key)
    powers = [h]
    while len(powers) < count:
        powers.append(gf_multiply(powers[-1], h))
    return powers[:count]


def first_counter_block(iv: bytes) -> bytes:
    """J0 = IV || 0^31 || 1 of a 12-byte IV (SP 800-38D, 7.1, step 2).

    Raises ``ValueError`` for any other IV length.
    """
    if len(iv) != IV_BYTES:
        raise ValueError(f"GCM IV of {len(iv)} bytes, expected {IV_BYTES}")
    return iv + _FIRST_COUNTER.to_bytes(4, "big")


def increment(block: bytes) -> bytes:
    """inc32: the last four bytes plus one, modulo 2^32 (SP 800-38D, 6.2)."""
    counter = (int.from_bytes(block[12:], "big") + 1) & 0xFFFFFFFF
    return block[:12] + counter.to_bytes(4, "big")


def ghash_blocks(aad: bytes, ciphertext: bytes) -> list[bytes]:
    """The blocks that GHASH takes: AAD and ciphertext, each padded with zeros, then their lengths.

    Source: SP 800-38D, 7.1, step 5.
    """
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    return [*_padded_blocks(aad), *_padded_blocks(ciphertext), lengths]


def ghash_values(h: bytes, blocks: list[bytes]) -> list[bytes]:
    """The value Y_i of GHASH after each block (SP 800-38D, 6.4, algorithm 2)."""
    values = []
    y = bytes(AES_BLOCK_BYTES)
    for block in blocks:
        y = gf_multiply(_xor(y, block), h)
        values.append(y)
    return values


@dataclass(frozen=True)
class GcmSteps:
    """Every intermediate value of one GCM operation; all but ``text`` are 16-byte blocks."""

    h: bytes
    """Hash subkey H."""
    j0: bytes
    """Pre-counter block."""
    counter_blocks: list[bytes]
    """Counter blocks from inc32(J0) on, one for each block of text."""
    keystream: list[bytes]
    """E(K, counter block), one for each block of text."""
    hash_blocks: list[bytes]
    """The blocks that GHASH takes: AAD, ciphertext, lengths."""
    hash_values: list[bytes]
    """The value of GHASH after each of these blocks."""
    s: bytes
    """The last GHASH value."""
    tag_mask: bytes
    """E(K, J0), which is XORed with S."""
    text: bytes
    """The result, as long as the text: ciphertext when sealing, plaintext when opening."""
    tag: bytes
    """The whole tag, 16 bytes."""


def seal_steps(key: bytes, iv: bytes, aad: bytes, plaintext: bytes) -> GcmSteps:
    """GCM-AE of SP 800-38D, 7.1, algorithm 4, with every step kept.

    ``key`` 16, 24 or 32 bytes, ``iv`` 12 bytes, ``aad`` and ``plaintext`` of any length.
    """
    return _steps(key, iv, aad, plaintext, decrypt=False)


def open_steps(key: bytes, iv: bytes, aad: bytes, ciphertext: bytes) -> GcmSteps:
    """GCM-AD of SP 800-38D, 7.2, algorithm 5, with every step kept.

    The tag is the one that the ciphertext should have: the caller compares it with the received
    one. Arguments as for ``seal_steps``.
    """
    return _steps(key, iv, aad, ciphertext, decrypt=True)


def _steps(key: bytes, iv: bytes, aad: bytes, text: bytes, decrypt: bool) -> GcmSteps:
    h = hash_subkey(key)
    j0 = first_counter_block(iv)
    counter_blocks = []
    counter = j0
    for _ in _padded_blocks(text):
        counter = increment(counter)
        counter_blocks.append(counter)
    keystream = [encrypt_block(key, block) for block in counter_blocks]
    result = _xor(text, b"".join(keystream)[:len(text)])
    hash_blocks = ghash_blocks(aad, text if decrypt else result)
    hash_values = ghash_values(h, hash_blocks)
    tag_mask = encrypt_block(key, j0)
    return GcmSteps(
        h=h,
        j0=j0,
        counter_blocks=counter_blocks,
        keystream=keystream,
        hash_blocks=hash_blocks,
        hash_values=hash_values,
        s=hash_values[-1],
        tag_mask=tag_mask,
        text=result,
        tag=_xor(hash_values[-1], tag_mask),
    )


def seal(key: bytes, iv: bytes, aad: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """The ciphertext of a plaintext, and its whole 16-byte tag.

    ``key`` 16, 24 or 32 bytes, ``iv`` 12 bytes, ``aad`` and ``plaintext`` of any length.
    """
    sealed = AESGCM(key).encrypt(iv, plaintext, aad)
    return sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]


def open(key: bytes, iv: bytes, aad: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    """The plaintext of a ciphertext, and the 16-byte tag that the ciphertext should have.

    Both are given whether or not the frame is authentic: the caller compares the tag,
    which may be cut to its first bytes on the wire. Arguments as for ``seal``.
    """
    # Counter mode is its own inverse, so sealing the ciphertext gives the plaintext.
    plaintext, _ = seal(key, iv, b"", ciphertext)
    _, tag = seal(key, iv, aad, plaintext)
    return plaintext, tag


def _padded_blocks(data: bytes) -> list[bytes]:
    blocks = [data[i:i + AES_BLOCK_BYTES] for i in range(0, len(data), AES_BLOCK_BYTES)]
    return [block.ljust(AES_BLOCK_BYTES, b"\0") for block in blocks]


def _xor(a: bytes, b: bytes) -> bytes:
    size = len(a)
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(size, "big")
