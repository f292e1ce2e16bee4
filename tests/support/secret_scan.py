"""A search for what is secret in every signal and memory of a running simulation."""

from collections.abc import Iterable, Iterator

from cocotb.handle import ArrayObject, HierarchyArrayObject, HierarchyObject, PackedObject

from espnic.hdl.layouts import hash_power_count
from espnic.model.crypto import aes, gcm
from espnic.model.esp import esp
from espnic.model.sa.sa import SecurityAssociation

WORD_BYTES = 4
WORD_BITS = 8 * WORD_BYTES

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def secrets_of(sa: SecurityAssociation, lanes: int) -> dict[str, bytes]:
    """All of an SA that must not stay, but for what its packets have of their own."""
    assert sa.seqiv_salt is not None
    powers = gcm.hash_powers(sa.key, hash_power_count(lanes))
    return {
        "key": sa.key,
        "salt": sa.salt,
        "IV salt": sa.seqiv_salt,
        "round keys": b"".join(aes.expand_key(sa.key))[len(sa.key):],
        **{f"H^{index}": power for index, power in enumerate(powers, start=1)},
    }


def mask_of(sa: SecurityAssociation, iv: bytes) -> bytes:
    """E(K, J0) of a packet with this IV."""
    return gcm.encrypt_block(sa.key, gcm.first_counter_block(esp.nonce(sa, iv)))


def patterns(secrets: dict[str, bytes]) -> dict[str, str]:
    """Every 32-bit word of the secrets as a string of bits, with the name of its secret.

    Each word is there in both orders of its bytes, and so with the bits of each byte reversed,
    as the multiplier of GHASH takes them.
    """
    found = {}
    for name, octets in secrets.items():
        for start in range(0, len(octets), WORD_BYTES):
            word = octets[start:start + WORD_BYTES]
            for order in (word, word.translate(_REVERSED)):
                for one in (order, order[::-1]):
                    found[f"{int.from_bytes(one, 'big'):0{WORD_BITS}b}"] = name
    return found


class Scanner:
    """All signals and memories below a handle of a simulation."""

    def __init__(self, top: HierarchyObject) -> None:
        self._signals = list(_signals(top))
        """A signal that has other names in modules below or above is there once for each."""

    def __len__(self) -> int:
        return len(self._signals)

    def find(self, words: dict[str, str], within: str = "") -> dict[str, set[str]]:
        """The secrets that stand in signals whose path begins so, each with the signals' paths."""
        seen: dict[str, set[str]] = {}
        for signal in self._signals:
            if not signal._path.startswith(within):
                continue
            bits = str(signal.value)
            if "1" not in bits:
                continue
            windows = {bits[at:at + WORD_BITS] for at in range(len(bits) - WORD_BITS + 1)}
            for pattern in windows & words.keys():
                seen.setdefault(words[pattern], set()).add(signal._path)
        return seen


def _signals(top: HierarchyObject) -> Iterator[PackedObject]:
    """Every signal that is wide enough for a word, and every row of such memories."""
    for handle in _children(top):
        if isinstance(handle, HierarchyObject | HierarchyArrayObject | ArrayObject):
            yield from _signals(handle)
        elif isinstance(handle, PackedObject) and len(handle) >= WORD_BITS:
            yield handle


def _children(handle) -> Iterable:
    return iter(handle)
