"""Packets whose sealing is known, one for each key size, with which the ciphers test themselves.

Source: draft-mcgrew-gcm-test-01, section 4. Everything here is public.
"""

from dataclasses import dataclass

from espnic.model.interface.codes import IcvSize, KeySize

_SEQUENCE_BYTES = 8
_SPI_BYTES = 4


@dataclass(frozen=True)
class KnownAnswer:
    """An ESP packet under a key, before and after it is sealed."""

    key_size: KeySize
    key: bytes
    salt: bytes
    iv: bytes
    spi: int
    sequence: int
    """64 bits with ESN, else 32."""
    esn: bool
    text: bytes
    """Payload and trailer, in clear."""
    sealed: bytes
    """Ciphertext and ICV of 16 bytes."""

    @property
    def ciphertext(self) -> bytes:
        """The sealed text."""
        return self.sealed[:-IcvSize.ICV16.bytes]

    @property
    def tag(self) -> bytes:
        """The whole tag."""
        return self.sealed[-IcvSize.ICV16.bytes:]

    @property
    def aad(self) -> bytes:
        """SPI and sequence number as RFC 4106, 5, authenticates them."""
        sequence_bytes = _SEQUENCE_BYTES if self.esn else _SEQUENCE_BYTES // 2
        return self.spi.to_bytes(_SPI_BYTES, "big") + self.sequence.to_bytes(sequence_bytes, "big")

    @property
    def seqiv_salt(self) -> int:
        """The IV salt with which the engine makes this IV of this sequence number."""
        return int.from_bytes(self.iv, "big") ^ self.sequence


KNOWN_ANSWERS = (
    KnownAnswer(
        key_size=KeySize.AES128,
        key=bytes.fromhex("4c80cdefbb5d10da906ac73c3613a634"),
        salt=bytes.fromhex("2e443b68"), iv=bytes.fromhex("4956ed7e3b244cfe"),
        spi=0x00004321, sequence=0x8765432100000000, esn=True,
        text=bytes.fromhex(
            "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
            "00000000045f736970045f756470037369700963796265726369747902646b00"
            "0021000101020201"),
        sealed=bytes.fromhex(
            "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
            "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
            "61bc17d768fd9732459018148f6cbe722fd04796562dfdb4"),
    ),
    KnownAnswer(
        key_size=KeySize.AES192,
        key=bytes.fromhex("feffe9928665731c6d6a8f9467308308feffe9928665731c"),
        salt=bytes.fromhex("cafebabe"), iv=bytes.fromhex("facedbaddecaf888"),
        spi=0x0000A5F8, sequence=0x0000000A, esn=False,
        text=bytes.fromhex(
            "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
            "501016d075680001"),
        sealed=bytes.fromhex(
            "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
            "315b27452144cc7795457b9652037f5318027b5b4cd7a636"),
    ),
    KnownAnswer(
        key_size=KeySize.AES256,
        key=bytes.fromhex("abbccddef00112233445566778899aababbccddef00112233445566778899aab"),
        salt=bytes.fromhex("11223344"), iv=bytes.fromhex("0102030405060708"),
        spi=0x4A2CBFE3, sequence=0x00000002, esn=False,
        text=bytes.fromhex(
            "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
            "7002400020bf0000020405b40101040201020201"),
        sealed=bytes.fromhex(
            "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
            "748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c49"
            "15956c96"),
    ),
)
"""In the order in which the engine tries them."""
