"""AES-GCM, sealing and opening, at one beat a clock."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.flow.delay_line import DelayLine
from espnic.hdl.gcm.aes_pipeline import AesPipeline
from espnic.hdl.gcm.ghash import Ghash
from espnic.hdl.layouts import (
    GHASH_STAGES,
    LENGTH_BITS,
    beat,
    gcm_beat,
    ghash_lanes,
    has_spare_lane,
    hash_power_count,
    hash_powers,
)
from espnic.model.interface.codes import AES_BLOCK_BYTES

BLOCK_BITS = 8 * AES_BLOCK_BYTES
COUNTER_BITS = 32
NONCE_BITS = BLOCK_BITS - COUNTER_BITS
MASK_COUNTER = 1
"""Counter of J0, whose encryption masks the tag (NIST SP 800-38D, 7.1)."""
TEXT_COUNTER = 2

BLOCK_COUNT_BITS = LENGTH_BITS - ceil_log2(AES_BLOCK_BYTES) + 1

_SLOT_CLOCKS = 1
_PLAN_CLOCKS = 1


class GcmCore(wiring.Component):
    """AES-GCM with 96-bit IVs (NIST SP 800-38D, 7), a new key for every packet, no gaps.

    ::

        i ── slots ─┬─ counter blocks ── AES ──┐
                    ├─ data, delayed ───────── XOR ─┬─ o
                    └─ powers of H, queued ──┐      │
                                             └─ GHASH ── XOR E(K, J0) ── tag

    A packet takes a slot for each of its beats. E(K, J0) rides in the slot of the first
    AAD beat, whose AES lanes are free, and the lengths block of GHASH in a free lane
    behind the last block, or at 512 bits in a lane of its own. Where AAD has joined the
    first beat of its text, that lane takes the AAD, and E(K, J0) rides in the last lane
    of the text's last slot, which the text must leave free. ``i.ready`` falls only for
    the two slots that the core has to insert: one in front of a packet without AAD (but
    not of one without text too), and at 128 and 256 bits one behind a packet whose last
    beat fills all lanes.

    The packet's ends are those that the beats give: it ends with ``last``, and the beat
    after that is its successor's first, whatever ``first`` says. When the beats are not
    those that ``aad_bytes`` and ``text_bytes`` promise, the tag has no meaning, and the
    packets before and after are not touched.

    Latency from the clock in which a beat is taken: 17 clocks to its text (`text_latency`),
    21 from the last beat to the tag (`tag_latency`), 22 with an inserted lengths block.
    The outputs never wait: who uses them has room for what is under way.

    Parameters
    ----------
    width : int
        Bits of a beat: 128, 256 or 512.

    Members
    -------
    i : stream of `gcm_beat`
        AAD, then text; bytes beyond ``count`` are ignored. A packet without either is one
        beat with count 0.
    o : stream of `beat`
        One beat for each text beat: ciphertext when sealing, plaintext when opening, bytes
        beyond ``count`` 0. ``first`` and ``last`` mark the text.
    tag : stream of 128
        The whole tag of each packet, in order, first byte in bits 7:0, after the packet's
        last text beat. When opening it is the tag to compare with.
    """

    text_latency = _SLOT_CLOCKS + AesPipeline.latency + 1
    tag_latency = _SLOT_CLOCKS + AesPipeline.latency + Ghash.latency + 1

    def __init__(self, width: int):
        if width not in (128, 256, 512):
            raise ValueError(f"width of {width} bits, expected 128, 256 or 512")
        self.width = width
        self.lanes = width // BLOCK_BITS
        self.lengths_lane = has_spare_lane(self.lanes)
        super().__init__({
            "i": In(stream.Signature(gcm_beat(width))),
            "o": Out(stream.Signature(beat(width), always_ready=True)),
            "tag": Out(stream.Signature(BLOCK_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.aes = aes = AesPipeline(self.lanes)
        m.submodules.ghash = ghash = Ghash(self.lanes)
        opens = Signal()
        slot, joins = self._sequence(m, opens, aes.i)
        plan = self._plan(m, opens, joins, slot)

        m.submodules.slots = slots = DelayLine(slot.shape(), AesPipeline.latency)
        m.submodules.plans = plans = DelayLine(plan.shape(), AesPipeline.latency - _PLAN_CLOCKS)
        m.d.comb += [slots.i.payload.eq(slot), plans.i.payload.eq(plan)]
        slot, plan = slots.o.payload, plans.o.payload

        hashed = aes.o.valid & slot.hashed
        packet = _queue(
            m, "packets", depth=1 << ceil_log2(self.text_latency),
            push=opens, item=self._packet(m), pop=hashed & slot.last,
        )
        plain, ciphertext = self._join(m, slot, Cat(aes.o.payload))
        m.d.sync += [
            self.o.valid.eq(aes.o.valid & slot.text),
            self.o.payload.data.eq(plain),
            self.o.payload.count.eq(slot.count),
            self.o.payload.first.eq(slot.text_first),
            self.o.payload.last.eq(slot.text_last),
        ]

        lengths = _lengths_block(packet)
        blocks_used = (slot.count + AES_BLOCK_BYTES - 1) // AES_BLOCK_BYTES
        m.d.comb += [
            ghash.i.valid.eq(hashed),
            ghash.i.payload.exponent.eq(plan.exponent),
            ghash.i.payload.tail.eq(plan.tail),
            ghash.i.payload.first.eq(slot.first),
            ghash.i.payload.last.eq(slot.last),
            ghash.i.payload.powers.eq(packet.powers),
        ]
        text_lanes = Cat(ciphertext, Const(0, BLOCK_BITS))
        for lane in range(ghash_lanes(self.lanes)):
            here = slot.last & (blocks_used == lane)
            block = text_lanes.word_select(lane, BLOCK_BITS) | Mux(here, lengths, 0)
            if lane == self.lanes:
                block |= Mux(slot.ahead, packet.joined_aad, 0)
            m.d.comb += ghash.i.payload.blocks[lane].eq(block)

        masked = aes.o.payload[0]
        if self.lengths_lane:
            m.d.comb += ghash.i.payload.ahead.eq(slot.ahead)
            masked = Mux(slot.joined, aes.o.payload[-1], masked)
        mask = _queue(
            m, "masks", depth=1 << ceil_log2(Ghash.latency + 1),
            push=aes.o.valid & slot.mask, item=masked, pop=ghash.o.valid,
        )
        m.d.sync += [
            self.tag.valid.eq(ghash.o.valid),
            self.tag.payload.eq(ghash.o.payload ^ mask),
        ]
        return m

    def _sequence(self, m, opens, aes_input):
        """Take beats and insert slots; give the slot and, beside it, the blocks for AES.

        Also gives whether the packet that opens has its AAD beside its text.

        ``opens`` is raised for the first slot of a packet, which carries E(K, J0) unless
        the packet's AAD has joined its text.
        """
        taken, lengths_due, masked, begun = (
            Signal(name=name) for name in ("taken", "lengths_due", "masked", "begun")
        )
        item = self.i.payload
        joined, joins = self._join_aad(m, taken, begun, masked)
        needs_mask_slot = ~begun & ~masked & ~item.aad & item.count.any() & ~joins
        insert_mask = self.i.valid & ~lengths_due & needs_mask_slot
        full = Const(0) if self.lengths_lane else item.count > self.width // 8 - AES_BLOCK_BYTES
        m.d.comb += [
            self.i.ready.eq(~lengths_due & ~needs_mask_slot),
            taken.eq(self.i.valid & self.i.ready),
            opens.eq(insert_mask | taken & ~begun & ~masked),
        ]
        m.d.sync += lengths_due.eq(taken & item.last & full)
        with m.If(insert_mask):
            m.d.sync += masked.eq(1)
        with m.If(taken):
            m.d.sync += [masked.eq(0), begun.eq(~item.last)]

        text = taken & ~item.aad
        texted, decrypt = Signal(), Signal()
        decrypts = Mux(opens, item.parameters.decrypt, decrypt)
        m.d.sync += decrypt.eq(decrypts)
        with m.If(taken):
            m.d.sync += texted.eq(text & ~item.last)

        slot = Signal(_slot(self.width))
        m.d.sync += [
            slot.data.eq(item.data),
            slot.count.eq(Mux(taken, item.count, 0)),
            slot.text.eq(text),
            slot.text_first.eq(~texted),
            slot.text_last.eq(item.last),
            slot.seal.eq(text & ~decrypts),
            slot.mask.eq(Mux(joined, taken & item.last, opens)),
            slot.hashed.eq(taken | lengths_due),
            slot.first.eq(taken & ~begun),
            slot.last.eq(Mux(taken, item.last & ~full, lengths_due)),
            aes_input.valid.eq(taken | insert_mask | lengths_due),
        ]
        if self.lengths_lane:
            m.d.sync += [slot.joined.eq(joined), slot.ahead.eq(taken & joins)]
        self._count_blocks(m, opens, aes_input, text, joined)
        return slot, joins

    def _join_aad(self, m, taken, begun, masked):
        """Whether the packet's AAD came with its text, and whether it comes with this beat."""
        if not self.lengths_lane:
            return Const(0), Const(0)
        item = self.i.payload
        before = Signal(name="joined_before")
        joined, joins = Signal(name="joined"), Signal(name="joins")
        m.d.comb += [
            joins.eq(~begun & ~masked & ~item.aad & item.joined),
            joined.eq(before | joins),
        ]
        with m.If(taken):
            m.d.sync += before.eq(joined & ~item.last)
        return joined, joins

    def _count_blocks(self, m, opens, aes_input, text, joined):
        """The counter blocks of the slot, and the key that goes with them."""
        nonce = Signal(NONCE_BITS)
        following = Signal(COUNTER_BITS)
        """Counter of the packet's next text block."""
        parameters = self.i.payload.parameters
        with m.If(opens):
            m.d.sync += [
                aes_input.payload.key.eq(parameters.key),
                aes_input.payload.key_size.eq(parameters.key_size),
                nonce.eq(parameters.nonce),
                following.eq(Mux(joined, TEXT_COUNTER + self.lanes, TEXT_COUNTER)),
            ]
        with m.Elif(text):
            m.d.sync += following.eq(following + self.lanes)
        for lane in range(self.lanes):
            counter = Signal(COUNTER_BITS, name=f"counter{lane}")
            m.d.sync += counter.eq(following + lane)
            with m.If(opens & joined):
                m.d.sync += counter.eq(TEXT_COUNTER + lane)
            if lane == 0:
                with m.If(opens & ~joined):
                    m.d.sync += counter.eq(MASK_COUNTER)
            if lane == self.lanes - 1:
                # A packet cut short may need the lane for its text; its tag is void anyhow.
                free = self.i.payload.count <= lane * AES_BLOCK_BYTES
                with m.If(joined & self.i.payload.last & free):
                    m.d.sync += counter.eq(MASK_COUNTER)
            m.d.comb += aes_input.payload.blocks[lane].eq(Cat(nonce, _big_endian(counter)))

    def _plan(self, m, opens, joins, slot):
        """Exponent and tail of each hashed slot, from what the packet's lengths leave."""
        aad_left, text_left = (
            Signal(BLOCK_COUNT_BITS, name=name) for name in ("aad_left", "text_left")
        )
        parameters = self.i.payload.parameters
        with m.If(opens):
            m.d.sync += [
                aad_left.eq(Mux(joins, 0, _blocks(parameters.aad_bytes))),
                text_left.eq(_blocks(parameters.text_bytes)),
            ]
        with m.Elif(slot.text):
            m.d.sync += text_left.eq(_less(text_left, self.lanes))
        with m.Elif(slot.hashed):
            m.d.sync += aad_left.eq(_less(aad_left, self.lanes))

        # The lengths block stands right behind the last block; text begins a new slot.
        room = Signal(range(GHASH_STAGES * self.lanes + 1), init=GHASH_STAGES * self.lanes)
        ahead = Signal.like(room, init=0)
        behind = Signal(BLOCK_COUNT_BITS)
        more = Signal()
        m.d.comb += behind.eq(text_left + 1)
        with m.If(text_left == 0):
            m.d.comb += behind.eq(aad_left + 1)
        with m.Elif(aad_left > (GHASH_STAGES - 1) * self.lanes):
            m.d.comb += [behind.eq(aad_left), more.eq(1)]
        for aad_slots in range(GHASH_STAGES - 1, 0, -1):
            with m.Elif(aad_left > (aad_slots - 1) * self.lanes):
                m.d.comb += [
                    ahead.eq(aad_left),
                    room.eq((GHASH_STAGES - aad_slots) * self.lanes),
                ]
        ends = behind <= Mux(more, room, room + self.lengths_lane)
        plan = Signal(data.StructLayout({
            "exponent": ceil_log2(hash_power_count(self.lanes) + 1), "tail": 1,
        }))
        m.d.sync += [
            plan.exponent.eq(ahead + Mux(ends, behind, room)),
            plan.tail.eq(ends & ~more),
        ]
        return plan

    def _join(self, m, slot, keystream):
        """The text of the slot, and what GHASH takes of it."""
        mask = Signal(self.width)
        for byte in range(self.width // 8):
            m.d.comb += mask.word_select(byte, 8).eq((slot.count > byte).replicate(8))
        key = keystream & slot.seal.replicate(self.width)
        return (slot.data ^ keystream) & mask, (slot.data ^ key) & mask

    def _packet(self, m):
        """What GHASH needs once a packet."""
        parameters = self.i.payload.parameters
        packet = Signal(data.StructLayout({
            "aad_bytes": LENGTH_BITS,
            "text_bytes": LENGTH_BITS,
            **({"joined_aad": BLOCK_BITS} if self.lengths_lane else {}),
            "powers": hash_powers(self.lanes),
        }))
        if self.lengths_lane:
            m.d.comb += packet.joined_aad.eq(self.i.payload.joined_aad)
        m.d.comb += [
            packet.aad_bytes.eq(parameters.aad_bytes),
            packet.text_bytes.eq(parameters.text_bytes),
            packet.powers.eq(parameters.powers),
        ]
        return packet


def _slot(width: int) -> data.StructLayout:
    """What is done with the beat, or without one, beside AES."""
    joined = {"joined": 1, "ahead": 1} if has_spare_lane(width // BLOCK_BITS) else {}
    return data.StructLayout({
        **joined,
        "data": width,
        "count": ceil_log2(width // 8 + 1),
        "text": 1,
        "text_first": 1,
        "text_last": 1,
        "seal": 1,
        "mask": 1,
        "hashed": 1,
        "first": 1,
        "last": 1,
    })


def _queue(m: Module, name: str, *, depth: int, push, item, pop):
    """The oldest item not popped. An item comes out 2 clocks after its push, or later."""
    m.submodules[name] = memory = Memory(shape=item.shape(), depth=depth, init=[])
    write, read = memory.write_port(), memory.read_port()
    newest = Signal(range(depth), name=f"{name}_newest")
    oldest = Signal(range(depth), name=f"{name}_oldest")
    m.d.sync += [newest.eq(newest + push), oldest.eq(oldest + pop)]
    m.d.comb += [
        write.addr.eq(newest),
        write.data.eq(item),
        write.en.eq(push),
        read.addr.eq(oldest + pop),
        read.en.eq(1),
    ]
    return read.data


def _lengths_block(packet) -> Value:
    """Bits of AAD and of text, 64 bits each, as GHASH takes them at the end (7.1, step 5)."""
    half = BLOCK_BITS // 2
    return Cat(
        _big_endian(Cat(Const(0, 3), length, Const(0, half))[:half])
        for length in (packet.aad_bytes, packet.text_bytes)
    )


def _big_endian(value: Value) -> Value:
    return Cat(value.word_select(byte, 8) for byte in reversed(range(len(value) // 8)))


def _blocks(byte_count: Value) -> Value:
    return (byte_count + AES_BLOCK_BYTES - 1) // AES_BLOCK_BYTES


def _less(value: Value, amount: int) -> Value:
    return Mux(value > amount, value - amount, 0)
