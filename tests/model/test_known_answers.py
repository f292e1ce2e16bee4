"""The known answers of the self-test against an AES-GCM from outside the project."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espnic.model.interface.codes import KeySize
from espnic.model.interface.features import WIDTHS
from espnic.model.interface.known_answers import KNOWN_ANSWERS


def test_there_is_a_known_answer_for_each_key_size():
    assert [answer.key_size for answer in KNOWN_ANSWERS] == list(KeySize)
    assert all(len(answer.key) == answer.key_size.bytes for answer in KNOWN_ANSWERS)


def test_both_kinds_of_sequence_number_and_more_than_one_beat_are_among_them():
    assert {len(answer.aad) for answer in KNOWN_ANSWERS} == {8, 12}
    assert any(8 * len(answer.text) > max(WIDTHS) for answer in KNOWN_ANSWERS)


@pytest.mark.parametrize("answer", KNOWN_ANSWERS, ids=lambda answer: answer.key_size.name)
def test_cryptography_seals_the_text_to_the_known_answer(answer):
    cipher = AESGCM(answer.key)
    assert cipher.encrypt(answer.salt + answer.iv, answer.text, answer.aad) == answer.sealed
    assert answer.ciphertext + answer.tag == answer.sealed
    assert len(answer.ciphertext) == len(answer.text)


@pytest.mark.parametrize("answer", KNOWN_ANSWERS, ids=lambda answer: answer.key_size.name)
def test_the_iv_is_the_sequence_number_xor_the_iv_salt(answer):
    assert (answer.seqiv_salt ^ answer.sequence).to_bytes(8, "big") == answer.iv
