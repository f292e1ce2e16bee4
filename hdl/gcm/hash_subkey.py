"""The hash subkey of GCM and its powers, from the cipher key."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import (
    KEY_BITS,
    ROUND_CONSTANTS,
    ROUND_KEY_WORDS,
    WORD_BITS,
    key_words,
    mix_columns,
    rotate_word,
    rounds,
    substitute,
    times_x,
)
from espnic.hdl.gcm.gf_multiplier import FIELD_BITS, partial_products, polynomial, reduced, tree
from espnic.hdl.layouts import BLOCK_BITS, hash_power_count, hash_powers
from espnic.model.interface.codes import KeySize

_DIGIT_BITS = 8
_DIGITS = FIELD_BITS // _DIGIT_BITS
_WINDOW_WORDS = KEY_BITS // WORD_BITS

CipherKey = data.StructLayout({"key": KEY_BITS, "key_size": 2})


def subkey_clocks(lanes: int, key_size: KeySize) -> int:
    """Clocks in which ``HashSubkey`` makes the powers of a key."""
    further = hash_power_count(lanes) - 1
    return ROUND_KEY_WORDS * (rounds(key_size) + 1) + (_DIGITS + 1) * further + 2


class _Phase:
    """Actions of the unit in this clock, a signal for each kind of clock."""

    def __init__(self):
        self.start = Signal()
        """A key is taken."""
        self.encrypts = Signal()
        self.stores = Signal()
        """The newest power is stored."""
        self.multiplies = Signal()
        self.clear = Signal()
        """The powers are taken."""


class HashSubkey(wiring.Component):
    """H = E(K, 0) and its powers (NIST SP 800-38D, 7.1, step 1), for an SA that is added.

    Small rather than fast: a column of AES or 8 bits of a product each clock. All registers
    from which the key might follow are cleared when the powers are taken.

    Latency from the clock in which the key is taken to ``o.valid`` (`latency`): 4 (Nr + 1)
    clocks for H, where Nr is 10, 12 or 14, and 17 for each further power, and 2.
    One key at a time. No errors; key size 3 is taken as 256 bits.

    Parameters
    ----------
    lanes : int
        AES lanes of the GCM core, which takes `hash_power_count` powers.

    Members
    -------
    i : stream of {key 256, key_size 2}
        First byte in bits 7:0; a short key leaves the top bits unused.
    o : stream of `hash_powers`
        H^1 at index 0.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__({
            "i": In(stream.Signature(CipherKey)),
            "o": Out(stream.Signature(hash_powers(lanes))),
        })

    def latency(self, key_size: KeySize) -> int:
        """Clocks from the key taken to the powers offered."""
        return subkey_clocks(self.lanes, key_size)

    def elaborate(self, platform):
        m = Module()
        powers = Signal.like(self.o.payload)
        made = Signal(range(len(powers)))
        phase = _Phase()
        key_word, last_round = self._expand_key(m, phase)
        hash_subkey, encrypted = self._encrypt_zero(m, phase, key_word, last_round)
        newest = Signal(FIELD_BITS)
        product, multiplied = self._multiply(m, phase, hash_subkey, newest)

        m.d.comb += [
            self.o.payload.eq(powers),
            phase.start.eq(self.i.valid & self.i.ready),
            phase.clear.eq(self.o.valid & self.o.ready),
            newest.eq(Mux(made == 0, hash_subkey, product)),
        ]
        with m.If(phase.clear):
            m.d.sync += [powers.eq(0), made.eq(0)]
        with m.Elif(phase.stores):
            m.d.sync += [
                Cat(powers).eq(Cat(Cat(powers)[FIELD_BITS:], newest)),
                made.eq(made + 1),
            ]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.next = "Encrypt"
            with m.State("Encrypt"):
                m.d.comb += phase.encrypts.eq(1)
                with m.If(encrypted):
                    m.next = "Store"
            with m.State("Store"):
                m.d.comb += phase.stores.eq(1)
                m.next = "Multiply"
                with m.If(made == len(powers) - 1):
                    m.next = "Offer"
            with m.State("Multiply"):
                m.d.comb += phase.multiplies.eq(1)
                with m.If(multiplied):
                    m.next = "Store"
            with m.State("Offer"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "Idle"
        return m

    def _expand_key(self, m, phase):
        """Give the expanded key word by word, and its last round (FIPS 197, 5.2).

        The window holds words i to i + Nk - 1. Word i is needed now, and with the newest word
        makes word i + Nk.
        """
        window = Signal(data.ArrayLayout(WORD_BITS, _WINDOW_WORDS))
        key_size = Signal(2)
        place = Signal(range(_WINDOW_WORDS))
        """i modulo Nk."""
        constant = Signal(8)
        last_round = Signal(range(rounds(KeySize.AES256) + 1))

        newest = Signal(WORD_BITS)
        last_place = Signal.like(place)
        term = Signal(WORD_BITS)
        made = Signal(WORD_BITS)
        substituted = substitute(m, "key_sbox", newest)
        m.d.comb += [term.eq(newest), made.eq(window[0] ^ term)]
        with m.If(place == 0):
            m.d.comb += term.eq(rotate_word(substituted) ^ constant)
        with m.Elif(key_size[1] & (place == ROUND_KEY_WORDS)):
            m.d.comb += term.eq(substituted)
        with m.Switch(key_size):
            for size in KeySize:
                last = key_words(size) - 1
                with m.Default() if size == KeySize.AES256 else m.Case(size):
                    m.d.comb += [
                        newest.eq(window[last]),
                        last_place.eq(last),
                        last_round.eq(rounds(size)),
                    ]

        with m.If(phase.clear):
            m.d.sync += window.eq(0)
        with m.Elif(phase.start):
            m.d.sync += [
                window.eq(self.i.payload.key),
                key_size.eq(self.i.payload.key_size),
                place.eq(0),
                constant.eq(ROUND_CONSTANTS[1]),
            ]
        with m.Elif(phase.encrypts):
            for index in range(_WINDOW_WORDS):
                older = window[index + 1] if index + 1 < _WINDOW_WORDS else made
                m.d.sync += window[index].eq(Mux(last_place == index, made, older))
            m.d.sync += place.eq(Mux(place == last_place, 0, place + 1))
            with m.If(place == 0):
                m.d.sync += constant.eq(times_x(constant))
        return window[0], last_round

    def _encrypt_zero(self, m, phase, key_word, last_round):
        """Give AES of the zero block, made a column each clock (FIPS 197, 5.1), and its end."""
        state = Signal(BLOCK_BITS)
        columns = Signal(BLOCK_BITS - WORD_BITS)
        """Last three columns of the state that is being made."""
        column = Signal(range(BLOCK_BITS // WORD_BITS))
        round_ = Signal(range(rounds(KeySize.AES256) + 1))

        # The state turns by a column each clock, so ShiftRows takes fixed bytes.
        diagonal = Cat(state.word_select(5 * row, 8) for row in range(WORD_BITS // 8))
        substituted = substitute(m, "sbox", diagonal)
        mixed = Signal(WORD_BITS)
        m.d.comb += mixed.eq(mix_columns(m, substituted))
        with m.If(round_ == 0):
            m.d.comb += mixed.eq(0)
        with m.Elif(round_ == last_round):
            m.d.comb += mixed.eq(substituted)
        block = Signal(BLOCK_BITS)
        m.d.comb += block.eq(Cat(columns, mixed ^ key_word))

        with m.If(phase.start | phase.clear):
            m.d.sync += [column.eq(0), round_.eq(0)]
        with m.If(phase.clear):
            m.d.sync += [state.eq(0), columns.eq(0)]
        with m.Elif(phase.encrypts):
            m.d.sync += [
                columns.eq(block[WORD_BITS:]),
                state.eq(state.rotate_right(WORD_BITS)),
                column.eq(column + 1),
            ]
            with m.If(column == BLOCK_BITS // WORD_BITS - 1):
                m.d.sync += [state.eq(block), round_.eq(round_ + 1)]
        ends = (column == BLOCK_BITS // WORD_BITS - 1) & (round_ == last_round)
        return state, ends

    def _multiply(self, m, phase, hash_subkey, newest):
        """Give the newest power times H, from the highest coefficients down, and its end."""
        factor = Signal(FIELD_BITS)
        product = Signal(FIELD_BITS)
        digit = Signal(range(_DIGITS))
        h = polynomial(hash_subkey)
        bits = factor[FIELD_BITS - _DIGIT_BITS:]
        partial = Signal(FIELD_BITS + _DIGIT_BITS)
        m.d.comb += partial.eq(tree(partial_products(bits, h)) ^ (product << _DIGIT_BITS))
        with m.If(phase.clear):
            m.d.sync += [factor.eq(0), product.eq(0)]
        with m.Elif(phase.stores):
            m.d.sync += [factor.eq(polynomial(newest)), product.eq(0), digit.eq(0)]
        with m.Elif(phase.multiplies):
            m.d.sync += [
                factor.eq(factor << _DIGIT_BITS),
                product.eq(reduced(m, partial)),
                digit.eq(digit + 1),
            ]
        return polynomial(product), digit == _DIGITS - 1
