"""One registered round of AES encryption."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import mix_columns, shift_rows, substitute
from espnic.hdl.layouts import BLOCK_BITS

RoundInput = data.StructLayout({"block": BLOCK_BITS, "key": BLOCK_BITS, "skip": 1})


class AesRound(wiring.Component):
    """SubBytes, ShiftRows, MixColumns and AddRoundKey in one clock (FIPS 197, 5.1).

    Latency 1 clock, a block each clock. No errors.

    Parameters
    ----------
    last : bool
        Leave out MixColumns, as in the last round.
    skippable : bool
        Obey ``skip``, which passes the block on unchanged, for keys with fewer rounds.

    Members
    -------
    i : stream of {block 128, key 128, skip 1}
        State and round key, first byte in bits 7:0.
    o : stream of 128
        State after the round.
    """

    def __init__(self, *, last: bool = False, skippable: bool = False):
        self.last = last
        self.skippable = skippable
        super().__init__({
            "i": In(stream.Signature(RoundInput, always_ready=True)),
            "o": Out(stream.Signature(BLOCK_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        block = self.i.payload.block
        moved = Signal(BLOCK_BITS)
        m.d.comb += moved.eq(shift_rows(substitute(m, "sbox", block)))
        mixed = moved if self.last else mix_columns(m, moved)
        result = mixed ^ self.i.payload.key
        if self.skippable:
            result = Mux(self.i.payload.skip, block, result)
        m.d.sync += [self.o.payload.eq(result), self.o.valid.eq(self.i.valid)]
        return m
