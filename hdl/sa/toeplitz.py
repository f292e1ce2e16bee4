"""Keyed universal hash, once pipelined for the datapath and once bit-serial for control."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Toeplitz(wiring.Component):
    """Toeplitz hash of one word a clock, 2 clocks after the word.

    There are no errors. A change of the key affects a word under way in part, so change it only
    while no result matters.

    Source: H. Krawczyk, "LFSR-based Hashing and Authentication", CRYPTO 1994, in the form of
    receive side scaling.

    Parameters
    ----------
    data_bits : int
        Width of a word to hash.
    hash_bits : int
        Width of the hash.

    Members
    -------
    key : In(data_bits + hash_bits - 1)
        Secret key. Bit n of a word adds the ``hash_bits`` bits from bit n up.
    i : In(stream.Signature(data_bits, always_ready=True))
        Words to hash.
    o : Out(stream.Signature(hash_bits, always_ready=True))
        Their hashes, in order.

    Attributes
    ----------
    latency : int
        Clocks from ``i`` to ``o``.
    """

    latency = 2

    _GROUP = 18
    """Products summed in the first clock: two levels of 6-input LUTs (3 products, 6 sums)."""

    def __init__(self, data_bits: int, hash_bits: int):
        self.data_bits = data_bits
        self.hash_bits = hash_bits
        super().__init__({
            "key": In(data_bits + hash_bits - 1),
            "i": In(stream.Signature(data_bits, always_ready=True)),
            "o": Out(stream.Signature(hash_bits, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        valid = Signal()
        m.d.sync += [valid.eq(self.i.valid), self.o.valid.eq(valid)]
        for bit in range(self.hash_bits):
            products = self.i.payload & self.key[bit:bit + self.data_bits]
            groups = range(0, self.data_bits, self._GROUP)
            partial = Signal(len(groups), name=f"partial{bit}", reset_less=True)
            m.d.sync += [
                partial.eq(Cat(products[n:n + self._GROUP].xor() for n in groups)),
                self.o.payload[bit].eq(partial.xor()),
            ]
        return m


class SerialToeplitz(wiring.Component):
    """Hash of ``Toeplitz`` at one bit of the word a clock: small, for the control path.

    The hash of a word comes ``data_bits + hash_bits`` clocks after ``i.valid``. The word is
    taken (``i.ready``) in the clock in which its hash leaves, so one is under way at a time.
    There are no errors.

    Parameters
    ----------
    data_bits : int
        Width of a word to hash.
    hash_bits : int
        Width of the hash.

    Members
    -------
    key : In(data_bits + hash_bits - 1)
        Secret key, stable while a word is under way.
    i : In(stream.Signature(data_bits))
        Word to hash.
    o : Out(stream.Signature(hash_bits))
        Its hash.
    """

    def __init__(self, data_bits: int, hash_bits: int):
        self.data_bits = data_bits
        self.hash_bits = hash_bits
        super().__init__({
            "key": In(data_bits + hash_bits - 1),
            "i": In(stream.Signature(data_bits)),
            "o": Out(stream.Signature(hash_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        top = len(self.key) - 1
        bit = Signal(range(top + 1), init=top)
        window = Signal(self.hash_bits)
        result = Signal(self.hash_bits)
        slid = Cat(self.key.bit_select(bit, 1), window)[:self.hash_bits]
        # The first steps only fill the window: above the word, bit_select reads 0.
        chosen = self.i.payload.bit_select(bit, 1)

        m.d.comb += self.o.payload.eq(result)
        with m.FSM():
            with m.State("Sum"), m.If(self.i.valid):
                m.d.sync += [
                    window.eq(slid),
                    result.eq(result ^ Mux(chosen, slid, 0)),
                    bit.eq(bit - 1),
                ]
                with m.If(bit == 0):
                    m.next = "Done"
            with m.State("Done"):
                m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(self.o.ready)]
                with m.If(self.o.ready):
                    m.d.sync += [window.eq(0), result.eq(0), bit.eq(top)]
                    m.next = "Sum"
        return m
