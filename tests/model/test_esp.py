"""ESP on byte strings against the published AES-GCM ESP vectors and the rules of its parts."""

from dataclasses import dataclass

import pytest

from espnic.model.esp import esp, seqiv, trailer
from espnic.model.interface.codes import IcvSize
from tests.support.sas import make_sa


@dataclass(frozen=True)
class Vector:
    """A test case of draft-mcgrew-gcm-test-01, section 4."""

    key: str
    salt: str
    iv: str
    spi: int
    sequence: int
    esn: bool
    text: str
    sealed: str


VECTORS = [
    Vector(
        key="4c80cdefbb5d10da906ac73c3613a634", salt="2e443b68", iv="4956ed7e3b244cfe",
        spi=0x00004321, sequence=0x8765432100000000, esn=True,
        text="45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
             "00000000045f736970045f756470037369700963796265726369747902646b00"
             "0021000101020201",
        sealed="fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
               "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
               "61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
    ),
    Vector(
        key="feffe9928665731c6d6a8f9467308308feffe9928665731c", salt="cafebabe",
        iv="facedbaddecaf888", spi=0x0000A5F8, sequence=0x0000000A, esn=False,
        text="45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
             "501016d075680001",
        sealed="a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
               "315b27452144cc7795457b9652037f5318027b5b4cd7a636",
    ),
    Vector(
        key="abbccddef00112233445566778899aababbccddef00112233445566778899aab",
        salt="11223344", iv="0102030405060708", spi=0x4A2CBFE3, sequence=0x00000002, esn=False,
        text="4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
             "7002400020bf0000020405b40101040201020201",
        sealed="ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
               "748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c49"
               "15956c96",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=["aes128-esn", "aes192", "aes256"])
def test_p28_published_esp_vectors_seal_and_open_for_each_key_size(vector):
    iv = bytes.fromhex(vector.iv)
    salt = (int.from_bytes(iv, "big") ^ vector.sequence).to_bytes(8, "big")
    sa = make_sa(key=bytes.fromhex(vector.key), salt=bytes.fromhex(vector.salt), spi=vector.spi,
                 esn=vector.esn, seqiv_salt=salt)
    sealed = esp.seal(sa, vector.sequence, bytes.fromhex(vector.text))
    assert sealed.iv == iv
    assert (sealed.ciphertext + sealed.tag).hex() == vector.sealed
    assert sealed.header.hex() == f"{vector.spi:08x}{vector.sequence & 0xFFFFFFFF:08x}"
    opened = esp.open(sa, vector.sequence >> 32, sealed.packet)
    assert opened.authentic
    assert opened.text.hex() == vector.text


@pytest.mark.parametrize("icv", IcvSize)
def test_a_short_icv_is_the_start_of_the_tag_and_is_checked_whole(icv):
    sa = make_sa(icv=icv)
    sealed = esp.seal(sa, 5, bytes(20))
    assert sealed.packet.endswith(sealed.tag[:icv.bytes])
    assert len(sealed.packet) == 8 + 8 + 20 + icv.bytes
    assert esp.open(sa, 0, sealed.packet).authentic
    for bit in range(8 * icv.bytes):
        broken = bytearray(sealed.packet)
        broken[-1 - bit // 8] ^= 1 << bit % 8
        assert not esp.open(sa, 0, bytes(broken)).authentic


def test_aad_has_the_high_half_of_the_sequence_number_only_with_esn():
    sequence = 0x0000000500000007
    assert esp.aad(make_sa(spi=0x11223344), 7).hex() == "1122334400000007"
    assert esp.aad(make_sa(spi=0x11223344, esn=True), sequence).hex() == "112233440000000500000007"


def test_iv_is_the_64_bit_sequence_number_xor_the_seqiv_salt():
    salt = bytes.fromhex("dcd1f0ce15216e74")
    assert seqiv.iv(1, salt).hex() == "dcd1f0ce15216e75"
    assert seqiv.iv(0x0000000100000002, bytes(8)).hex() == "0000000100000002"


def test_an_sa_without_seqiv_salt_cannot_send_and_says_so_in_one_line():
    with pytest.raises(ValueError, match="^SA ab has no seqiv_salt, expected 8 bytes to send$"):
        esp.seal(make_sa(seqiv_salt=None), 1, bytes(4))


def test_p6_the_pad_is_counted_from_the_payload_and_ends_on_4_bytes():
    for payload_bytes in range(71):
        made = trailer.build(payload_bytes, 6)
        assert (payload_bytes + len(made)) % 4 == 0
        assert 2 <= len(made) <= 5
        assert made == bytes(range(1, len(made) - 1)) + bytes([len(made) - 2, 6])


def test_tfc_zeros_stand_before_the_pad():
    assert trailer.build(20, 4, tfc_bytes=9) == bytes(9) + bytes([1, 1, 4])


def test_a_trailer_must_leave_one_byte_of_payload():
    assert trailer.length(bytes([9, 1, 1, 4])) == 3
    assert trailer.length(bytes([1, 2, 2, 4])) is None
    assert trailer.length(bytes([0, 4])) is None
    assert trailer.length(bytes(258) + bytes([255, 4])) == 257
