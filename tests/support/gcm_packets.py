"""Packets for the benches of the AES and GCM blocks: stimulus, and what the model expects."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from amaranth.lib import data

from espnic.hdl.layouts import beat, gcm_beat, has_spare_lane
from espnic.model.crypto import gcm
from espnic.model.interface.codes import AES_BLOCK_BYTES, KeySize


def number(octets: bytes) -> int:
    """A byte string as the RTL's words hold it: first byte in bits 7:0."""
    return int.from_bytes(octets, "little")


def key_size(key: bytes) -> KeySize:
    """The code of a key's length."""
    return next(size for size in KeySize if size.bytes == len(key))


def padded_key(key: bytes, chance: random.Random) -> int:
    """The key in a word of 256 bits, with noise above a short one."""
    return number(key + chance.randbytes(KeySize.AES256.bytes - len(key)))


def random_key(chance: random.Random) -> bytes:
    """A key of random size."""
    return chance.randbytes(chance.choice(list(KeySize)).bytes)


def packed(layout: data.StructLayout, fields: Mapping[str, int]) -> int:
    """An integer of all fields of a layout. Ten times as fast as ``layout.const``."""
    assert fields.keys() == dict(layout).keys()
    return sum(value << layout[name].offset for name, value in fields.items())


@cache
def powers_of(key: bytes, count: int) -> int:
    """H^1 to H^count, one after the other, as `hash_powers` lays them."""
    return number(b"".join(gcm.hash_powers(key, count)))


@dataclass(frozen=True)
class GcmPacket:
    """One packet for the GCM core. The lengths told to it may differ from the true ones."""

    key: bytes
    iv: bytes
    aad: bytes
    text: bytes
    decrypt: bool
    told_aad_bytes: int
    told_text_bytes: int

    @classmethod
    def make(cls, key: bytes, iv: bytes, aad: bytes, text: bytes, decrypt: bool) -> "GcmPacket":
        """A packet that tells its true lengths."""
        return cls(key, iv, aad, text, decrypt, len(aad), len(text))

    def result(self) -> tuple[bytes, bytes]:
        """Text and tag that must come out, by the model."""
        operation = gcm.open if self.decrypt else gcm.seal
        return operation(self.key, self.iv, self.aad, self.text)


def random_packet(chance: random.Random, longest: int = 300) -> GcmPacket:
    """A packet of random key, lengths and direction; short and whole-block lengths often."""
    def length() -> int:
        return chance.choice([
            0, chance.randrange(1, 34), AES_BLOCK_BYTES * chance.randrange(1, 17),
            chance.randrange(longest + 1),
        ])
    return GcmPacket.make(
        random_key(chance), chance.randbytes(gcm.IV_BYTES), chance.randbytes(length()),
        chance.randbytes(length()), bool(chance.randrange(2)),
    )


def lying(packet: GcmPacket, chance: random.Random) -> GcmPacket:
    """The packet with other lengths told: a little off, or anything."""
    def told(length: int) -> int:
        near = max(length + chance.randint(-70, 70), 0)
        return chance.choice([length, near, chance.getrandbits(16), 0, 0xFFFF])
    return replace(
        packet, told_aad_bytes=told(len(packet.aad)), told_text_bytes=told(len(packet.text))
    )


def joins(text_bytes: int) -> bool:
    """Whether the AAD of a text has no beat of its own, where GHASH has a lane to spare."""
    return 0 < text_bytes % 64 < AES_BLOCK_BYTES


class GcmPort:
    """Packs packets into the beats of a core's input, and results into those of its output."""

    def __init__(self, width: int, chance: random.Random) -> None:
        self.width = width
        self._chance = chance
        self.input = gcm_beat(width)
        self.output = beat(width)
        self._parameters = self.input["parameters"].shape

    def stimulus(self, packet: GcmPacket) -> list[int]:
        """The packet's beats; everything that the core must not look at is noise."""
        joined = self.joins(packet)
        chunks = [] if joined else [(1, chunk) for chunk in self._chunks(packet.aad)]
        chunks += [(0, chunk) for chunk in self._chunks(packet.text)]
        chunks = chunks or [(0 if joined else self._chance.randrange(2), b"")]
        return [
            self._beat(packet, aad, chunk, first=index == 0, last=index == len(chunks) - 1)
            for index, (aad, chunk) in enumerate(chunks)
        ]

    def joins(self, packet: GcmPacket) -> bool:
        """Whether the AAD joins the text: for every other packet that is known to allow it."""
        if not has_spare_lane(self.width // 128):
            return False
        in_last_beat = (packet.told_text_bytes - 1) % (self.width // 8) + 1
        return (0 < len(packet.aad) <= AES_BLOCK_BYTES and packet.told_text_bytes > 0
                and in_last_beat <= self.width // 8 - AES_BLOCK_BYTES and bool(packet.iv[0] & 1))

    def slots(self, packet: GcmPacket) -> int:
        """Clocks that the packet takes of the core: its beats and what the core inserts."""
        aad, text = self._chunks(packet.aad), self._chunks(packet.text)
        if text and self.joins(packet):
            return len(text)
        mask_slot = bool(text) and not aad
        last = (aad + text or [b""])[-1]
        lengths_slot = self.width < 512 and len(last) > self.width // 8 - AES_BLOCK_BYTES
        return max(len(aad) + len(text), 1) + mask_slot + lengths_slot

    def expected_text(self, packet: GcmPacket, stimulus: Sequence[int]) -> list[int]:
        """The beats at the core's output."""
        text, _ = packet.result()
        chunks = self._chunks(text)
        if not chunks and not self.input.from_bits(stimulus[0]).aad:
            # An empty text beat gives one too.
            chunks = [b"" for _ in stimulus]
        return [
            packed(self.output, {
                "data": number(chunk), "count": len(chunk), "first": index == 0,
                "last": index == len(chunks) - 1,
            })
            for index, chunk in enumerate(chunks)
        ]

    def _chunks(self, octets: bytes) -> list[bytes]:
        size = self.width // 8
        return [octets[start:start + size] for start in range(0, len(octets), size)]

    def _beat(self, packet: GcmPacket, aad: int, chunk: bytes, *, first: bool, last: bool) -> int:
        noise = self._chance.randbytes(self.width // 8 - len(chunk))
        parameters = self._chance.getrandbits(self._parameters.size)
        if first:
            parameters = self._packed_parameters(packet)
        joined = {}
        if has_spare_lane(self.width // 128):
            # After the first beat they mean nothing.
            joined = {"joined": int(self.joins(packet)) if first else self._chance.randrange(2),
                      "joined_aad": number(packet.aad[:AES_BLOCK_BYTES])}
        return packed(self.input, {
            "data": number(chunk + noise), "count": len(chunk), "first": first, "last": last,
            "aad": aad, **joined, "parameters": parameters,
        })

    def _packed_parameters(self, packet: GcmPacket) -> int:
        powers = self._parameters["powers"].shape
        assert isinstance(powers, data.ArrayLayout)
        return packed(self._parameters, {
            "key": padded_key(packet.key, self._chance), "key_size": key_size(packet.key),
            "nonce": number(packet.iv), "aad_bytes": packet.told_aad_bytes,
            "text_bytes": packet.told_text_bytes, "decrypt": packet.decrypt,
            "powers": powers_of(packet.key, powers.length),
        })
