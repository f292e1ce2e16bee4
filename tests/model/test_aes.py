"""The AES reference against the examples of FIPS 197 and against OpenSSL."""

import random

import pytest

from espnic.model.crypto import aes, gcm

PLAINTEXT = bytes.fromhex("00112233445566778899aabbccddeeff")
KEY = bytes(range(32))

# FIPS 197, appendix C: key length, state at the start of round 2, ciphertext.
EXAMPLES = {
    16: ("89d810e8855ace682d1843d8cb128fe4", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    24: ("4f63760643e0aa85aff8c9d041fa0de4", "dda97ca4864cdfe06eaf70a0ec0d7191"),
    32: ("4f63760643e0aa85efa7213201a4e705", "8ea2b7ca516745bfeafc49904b496089"),
}


@pytest.mark.parametrize("key_bytes", EXAMPLES)
def test_round_states_are_those_of_fips_197_appendix_c(key_bytes):
    first_round, ciphertext = EXAMPLES[key_bytes]
    states = aes.round_states(KEY[:key_bytes], PLAINTEXT)
    assert len(states) == key_bytes // 4 + 7
    assert states[0].hex() == "00102030405060708090a0b0c0d0e0f0"
    assert states[1].hex() == first_round
    assert states[-1].hex() == ciphertext


def test_key_expansion_is_that_of_fips_197_appendix_a():
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert aes.expand_key(key)[1].hex() == "a0fafe1788542cb123a339392a6c7605"
    assert aes.expand_key(key)[10].hex() == "d014f9a8c9ee2589e13f0cc8b6630ca6"
    key = bytes.fromhex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b")
    assert aes.expand_key(key)[12].hex() == "e98ba06f448c773c8ecc720401002202"
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    assert aes.expand_key(key)[14].hex() == "fe4890d1e6188d0b046df344706c631e"


@pytest.mark.parametrize("key_bytes", aes.KEY_BYTES)
def test_encryption_equals_that_of_openssl(key_bytes):
    rng = random.Random(key_bytes)
    for _ in range(20):
        key, block = rng.randbytes(key_bytes), rng.randbytes(16)
        assert aes.encrypt_block(key, block) == gcm.encrypt_block(key, block)


def test_a_wrong_length_is_refused_in_one_line():
    with pytest.raises(ValueError, match="^AES key of 20 bytes, expected 16, 24 or 32$"):
        aes.expand_key(bytes(20))
    with pytest.raises(ValueError, match="^AES block of 15 bytes, expected 16$"):
        aes.round_states(bytes(16), bytes(15))
