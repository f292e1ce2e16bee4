"""One round of AES encryption."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import mix_columns, shift_rows, substitute, substitute_in_block_ram
from espnic.hdl.layouts import BLOCK_BITS


class AesRound(wiring.Component):
    """SubBytes, ShiftRows, MixColumns and AddRoundKey (FIPS 197, 5.1), behind a register.

    With S-boxes in block RAM the register is that of the RAM's output: it holds the state with
    its bytes substituted.

    Latency 1 clock, a block each clock. No errors.

    Parameters
    ----------
    inner : bool
        The round stands before the last: give ``o``.
    last : bool
        The round is the last: give ``last``. In a ring it may be both, in turn.
    skippable : bool
        Obey ``skip``.
    block_ram : bool
        Keep the S-boxes in block RAM.

    Members
    -------
    i : stream of 128
        State, first byte in bits 7:0.
    key : In(128)
        Round key of the state that came in the clock before.
    skip : In(1)
        Pass that state on unchanged, for keys with fewer rounds.
    o : stream of 128
        State after the round.
    last : stream of 128
        State after the round without MixColumns.
    """

    def __init__(self, *, inner: bool = True, last: bool = False, skippable: bool = False,
                 block_ram: bool = False):
        self.inner = inner
        self.ends = last
        self.skippable = skippable
        self.block_ram = block_ram
        blocks = stream.Signature(BLOCK_BITS, always_ready=True)
        super().__init__({
            "i": In(blocks),
            "key": In(BLOCK_BITS),
            "skip": In(1),
            **({"o": Out(blocks)} if inner else {}),
            **({"last": Out(blocks)} if last else {}),
        })

    def elaborate(self, platform):
        m = Module()
        block = Signal(BLOCK_BITS)
        moved = Signal(BLOCK_BITS)
        valid = Signal()
        m.d.sync += [block.eq(self.i.payload), valid.eq(self.i.valid)]
        if self.block_ram:
            substituted = substitute_in_block_ram(m, "sbox", self.i.payload)
        else:
            substituted = substitute(m, "sbox", block)
        m.d.comb += moved.eq(shift_rows(substituted))
        if self.inner:
            result = mix_columns(m, moved) ^ self.key
            if self.skippable:
                result = Mux(self.skip, block, result)
            m.d.comb += [self.o.payload.eq(result), self.o.valid.eq(valid)]
        if self.ends:
            m.d.comb += [self.last.payload.eq(moved ^ self.key), self.last.valid.eq(valid)]
        return m
