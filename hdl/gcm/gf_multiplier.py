"""Pipelined multiplier of GF(2^128), the field of GHASH."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import BLOCK_BITS

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

    Latency 3 clocks (`GHASH_STAGES`), a sum each clock. No errors.

    Parameters
    ----------
    lanes : int
        Number of products in the sum.

    Members
    -------
    i : stream of {x lanes x 128, h lanes x 128}
        Field elements as blocks lie, first byte in bits 7:0.
    o : stream of 128
        The sum, in the same form.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        elements = data.ArrayLayout(FIELD_BITS, lanes)
        factors = data.StructLayout({"x": elements, "h": elements})
        super().__init__({
            "i": In(stream.Signature(factors, always_ready=True)),
            "o": Out(stream.Signature(FIELD_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        factors = self.i.payload
        pairs = [
            zip(
                _registered(m, f"x{lane}", _digits(m, polynomial(factors.x[lane]))),
                _registered(m, f"h{lane}", _digits(m, polynomial(factors.h[lane]))),
                strict=True,
            )
            for lane in range(self.lanes)
        ]
        sums = [
            tree([term for x, h in lanes for term in partial_products(x, h)])
            for lanes in zip(*pairs, strict=True)
        ]
        product = _recombined(m, _registered(m, "product", sums))

        valid = Signal(2)
        m.d.sync += [
            self.o.payload.eq(polynomial(reduced(m, product))),
            Cat(valid, self.o.valid).eq(Cat(self.i.valid, valid)),
        ]
        return m


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
