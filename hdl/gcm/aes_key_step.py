"""One registered step of the AES key schedule, for all three key sizes."""

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
FIRST_STEP = 2
"""First stage with a step; the key itself holds the round key of stage 1."""

KeyWindow = data.StructLayout({
    "words": data.ArrayLayout(WORD_BITS, WINDOW_WORDS),
    "word": WORD_BITS,
    "key_size": 2,
})
"""Eight consecutive words of the expanded key, oldest first, and the KeySize.

Words 4 to 7 are the round key of the stage that the window has reached. ``word`` is the one
that the next step substitutes. It is registered, so the S-boxes stand at the beginning of a
clock's path and not at its end.
"""


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
        return "nothing"
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


def _is_late(stage: int) -> bool:
    """Whether a 192-bit key substitutes the second of the step's new words."""
    return _rule(stage, KeySize.AES192, 2) == "rotate"


class AesKeyStep(wiring.Component):
    """Four more words of the expanded key (FIPS 197, 5.2), of a key of any size in each clock.

    Word n is word n - Nk XOR word n - 1, and the latter is substituted if n is a multiple of
    Nk (for AES-256 also half-way between). Nk only chooses where in the window word n - Nk
    lies. The stage determines which words are substituted. A key that is not yet in use (see
    `first_window`) passes without substitution.

    Latency 1 clock, a step each clock. No errors; key size 3 is taken as 256 bits.

    Parameters
    ----------
    stage : int
        Stage whose round key comes out, 2 to 14.

    Members
    -------
    i, o : stream of {words 8 x 32, word 32, key_size 2}
        Window of the stage before, and window of this stage.
    """

    def __init__(self, stage: int):
        self.stage = stage
        super().__init__({
            "i": In(stream.Signature(KeyWindow, always_ready=True)),
            "o": Out(stream.Signature(KeyWindow, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        old = self.i.payload.words
        newest = old[WINDOW_WORDS - 1]
        key_size = self.i.payload.key_size
        is_192 = key_size == KeySize.AES192
        substituted = substitute(m, "sbox", self.i.payload.word)

        a = [self._source(old, key_size, index) for index in range(ROUND_KEY_WORDS)]
        n = [Signal(WORD_BITS, name=f"n{index}") for index in range(ROUND_KEY_WORDS)]
        before_n2 = n[1]
        if _is_late(self.stage):
            before_n2 = Mux(is_192, self._term(KeySize.AES192, 2, substituted, n[1]), n[1])
        first_terms = {size: self._term(size, 0, substituted, newest) for size in KeySize}
        m.d.comb += [
            n[0].eq(a[0] ^ _choose(key_size, first_terms)),
            n[1].eq(a[1] ^ n[0]),
            n[2].eq(a[2] ^ before_n2),
            n[3].eq(a[3] ^ n[2]),
        ]
        word = n[3]
        if _is_late(self.stage + 1):
            # The next step's n1 is its n0 and a1, its n0 is this n3 and its a0.
            word = n[3] ^ Mux(is_192, old[6] ^ old[7], 0)
        m.d.sync += [
            Cat(self.o.payload.words).eq(Cat(old[ROUND_KEY_WORDS:], n)),
            self.o.payload.word.eq(word),
            self.o.payload.key_size.eq(key_size),
            self.o.valid.eq(self.i.valid),
        ]
        return m

    def _term(self, key_size: KeySize, offset: int, substituted: Value, before: Value) -> Value:
        """Part of the previous word that goes into new word ``offset``."""
        rule = _rule(self.stage, key_size, offset)
        if rule == "rotate":
            word = _first_word(self.stage, key_size) + offset
            return rotate_word(substituted) ^ ROUND_CONSTANTS[word // key_words(key_size)]
        return {"substitute": substituted, "plain": before, "nothing": Const(0, WORD_BITS)}[rule]

    def _source(self, old, key_size: Value, index: int) -> Value:
        """Word n - Nk of new word ``index``; a waiting 192-bit key is taken as 256 bits."""
        aes128 = old[WINDOW_WORDS - key_words(KeySize.AES128) + index]
        aes192 = old[WINDOW_WORDS - key_words(KeySize.AES192) + index]
        aes256 = old[index]
        if _waits(self.stage, KeySize.AES192):
            aes192 = aes256
        return _choose(key_size, {
            KeySize.AES128: aes128, KeySize.AES192: aes192, KeySize.AES256: aes256,
        })


def _choose(key_size: Value, values: dict[KeySize, Value]) -> Value:
    """The value for a key size."""
    short = Mux(key_size[0], values[KeySize.AES192], values[KeySize.AES128])
    return Mux(key_size[1], values[KeySize.AES256], short)
