"""One step of the AES key schedule, for all three key sizes."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import (
    KEY_BITS,
    ROUND_CONSTANTS,
    ROUND_KEY_WORDS,
    WORD_BITS,
    key_words,
    passed_stages,
    rotate_word,
    substitute,
    xor_running,
)
from espnic.model.interface.codes import KeySize

WINDOW_WORDS = KEY_BITS // WORD_BITS


def key_window(turns: int) -> data.StructLayout:
    """Eight consecutive words of the expanded key, oldest first, and the KeySize.

    Words 4 to 7 are the round key of the stage that the window has reached. ``word`` is the one
    that the next step substitutes. It is registered, so the S-boxes stand at the beginning of a
    clock's path and not at its end. ``turn`` says how often the window has been round the ring,
    if it passes each step ``turns`` times.
    """
    return data.StructLayout({
        "words": data.ArrayLayout(WORD_BITS, WINDOW_WORDS),
        "word": WORD_BITS,
        "key_size": 2,
        **({"turn": range(turns)} if turns > 1 else {}),
    })


def first_window(key: Value, key_size: Value) -> list[Value]:
    """The words of the window of stage 1, from the cipher key.

    A shorter key must wait for its first round, without a multiplexer in every step on the way.
    If no substituted word is added, a step on four words is N = (1 + S)^-1, where S shifts by a
    word, and N^4 = 1. So an AES-128 key starts with the step applied once, and is itself again
    three steps later; an AES-192 key waits one step, and starts with the inverse of the step.
    The two words before its first word follow from the schedule run backwards.
    """
    k = [key.word_select(index, WORD_BITS) for index in range(WINDOW_WORDS)]
    aes128 = xor_running(k[:4])
    undone = [k[0], *(a ^ b for a, b in zip(k[:3], k[1:4], strict=True))]
    aes192 = [*undone, k[4], k[5], k[4] ^ k[3], k[5] ^ k[4]]
    is_128 = key_size == KeySize.AES128
    is_192 = key_size == KeySize.AES192
    old = [Mux(is_192, other, word) for other, word in zip(aes192[:4], k[:4], strict=True)]
    new = [
        Mux(is_128, short, Mux(is_192, other, word))
        for short, other, word in zip(aes128, aes192[4:], k[4:], strict=True)
    ]
    return [*old, *new]


def _rule(stage: int, key_size: KeySize, offset: int) -> str:
    """The way in which the word before new word ``offset`` of a step enters that word."""
    if _waits(stage, key_size):
        return "plain" if offset else "nothing"
    word = _first_word(stage, key_size) + offset
    if word % key_words(key_size) == 0:
        return "rotate"
    if key_size == KeySize.AES256 and word % ROUND_KEY_WORDS == 0:
        return "substitute"
    return "plain"


def _waits(stage: int, key_size: KeySize) -> bool:
    """Whether a key is not yet in use at a stage."""
    return stage <= passed_stages(key_size)


def _first_word(stage: int, key_size: KeySize) -> int:
    """Index in the expanded key of the first word of a stage's round key."""
    return ROUND_KEY_WORDS * (stage - passed_stages(key_size))


def _constant(stage: int, key_size: KeySize, offset: int) -> int:
    """First byte of the round constant in new word ``offset`` of a step."""
    word = _first_word(stage, key_size) + offset
    rotates = _rule(stage, key_size, offset) == "rotate"
    return ROUND_CONSTANTS[word // key_words(key_size)] if rotates else 0


class AesKeyStep(wiring.Component):
    """Four more words of the expanded key (FIPS 197, 5.2), of a key of any size in each clock.

    Word n is word n - Nk XOR word n - 1, and the latter is substituted if n is a multiple of
    Nk (for AES-256 also half-way between). Nk only chooses where in the window word n - Nk
    lies. The stage determines which words are substituted. A key that is not yet in use (see
    `first_window`) passes without substitution. The step stands behind a register.

    Latency 1 clock, a step each clock. No errors; key size 3 is taken as 256 bits.

    Parameters
    ----------
    stages : sequence of int
        Stages whose round keys come out, 2 to 14, by the turn of the window.
    turns : int
        Turns that a window may have.

    Members
    -------
    i, o : stream of `key_window`
        Window of the stage before, and window of this stage, with the same ``turn``.
    held : Out(key_window(turns))
        The window that came in the clock before.
    """

    def __init__(self, stages: Sequence[int], turns: int = 1):
        self.stages = tuple(stages)
        window = key_window(turns)
        super().__init__({
            "i": In(stream.Signature(window, always_ready=True)),
            "o": Out(stream.Signature(window, always_ready=True)),
            "held": Out(window),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.sync += [self.held.eq(self.i.payload), self.o.valid.eq(self.i.valid)]
        old = self.held.words
        substituted = substitute(m, "sbox", self.held.word)
        n = [Signal(WORD_BITS, name=f"n{index}") for index in range(ROUND_KEY_WORDS)]
        before = [self._before(m, 0, substituted, old[-1]), n[0],
                  self._before(m, 2, substituted, n[1]), n[2]]
        sources = self._sources(m, old)
        m.d.comb += [
            new.eq(source ^ term) for new, source, term in zip(n, sources, before, strict=True)]
        # The next step's n1 is its n0 and a1, its n0 is this n3 and its a0.
        late = self._where(m, lambda stage, size: _rule(stage + 1, size, 2) == "rotate")
        m.d.comb += [
            self.o.payload.eq(self.held),
            Cat(self.o.payload.words).eq(Cat(old[ROUND_KEY_WORDS:], n)),
            self.o.payload.word.eq(n[3] ^ Mux(late, old[6] ^ old[7], 0)),
        ]
        return m

    def _before(self, m: Module, offset: int, substituted: Value, word: Value) -> Value:
        """Part of the previous word that goes into new word ``offset``."""
        def ruled(rule: str) -> Value:
            return self._where(m, lambda stage, size: _rule(stage, size, offset) == rule)

        def has_bit(bit: int) -> Value:
            return self._where(m, lambda stage, size: _constant(stage, size, offset) >> bit & 1)

        constant = Cat(has_bit(bit) for bit in range(8))
        unchanged = Mux(ruled("nothing"), 0, Mux(ruled("substitute"), substituted, word))
        return Mux(ruled("rotate"), rotate_word(substituted) ^ constant, unchanged)

    def _sources(self, m: Module, old) -> list[Value]:
        """Word n - Nk of each new word; a waiting 192-bit key is taken as 256 bits."""
        is_128 = self._where(m, lambda _, size: size == KeySize.AES128)
        is_192 = self._where(
            m, lambda stage, size: size == KeySize.AES192 and not _waits(stage, size))
        aes128, aes192, aes256 = (old[WINDOW_WORDS - key_words(size):] for size in KeySize)
        return [Mux(is_128, aes128[index], Mux(is_192, aes192[index], aes256[index]))
                for index in range(ROUND_KEY_WORDS)]

    def _where(self, m: Module, holds: Callable[[int, KeySize], object]) -> Value:
        """Whether something holds for the stage and the key size of the window that is held."""
        key_size = self.i.payload.key_size
        is_size = {KeySize.AES128: key_size == KeySize.AES128,
                   KeySize.AES192: key_size == KeySize.AES192, KeySize.AES256: key_size[1]}
        cases = [is_size[size] & self._is_at(turn)
                 for turn, stage in enumerate(self.stages) for size in KeySize
                 if holds(stage, size)]
        if not cases:
            return Const(0)
        # Registered, so that the choice by turn and size costs no level behind the register.
        flag = Signal(name="flag")
        m.d.sync += flag.eq(reduce(or_, cases))
        return flag

    def _is_at(self, turn: int) -> Value:
        """Whether the window is in a turn; without a choice it is."""
        return self.i.payload.turn == turn if len(self.stages) > 1 else Const(1)
