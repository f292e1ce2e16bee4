"""A search for what is secret in every register and memory of a running simulation."""

from collections.abc import Iterator, Mapping

from cocotb.handle import ArrayObject, HierarchyArrayObject, HierarchyObject, PackedObject

from espnic.hdl.layouts import hash_power_count
from espnic.model.crypto import aes, gcm
from espnic.model.esp import esp, seqiv
from espnic.model.sa.sa import SecurityAssociation

WORD_BYTES = 4
WORD_BITS = 8 * WORD_BYTES

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def secrets_of(sa: SecurityAssociation, lanes: int) -> dict[str, bytes]:
    """All of an SA that must not stay, but for what its packets have of their own."""
    assert sa.seqiv_salt is not None
    return {"salt": sa.salt, "IV salt": sa.seqiv_salt, **made_of(sa.key, lanes)}


def made_of(key: bytes, lanes: int) -> dict[str, bytes]:
    """A key, and what is made of it alone."""
    return {
        "key": key,
        "round keys": b"".join(aes.expand_key(key))[len(key):],
        "powers": b"".join(gcm.hash_powers(key, hash_power_count(lanes))),
    }


def masks_of(sa: SecurityAssociation, sequences: range) -> dict[str, bytes]:
    """E(K, J0) of the packets with these sequence numbers."""
    assert sa.seqiv_salt is not None
    nonces = (esp.nonce(sa, seqiv.iv(sequence, sa.seqiv_salt)) for sequence in sequences)
    return {"masks": b"".join(
        gcm.encrypt_block(sa.key, gcm.first_counter_block(nonce)) for nonce in nonces)}


def words_of(secrets: Mapping[str, bytes]) -> dict[str, str]:
    """Every 32-bit word of the secrets as a string of bits, with the name of its secret.

    Each word is there in both orders of its bytes, those of powers with the bits of each byte
    reversed too, as the multipliers of GHASH take them.
    """
    words = {}
    for name, octets in secrets.items():
        for start in range(0, len(octets), WORD_BYTES):
            word = octets[start:start + WORD_BYTES]
            for bits in (word, word.translate(_REVERSED)) if name == "powers" else (word,):
                for one in (bits, bits[::-1]):
                    words[f"{int.from_bytes(one, 'big'):0{WORD_BITS}b}"] = name
    return words


class Scanner:
    """All registers and memories below a handle of a simulation that shows them.

    All other signals follow from them and from the inputs.
    """

    def __init__(self, top: HierarchyObject, least: int = 1000) -> None:
        self._registers = list(_registers(top))
        assert len(self._registers) > least, "hardly any register is visible"

    def find(self, words: Mapping[str, str]) -> dict[str, set[str]]:
        """The secrets that stand anywhere, at any bit, each with the paths of its registers."""
        seen: dict[str, set[str]] = {}
        for register in self._registers:
            bits = str(register.value)
            if "1" not in bits:
                continue
            windows = {bits[at:at + WORD_BITS] for at in range(len(bits) - WORD_BITS + 1)}
            for word in windows & words.keys():
                seen.setdefault(words[word], set()).add(register._path)
        return seen


def filled(top: HierarchyObject, bits: int) -> set[str]:
    """Paths of the signals of so many bits below a handle that are not all zeros."""
    signals = [signal for signal in _registers(top) if len(signal) == bits]
    assert len(signals) > 5, f"hardly any signal of {bits} bits is visible"
    return {signal._path for signal in signals if "1" in str(signal.value)}


def _registers(top: HierarchyObject) -> Iterator[PackedObject]:
    """Every register that is wide enough for a word, and every row of such memories."""
    for handle in top:
        if isinstance(handle, HierarchyObject | HierarchyArrayObject | ArrayObject):
            yield from _registers(handle)
        elif isinstance(handle, PackedObject) and len(handle) >= WORD_BITS:
            yield handle
