"""GHASH of one packet after another, one slot a clock."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.gf_multiplier import FIELD_BITS, GfMultiplier
from espnic.hdl.layouts import (
    GHASH_STAGES,
    ghash_lanes,
    has_spare_lane,
    hash_power_count,
    hash_powers,
)


def ghash_slot(lanes: int) -> data.StructLayout:
    """Input of GHASH in one clock (`Ghash`)."""
    return data.StructLayout({
        "blocks": data.ArrayLayout(FIELD_BITS, ghash_lanes(lanes)),
        "exponent": ceil_log2(hash_power_count(lanes) + 1),
        "tail": 1,
        "first": 1,
        "last": 1,
        **({"ahead": 1} if has_spare_lane(lanes) else {}),
        "powers": hash_powers(lanes),
    })


class Ghash(wiring.Component):
    """GHASH (NIST SP 800-38D, 6.4) by powers of H, a new key for every packet.

    With k = `GHASH_STAGES`, a slot holds up to ``lanes`` blocks, from lane 0 up; free
    lanes are 0. Lane j is multiplied by H^(exponent - j). The product of a slot is added to
    lane 0 of the slot k later, because the pipelined multiplier gives it just then. So the
    exponent is the number of blocks in this and the next k - 1 slots of the packet; in its
    last k slots, the ``tail``, it is the number of blocks that remain. The result is the sum
    of the products of the tail.

    A lane beyond ``lanes`` takes one more block. In a packet's last slot it is the block after
    the others, which is the packet's last and takes H^1. With ``ahead``, in a packet's first
    slot, it is the block before the others, which ``exponent`` does not count.

    Up to k packets are in the multiplier at once and none waits for another. There may
    be gaps between slots: products wait for the slot that takes them.

    Nothing of a packet stays when its result has been given. All that moves on every clock is
    made of zeros while ``powers`` are 0.

    Latency 4 clocks from the last slot to the result, folded by n 3 + n. A slot each clock, folded
    by n a slot each n clocks, and any number of further clocks between them.
    Errors: with a wrong exponent or tail the result of the packet is wrong, but not that of
    the next packet.

    Parameters
    ----------
    lanes : int
        Number of blocks in a slot. The first and the last slot of a packet may have
        `ghash_lanes`.
    form : CipherForm
        Rate.

    Members
    -------
    i : stream of {blocks ghash_lanes x 128, exponent, tail, first, last, ahead, powers}
        Blocks and powers with their first byte in bits 7:0. ``exponent`` is 1 to
        `hash_power_count`, one less with ``ahead``; ``powers`` go with every slot. Always ready
        unless folded.
    o : stream of 128
        GHASH of a packet, one for each ``last``.
    """

    def __init__(self, lanes: int, form: CipherForm = PLAIN):
        self.lanes = lanes
        self.form = form
        super().__init__({
            "i": In(stream.Signature(ghash_slot(lanes), always_ready=form.fold == 1)),
            "o": Out(stream.Signature(FIELD_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.multiplier = multiplier = GfMultiplier(
            ghash_lanes(self.lanes), self.form.fold)
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid)
        if self.form.fold > 1:
            later = Signal(self.form.fold - 1)
            m.d.sync += later.eq(Cat(taken, later))
            m.d.comb += [self.i.ready.eq(~later.any()), taken.eq(self.i.valid & self.i.ready)]
        slot = self._select(m, taken)
        product = multiplier.o.payload

        # A register for each of the k interleaved sums; slots take them in turn.
        held = [Signal(FIELD_BITS, name=f"held{turn}") for turn in range(GHASH_STAGES)]
        waiting = Signal(FIELD_BITS)
        done = self._travel(m, slot)
        with m.Switch(slot.turn):
            for turn, sum_ in enumerate(held):
                with m.Case(turn):
                    m.d.comb += waiting.eq(sum_)
        with m.If(multiplier.o.valid), m.Switch(done.turn):
            for turn, sum_ in enumerate(held):
                with m.Case(turn):
                    m.d.sync += sum_.eq(product)

        just_made = multiplier.o.valid & (done.turn == slot.turn)
        fed_back = Signal(FIELD_BITS)
        m.d.comb += fed_back.eq(Mux(just_made, product, waiting))
        for lane in range(ghash_lanes(self.lanes)):
            m.d.comb += [
                multiplier.i.payload.x[lane].eq(slot.blocks[lane]),
                multiplier.i.payload.h[lane].eq(slot.factors[lane]),
            ]
        with m.If(slot.continues):
            m.d.comb += multiplier.i.payload.x[0].eq(slot.blocks[0] ^ fed_back)

        total = Signal(FIELD_BITS)
        m.d.comb += [
            multiplier.i.valid.eq(slot.valid),
            self.o.valid.eq(multiplier.o.valid & done.last),
            self.o.payload.eq(total ^ product),
        ]
        # What is held is of this packet: no product of a later one has come.
        with m.If(self.o.valid):
            m.d.sync += [total.eq(0), *(sum_.eq(0) for sum_ in held)]
        with m.Elif(multiplier.o.valid & done.tail):
            m.d.sync += total.eq(self.o.payload)
        return m

    def _select(self, m, taken):
        """Give the slot a clock later, with the powers of its lanes and its place in the packet."""
        elements = data.ArrayLayout(FIELD_BITS, ghash_lanes(self.lanes))
        slot = Signal(data.StructLayout({
            "blocks": elements, "factors": elements, **_PLACE, "continues": 1, "valid": 1,
        }))
        i = self.i.payload
        before = Signal(range(GHASH_STAGES + 1))
        """Number of slots of the packet so far, up to k."""
        preceding = Mux(i.first, 0, before)
        m.d.sync += [
            slot.valid.eq(taken),
            slot.blocks.eq(i.blocks),
            slot.tail.eq(i.tail),
            slot.last.eq(i.last),
        ]
        for lane in range(self.lanes):
            m.d.sync += slot.factors[lane].eq(i.powers[-1 - lane])
        with m.Switch(i.exponent):
            for exponent in range(1, len(i.powers)):
                with m.Case(exponent):
                    for lane in range(self.lanes):
                        # A lane after the last block is 0: any power will do.
                        power = i.powers[max(exponent - lane, 1) - 1]
                        m.d.sync += slot.factors[lane].eq(power)
        if has_spare_lane(self.lanes):
            m.d.sync += slot.factors[self.lanes].eq(i.powers[0])
            with m.If(i.ahead), m.Switch(i.exponent):
                for exponent in range(1, len(i.powers)):
                    with m.Case(exponent):
                        m.d.sync += slot.factors[self.lanes].eq(i.powers[exponent])
        with m.If(taken):
            m.d.sync += [
                slot.turn.eq(Mux(slot.turn == GHASH_STAGES - 1, 0, slot.turn + 1)),
                slot.continues.eq(preceding == GHASH_STAGES),
                before.eq(Mux(preceding == GHASH_STAGES, preceding, preceding + 1)),
            ]
        return slot

    def _travel(self, m, slot):
        """Give the place of a slot when its product leaves the multiplier."""
        place = slot
        for stage in range(self.form.multiplier_latency):
            later = Signal(data.StructLayout(_PLACE), name=f"place{stage}")
            m.d.sync += Cat(later.turn, later.tail, later.last).eq(
                Cat(place.turn, place.tail, place.last)
            )
            place = later
        return place


_PLACE = {"turn": ceil_log2(GHASH_STAGES), "tail": 1, "last": 1}
"""Place of a slot: which of the k sums it adds to, and where in the packet it is."""
