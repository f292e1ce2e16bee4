"""AES-GCM of the model against NIST CAVP, Wycheproof, and against itself step by step."""

import random

import pytest

from espnic.model.crypto import gcm
from espnic.sim.capture import vectors

NIST_VECTORS = vectors.nist()
WYCHEPROOF_VECTORS = vectors.wycheproof()


def check(vector):
    """Open one vector, seal it again, and compare tags at the vector's length."""
    text, tag = gcm.open(vector.key, vector.iv, vector.aad, vector.ciphertext)
    assert (tag[:len(vector.tag)] == vector.tag) == vector.valid, vector.name
    if vector.valid:
        assert text == vector.text, vector.name
        sealed = gcm.seal(vector.key, vector.iv, vector.aad, text)
        assert sealed == (vector.ciphertext, tag), vector.name


def check_steps(vector):
    """The same, step by step."""
    opened = gcm.open_steps(vector.key, vector.iv, vector.aad, vector.ciphertext)
    assert (opened.tag[:len(vector.tag)] == vector.tag) == vector.valid, vector.name
    if vector.valid:
        assert opened.text == vector.text, vector.name
        sealed = gcm.seal_steps(vector.key, vector.iv, vector.aad, vector.text)
        assert (sealed.text, sealed.tag) == (vector.ciphertext, opened.tag), vector.name


def test_all_nist_cavp_vectors_with_a_96_bit_iv_are_there():
    assert len(NIST_VECTORS) == 15750
    assert sum(not vector.valid for vector in NIST_VECTORS) > 3000
    assert {len(vector.key) for vector in NIST_VECTORS} == {16, 24, 32}
    assert {len(vector.iv) for vector in NIST_VECTORS + WYCHEPROOF_VECTORS} == {12}


def test_nist_cavp_vectors_open_and_seal_and_invalid_tags_are_refused():
    for vector in NIST_VECTORS:
        check(vector)


def test_nist_cavp_vectors_hold_step_by_step():
    for vector in NIST_VECTORS:
        check_steps(vector)


def test_wycheproof_vectors_open_and_seal_and_invalid_tags_are_refused():
    assert len(WYCHEPROOF_VECTORS) >= 197
    assert any(not vector.valid for vector in WYCHEPROOF_VECTORS)
    for vector in WYCHEPROOF_VECTORS:
        check_steps(vector)
        check(vector)


@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_every_step_follows_from_the_one_before(key_bytes):
    rng = random.Random(key_bytes)
    for text_bytes in (0, 1, 15, 16, 17, 64, 100):
        key, iv, aad = rng.randbytes(key_bytes), rng.randbytes(12), rng.randbytes(12)
        steps = gcm.seal_steps(key, iv, aad, rng.randbytes(text_bytes))
        assert steps.j0 == iv + b"\0\0\0\1"
        assert [block[12:] for block in steps.counter_blocks] == [
            (2 + i).to_bytes(4, "big") for i in range(-(-text_bytes // 16))]
        # GHASH as a polynomial in H: the powers of the hardware give the same sum.
        powers = gcm.hash_powers(key, len(steps.hash_blocks))[::-1]
        total = 0
        for block, power in zip(steps.hash_blocks, powers, strict=True):
            total ^= int.from_bytes(gcm.gf_multiply(block, power), "big")
        assert total.to_bytes(16, "big") == steps.s == steps.hash_values[-1]
        opened = gcm.open_steps(key, iv, aad, steps.text)
        assert opened.tag == steps.tag
        assert opened.hash_values == steps.hash_values


def test_counter_wraps_in_its_last_four_bytes_only():
    assert gcm.increment(b"\xff" * 16) == b"\xff" * 12 + bytes(4)
    assert gcm.increment(b"\xff" * 15 + b"\xfe") == b"\xff" * 16


def test_multiplication_in_the_field_has_its_unit_and_commutes():
    rng = random.Random(1)
    unit = b"\x80" + bytes(15)
    for _ in range(20):
        x, y = rng.randbytes(16), rng.randbytes(16)
        assert gcm.gf_multiply(x, unit) == x
        assert gcm.gf_multiply(x, y) == gcm.gf_multiply(y, x)


def test_another_iv_length_is_refused_in_one_line():
    with pytest.raises(ValueError, match="^GCM IV of 8 bytes, expected 12$"):
        gcm.seal_steps(bytes(16), bytes(8), b"", b"")
