"""Pieces of AES that the round, the key schedule and the iterative cipher share (FIPS 197).

A block has its first byte in bits 7:0, and so has a word of the key schedule. So byte
``4 * c + r`` of a block is row r, column c of the state.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory

from espnic.hdl.layouts import BLOCK_BITS
from espnic.model.interface.codes import AES_ROUNDS_MAX, KeySize

KEY_BITS = 8 * max(KeySize).bytes
WORD_BITS = 32
ROUND_KEY_WORDS = BLOCK_BITS // WORD_BITS

_POLYNOMIAL = 0x11B  # x^8 + x^4 + x^3 + x + 1 (4.2)
_AFFINE_CONSTANT = 0x63  # (5.1.1)


def key_words(key_size: KeySize) -> int:
    """Number of words of the cipher key, Nk: 4, 6 or 8."""
    return key_size.bytes * 8 // WORD_BITS


def rounds(key_size: KeySize) -> int:
    """Number of rounds of the cipher, Nr: 10, 12 or 14."""
    return key_words(key_size) + 6


def passed_stages(key_size: KeySize) -> int:
    """Number of stages of a 14-round pipeline that a block passes unchanged: 4, 2 or 0."""
    return AES_ROUNDS_MAX - rounds(key_size)


def _doubled(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 0x100 else value


def _sbox() -> tuple[int, ...]:
    # Powers of the generator x + 1, so that the inverse of g^n is g^(255 - n).
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ _doubled(powers[-1]))
    inverse = dict(zip(powers, [1, *reversed(powers[1:])], strict=True))

    def affine(byte: int) -> int:
        rotated = byte * 0x101
        for shift in range(1, 5):
            byte ^= rotated >> (8 - shift) & 0xFF
        return byte ^ _AFFINE_CONSTANT

    return tuple(affine(inverse.get(byte, 0)) for byte in range(256))


def _round_constants() -> tuple[int, ...]:
    constants = [1]
    while len(constants) < rounds(KeySize.AES128):
        constants.append(_doubled(constants[-1]))
    return (0, *constants)


SBOX = _sbox()
"""SubBytes by byte (5.1.1)."""
ROUND_CONSTANTS = _round_constants()
"""First byte of Rcon[n], n from 1 (5.2)."""


def substitute(m: Module, name: str, value: Value) -> Signal:
    """SubBytes of every byte of a value, as one ROM with a read port for each byte."""
    rom = Memory(shape=8, depth=len(SBOX), init=SBOX)
    m.submodules[name] = rom
    result = Signal(len(value), name=name)
    for index in range(len(value) // 8):
        port = rom.read_port(domain="comb")
        m.d.comb += [
            port.addr.eq(value.word_select(index, 8)),
            result.word_select(index, 8).eq(port.data),
        ]
    return result


def substitute_in_block_ram(m: Module, name: str, value: Value) -> Value:
    """SubBytes of every byte of a value, a clock later, as ROMs with two read ports each."""
    results = []
    for pair in range(len(value) // 16):
        rom = Memory(shape=8, depth=len(SBOX), init=SBOX, attrs={"rom_style": "block"})
        m.submodules[f"{name}{pair}"] = rom
        for byte in (2 * pair, 2 * pair + 1):
            port = rom.read_port()
            m.d.comb += [port.addr.eq(value.word_select(byte, 8)), port.en.eq(1)]
            results.append(port.data)
    return Cat(results)


def shift_rows(block: Value) -> Value:
    """ShiftRows: row r moves left by r columns (5.1.2)."""
    order = [4 * ((column + row) % 4) + row for column in range(4) for row in range(4)]
    return Cat(block.word_select(byte, 8) for byte in order)


def rotate_word(word: Value) -> Value:
    """RotWord: the first byte becomes the last (5.2)."""
    return word.rotate_right(8)


def times_x(byte: Value) -> Value:
    """A byte times x in GF(2^8), xtime() (4.2.1)."""
    return Cat(0, byte[:7]) ^ Mux(byte[7], _POLYNOMIAL & 0xFF, 0)


def mix_columns(m: Module, block: Value) -> Value:
    """MixColumns (5.1.3)."""
    return Cat(_mix_column(m, block.word_select(column, 32)) for column in range(4))


def _mix_column(m: Module, column: Value) -> Value:
    size = len(column) // 8
    bytes_ = [column.word_select(index, 8) for index in range(size)]
    doubled = [Signal(8, name=f"doubled{index}") for index in range(size)]
    for product, byte in zip(doubled, bytes_, strict=True):
        m.d.comb += product.eq(times_x(byte))
    mixed = []
    for row in range(size):
        a, b, c, d = ((row + offset) % size for offset in range(size))
        mixed.append(doubled[a] ^ doubled[b] ^ bytes_[b] ^ bytes_[c] ^ bytes_[d])
    return Cat(mixed)


def xor_running(words: Sequence[Value]) -> list[Value]:
    """The XOR of each word and all words before it, built without repeating an operation."""
    sums = [words[0]]
    for word in words[1:]:
        sums.append(sums[-1] ^ word)
    return sums
