"""Where the look-up table keeps its entries: the algorithm of the hardware, move by move."""

import random
from collections.abc import Sequence

from espnic.hdl.layouts import IPV4_BITS
from espnic.hdl.sa.lookup_control import MOVES_MAX, OVERFLOW_ENTRIES, WAYS, hash_bits, index_bits
from espnic.model.crypto.toeplitz import toeplitz
from espnic.model.interface.layouts import LOOKUP_KEY
from espnic.model.interface.registers import TABLE_KEY_BITS

COLLIDING = 0
"""The table key under which every key has row 0 of every way."""


class Places:
    """A table of ``sas`` SAs under a table key.

    A key goes to the first free one of its rows, or puts the key of a random row out, which
    then seeks a place in the same way; after ``MOVES_MAX`` moves to the overflow.
    """

    def __init__(self, sas: int, table_key: int) -> None:
        self.rows: list[dict[int, int]] = [{} for _ in range(WAYS)]
        self.overflow: set[int] = set()
        self.keys: set[int] = set()
        self._bits = index_bits(sas)
        self._hash_bits = hash_bits(sas)
        self._table_key = table_key
        self._noise = 1
        self._indexes: dict[int, list[int]] = {}

    def indexes(self, key: int) -> list[int]:
        """Row of the key in each way."""
        if key not in self._indexes:
            self._indexes[key] = self._mixed(toeplitz(self._table_key, key, self._hash_bits))
        return self._indexes[key]

    def full(self, key: int) -> bool:
        """Whether the key is refused: its rows are taken and so is the overflow."""
        taken = all(index in rows for rows, index in self._own_rows(key))
        return taken and len(self.overflow) == OVERFLOW_ENTRIES

    def insert(self, key: int) -> list[int]:
        """Add a key that is not ``full``; returns the keys that moved, in order."""
        self.keys.add(key)
        moved: list[int] = []
        way = 0
        while True:
            for rows, index in self._own_rows(key):
                if index not in rows:
                    rows[index] = key
                    return moved
            if len(moved) == MOVES_MAX:
                self.overflow.add(key)
                return moved
            way = (way + (1 if self._noise & 1 else -1)) % WAYS
            self._noise = (self._noise << 1 | (self._noise >> 14 ^ self._noise >> 13) & 1) & 0x7FFF
            index = self.indexes(key)[way]
            self.rows[way][index], key = key, self.rows[way][index]
            moved.append(key)

    def remove(self, key: int) -> None:
        self.keys.remove(key)
        self.overflow.discard(key)
        for rows, index in self._own_rows(key):
            if rows.get(index) == key:
                del rows[index]

    def clear(self) -> None:
        """Take every key out. What comes next of the random rows is as it was."""
        for kept in (*self.rows, self.overflow, self.keys):
            kept.clear()

    def complete(self) -> bool:
        """Whether every key stands in one place, in a row of its own or the overflow."""
        placed = [key for rows in self.rows for key in rows.values()] + list(self.overflow)
        at_home = all(self.indexes(key)[way] == index
                      for way, rows in enumerate(self.rows) for index, key in rows.items())
        return at_home and sorted(placed) == sorted(self.keys)

    def _own_rows(self, key: int) -> list[tuple[dict[int, int], int]]:
        return list(zip(self.rows, self.indexes(key), strict=True))

    def _mixed(self, hashed: int) -> list[int]:
        """p = a + (b' + mix) b'', q = b + (p' + mix) p'', p + q; a prime is a rotation."""
        bits = self._bits
        a, b = (hashed >> bits * n & (1 << bits) - 1 for n in range(2))
        mix, mix_bits = hashed >> 2 * bits, self._hash_bits - 2 * bits
        mask_p = sum((mix >> bit % mix_bits & 1) << bit for bit in range(bits))
        mask_q = sum((mix >> (bits + bit) % mix_bits & 1) << bit for bit in range(bits))
        p = a ^ (self._rotated(b, 1) ^ mask_p) & self._rotated(b, 2)
        q = b ^ (self._rotated(p, 1) ^ mask_q) & self._rotated(p, 2)
        return [p, q, p ^ q]

    def _rotated(self, number: int, by: int) -> int:
        return (number >> by | number << self._bits - by) & (1 << self._bits) - 1


def colliding_keys(
    chance: random.Random, sas: int, table_key: int, count: int,
) -> list[int]:
    """Different look-up keys with one hash under ``table_key``.

    The hash is linear over GF(2): they differ by elements of its kernel. Gaussian
    elimination, of the hashes of single bits, finds a kernel vector for each dependent bit.
    """
    pivots: dict[int, tuple[int, int]] = {}
    kernel: list[int] = []
    for bit in range(LOOKUP_KEY.bits):
        key, hashed = 1 << bit, toeplitz(table_key, 1 << bit, hash_bits(sas))
        while hashed and hashed.bit_length() in pivots:
            pivot_key, pivot_hash = pivots[hashed.bit_length()]
            key, hashed = key ^ pivot_key, hashed ^ pivot_hash
        if hashed:
            pivots[hashed.bit_length()] = key, hashed
        else:
            kernel.append(key)
    first = chance.getrandbits(LOOKUP_KEY.bits)
    keys: dict[int, None] = {}
    while len(keys) < count:
        keys[first ^ _sum(vector for vector in kernel if chance.randrange(2))] = None
    return list(keys)


def random_keys(chance: random.Random, count: int, ipv6: bool = True) -> list[int]:
    """Look-up keys; without ``ipv6`` such as are no IPv6 destination's."""
    narrow = {"destination": (1 << IPV4_BITS) - 1, "encapsulation": 1, "spi": (1 << 32) - 1}
    mask = (1 << LOOKUP_KEY.bits) - 1 if ipv6 else LOOKUP_KEY.pack(narrow)
    return [chance.getrandbits(LOOKUP_KEY.bits) & mask for _ in range(count)]


def run_of_spis(chance: random.Random, count: int) -> list[int]:
    """Look-up keys of one destination with consecutive SPIs."""
    destination, first = chance.getrandbits(32), chance.getrandbits(31)
    return [LOOKUP_KEY.pack({"destination": destination, "spi": first + n}) for n in range(count)]


def random_table_key(chance: random.Random) -> int:
    return chance.getrandbits(TABLE_KEY_BITS)


def fill(places: Places, keys: Sequence[int]) -> tuple[int, list[int]]:
    """Add keys; return the number of those taken, and the number of moves of each of them."""
    moves = [len(places.insert(key)) for key in keys if not places.full(key)]
    return len(moves), moves


def _sum(vectors) -> int:
    total = 0
    for vector in vectors:
        total ^= vector
    return total
