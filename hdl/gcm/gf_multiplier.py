"""Pipelined multiplier of GF(2^128), the field of GHASH."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import BLOCK_BITS, GHASH_STAGES

FIELD_BITS = BLOCK_BITS
"""Width of an element of the field, which is a block."""
_DIGIT_BITS = 16
"""Width at which Karatsuba stops: below, the additions cost as much as the products they save."""
_REDUCTION_SHIFTS = (0, 1, 2, 7)
"""x^128 = 1 + x + x^2 + x^7 (NIST SP 800-38D, 6.3)."""
_TERMS_PER_LUT = 3
"""Number of partial products that one 6-input LUT adds: each is an AND of two bits."""


def polynomial(block: Value) -> Value:
    """The coefficients of a block, that of x^n at bit n; the function is its own inverse.

    The standard counts the bits of each byte from its most significant end.
    """
    return Cat(block.word_select(byte, 8)[::-1] for byte in range(len(block) // 8))


def reduced(m: Module, product: Value) -> Value:
    """A polynomial of up to 255 coefficients modulo that of the field."""
    low, high = product[:FIELD_BITS], product[FIELD_BITS:]
    # The part that the first folding moves beyond x^127 folds once more by the same shifts.
    beyond = [high[len(high) - excess:] for excess in _overflows(len(high))]
    folded = Signal(len(high), name="folded")
    m.d.comb += folded.eq(reduce(xor, beyond, high))
    return reduce(xor, ((folded << shift)[:FIELD_BITS] for shift in _REDUCTION_SHIFTS), low)


def _overflows(bits: int) -> list[int]:
    """Number of bits that each shift of the folding moves beyond x^127."""
    excesses = (bits + shift - FIELD_BITS for shift in _REDUCTION_SHIFTS)
    return [excess for excess in excesses if excess > 0]


def partial_products(x: Value, h: Value) -> list[Value]:
    """One product for each coefficient of x; their XOR is the product of the polynomials."""
    bits = len(x) + len(h) - 1
    return [
        Cat(Const(0, index), h & x[index].replicate(len(h)), Const(0, bits))[:bits]
        for index in range(len(x))
    ]


def tree(terms: Sequence[Value]) -> Value:
    """XOR of partial products, grouped as one LUT takes them: three first, then six."""
    size = _TERMS_PER_LUT
    while len(terms) > 1:
        groups = [terms[start:start + size] for start in range(0, len(terms), size)]
        terms = [reduce(xor, group) for group in groups]
        size = 2 * _TERMS_PER_LUT
    return terms[0]


class GfMultiplier(wiring.Component):
    """The sum over all lanes of x[j] * h[j] in GF(2^128) (NIST SP 800-38D, 6.3).

    Karatsuba down to 16 bits. Recombination and reduction are linear, so the lanes
    are added before them and share them::

        additions ┃ 27 products of 16 bits, sum of lanes ┃ recombination, reduction ┃

    Folded by n, it takes an nth of x in each clock, from the highest coefficients down, times n
    parts of h of that size; the sum of the parts before, times x^(128 / n), is added in front of
    the reduction. That is 18 products of 16 bits for n = 2, and 12 for n = 4.

    Latency 3 clocks (`GHASH_STAGES`), folded by n 2 + n. A sum each n clocks. No errors.

    Parameters
    ----------
    lanes : int
        Number of products in the sum.
    fold : int
        Clocks of a sum: 1, 2 or 4.

    Members
    -------
    i : stream of {x lanes x 128, h lanes x 128}
        Field elements as blocks lie, first byte in bits 7:0. Always ready unless folded.
    o : stream of 128
        The sum, in the same form.
    """

    def __init__(self, lanes: int, fold: int = 1):
        self.lanes = lanes
        self.fold = fold
        elements = data.ArrayLayout(FIELD_BITS, lanes)
        factors = data.StructLayout({"x": elements, "h": elements})
        super().__init__({
            "i": In(stream.Signature(factors, always_ready=fold == 1)),
            "o": Out(stream.Signature(FIELD_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        starts = Signal()
        goes_on = Signal()
        m.d.comb += starts.eq(self.i.valid & ~goes_on)
        pairs = [self._operands(m, lane, goes_on) for lane in range(self.lanes)]
        product = self._product(m, pairs)
        if self.fold > 1:
            product = product ^ self._before(m, goes_on)
            later = Signal(self.fold - 1)
            m.d.sync += later.eq(Cat(starts, later))
            m.d.comb += [goes_on.eq(later.any()), self.i.ready.eq(~goes_on)]

        valid = Signal(GHASH_STAGES + self.fold - 2)
        m.d.sync += [
            self.o.payload.eq(polynomial(reduced(m, product))),
            Cat(valid, self.o.valid).eq(Cat(starts, valid)),
        ]
        return m

    def _before(self, m: Module, goes_on: Value) -> Value:
        """The sum of the parts of x before the one whose product is there, in its place."""
        went_on = Signal()
        adds = Signal()
        m.d.sync += [went_on.eq(goes_on), adds.eq(went_on)]
        return (polynomial(self.o.payload) & adds.replicate(FIELD_BITS)) << FIELD_BITS // self.fold

    def _operands(self, m: Module, lane: int, goes_on: Value) -> list[list[tuple[Value, Value]]]:
        """The factors of the small products of a lane, for each part of h from the lowest up.

        While a sum ``goes_on`` they are of the next part of x, and of the same h. Else they are of
        what comes, even if it is not valid: so nothing of a packet stays.
        """
        bits = FIELD_BITS // self.fold
        x = Signal(FIELD_BITS, name=f"x{lane}")
        h = Signal(FIELD_BITS, name=f"h{lane}")
        m.d.comb += [
            x.eq(polynomial(self.i.payload.x[lane])), h.eq(polynomial(self.i.payload.h[lane]))]
        if self.fold > 1:
            rest = Signal(FIELD_BITS - bits, name=f"rest{lane}", reset_less=True)
            m.d.sync += rest.eq(Mux(goes_on, rest << bits, x))
            x = Mux(goes_on, rest[-bits:], x[-bits:])
        part = _registered(m, f"x{lane}", _digits(m, x))
        factors = []
        for low in range(0, FIELD_BITS, bits):
            held = [Signal(_DIGIT_BITS, name=f"h{lane}_{low}_{index}", reset_less=True)
                    for index in range(len(part))]
            with m.If(~goes_on):
                m.d.sync += Cat(held).eq(Cat(_digits(m, h[low:low + bits])))
            factors.append(list(zip(part, held, strict=True)))
        return factors

    def _product(self, m: Module, pairs: list[list[list[tuple[Value, Value]]]]) -> Value:
        """The sum over the lanes of the products of a part of x and h, a clock later."""
        bits = FIELD_BITS // self.fold
        whole = Signal(FIELD_BITS + bits - 1, name="product")
        parts = []
        for place, lanes in enumerate(zip(*pairs, strict=True)):
            sums = [
                tree([term for x, h in products for term in partial_products(x, h)])
                for products in zip(*lanes, strict=True)
            ]
            part = _recombined(m, _registered(m, f"product{place}", sums))
            parts.append(part << bits * place)
        m.d.comb += whole.eq(reduce(xor, parts))
        return whole


def _digits(m: Module, value: Value) -> list[Value]:
    """The operands of the small products: low, high and low + high, down to digits."""
    if len(value) == _DIGIT_BITS:
        return [value]
    half = len(value) // 2
    both = Signal(half, name="both")
    m.d.comb += both.eq(value[:half] ^ value[half:])
    return [digit for part in (value[:half], value[half:], both) for digit in _digits(m, part)]


def _registered(m: Module, name: str, values: Sequence[Value]) -> list[Signal]:
    """The values a clock later."""
    registers = [
        Signal(len(value), name=f"{name}_{index}", reset_less=True)
        for index, value in enumerate(values)
    ]
    m.d.sync += [register.eq(value) for register, value in zip(registers, values, strict=True)]
    return registers


def _recombined(m: Module, products: Sequence[Value]) -> Value:
    """The product of the whole operands, from the products of `_digits` in their order."""
    if len(products) == 1:
        return products[0]
    third = len(products) // 3
    low, high, both = (
        _recombined(m, products[start:start + third]) for start in range(0, len(products), third)
    )
    half = (len(low) + 1) // 2
    middle = Signal(len(low), name="middle")
    product = Signal(4 * half - 1, name="whole")
    m.d.comb += [
        middle.eq(both ^ low ^ high),
        product.eq(Cat(low, Const(0, 1), high) ^ (middle << half)),
    ]
    return product
