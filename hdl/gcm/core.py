"""AES-GCM, sealing and opening, at one beat a clock."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.flow.delay_line import DelayLine
from espnic.hdl.frame.align import byte_mask, bytes_of
from espnic.hdl.gcm.aes_pipeline import AesPipeline
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.ghash import Ghash
from espnic.hdl.layouts import (
    BLOCK_BITS,
    GHASH_STAGES,
    LENGTH_BITS,
    NONCE_BITS,
    beat,
    gcm_beat,
    ghash_lanes,
    has_spare_lane,
    hash_power_count,
    hash_powers,
    lanes_of,
    members,
)
from espnic.model.interface.codes import AES_BLOCK_BYTES
from espnic.model.interface.features import WIDTHS

_COUNTER_BITS = BLOCK_BITS - NONCE_BITS
_MASK_COUNTER = 1
"""Counter of J0, whose encryption masks the tag (NIST SP 800-38D, 7.1)."""
_TEXT_COUNTER = 2
"""Counter of the first text block."""

_BLOCK_COUNT_BITS = LENGTH_BITS - ceil_log2(AES_BLOCK_BYTES) + 1

_SLOT_CLOCKS = 1
_PLAN_CLOCKS = 1


class _Turn:
    """Actions of the core in this clock; the slot of the next clock follows from them."""

    def __init__(self):
        self.taken = Signal()
        """A beat is taken."""
        self.text = Signal()
        """The beat is text."""
        self.first = Signal()
        """The beat is the first of its packet."""
        self.lengths = Signal()
        """A slot is inserted for a lengths block."""
        self.due = Signal()
        """There may be a slot in the next clock."""
        self.runs = Signal()
        """A beat is taken or a slot inserted."""
        self.within = Signal()
        """A packet has opened before and goes on."""
        self.opens = Signal()
        """First slot of a packet; it carries E(K, J0) unless AAD has joined the text."""
        self.joins = Signal()
        """The packet's AAD comes with this beat of text."""
        self.joined = Signal()
        """The packet's AAD has come with its text, with this beat or before."""


class GcmCore(wiring.Component):
    """AES-GCM with 96-bit IVs (NIST SP 800-38D, 7), a new key for every packet, no gaps.

    ::

        i ── slots ─┬─ counter blocks ── AES ──┐
                    ├─ data, delayed ───────── XOR ─┬─ o
                    └─ powers of H, delayed ─┐      │
                                             └─ GHASH ── XOR E(K, J0) ── tag

    A packet takes a slot for each of its beats. E(K, J0) is computed in the slot of the first
    AAD beat, whose AES lanes are free. The lengths block of GHASH takes a free lane after the
    last block, or at 512 bits a lane of its own. If AAD has joined the first beat of its text,
    that lane takes the AAD, and E(K, J0) is computed in the last lane of the text's last slot,
    which the text must leave free. ``i.ready`` falls only for the two slots that the core has
    to insert: one before a packet that has text but no AAD, and at 128 and 256 bits one after
    a packet whose last beat fills all lanes.

    The beats give the ends of a packet: it ends with ``last``, and the beat after that is the
    first of the next packet, whatever ``first`` says. If the beats are not those that
    ``aad_bytes`` and ``text_bytes`` promise, the tag has no meaning; the packets before and
    after are not affected.

    Nothing secret stays. A packet's key, nonce and powers leave their registers with its last
    slot. All else moves on every clock, and what follows is made of zeros when no packet comes
    and ``parameters`` are 0.

    Latency from the clock in which a beat is taken: 17 clocks to its text (`text_latency`),
    21 from the last beat to the tag (`tag_latency`), 22 with an inserted lengths block.
    The outputs never wait: whatever takes them must have room for what is under way.

    Folded by n, the core has a slot each n clocks only, and ``i.ready`` falls between them, unless
    nothing has come for the latency of AES: then it takes the next beat at once. Then
    the latency to the tag is n - 1 clocks more, and an inserted lengths block takes n clocks;
    folded by four, AES takes 3 clocks more.

    Parameters
    ----------
    width : int
        Bits of a beat: 128, 256 or 512.
    form : CipherForm
        Rate, and kind of the S-boxes.

    Members
    -------
    i : stream of `gcm_beat`
        AAD, then text; bytes beyond ``count`` are ignored. A packet with neither is one
        beat with count 0.
    o : stream of `beat`
        One beat for each text beat: ciphertext when sealing, plaintext when opening, bytes
        beyond ``count`` 0. ``first`` and ``last`` mark the text.
    tag : stream of 128
        The whole tag of each packet, in order, first byte in bits 7:0, after the packet's
        last text beat. When opening, it is the tag to compare with that of the packet.
    """

    def __init__(self, width: int, form: CipherForm = PLAIN):
        if width not in WIDTHS:
            raise ValueError(f"width of {width} bits, expected one of {WIDTHS}")
        self.width = width
        self.form = form
        self.lanes = lanes_of(width)
        self.lengths_lane = has_spare_lane(self.lanes)
        super().__init__({
            "i": In(stream.Signature(gcm_beat(width))),
            "o": Out(stream.Signature(beat(width), always_ready=True)),
            "tag": Out(stream.Signature(BLOCK_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.aes = aes = AesPipeline(self.lanes, self.form)
        m.submodules.ghash = ghash = Ghash(self.lanes, self.form)
        turn = _Turn()
        self._sequence(m, turn)
        slot = self._slot(m, turn, aes)
        self._count_blocks(m, turn, aes)
        plan = self._plan(m, turn, slot)

        m.submodules.slots = slots = DelayLine(slot.shape(), self.form.aes_latency)
        m.submodules.plans = plans = DelayLine(plan.shape(), self.form.aes_latency - _PLAN_CLOCKS)
        m.d.comb += [slots.i.payload.eq(slot), plans.i.payload.eq(plan)]
        slot, plan = slots.o.payload, plans.o.payload

        hashed = aes.o.valid & slot.hashed
        packet = self._held_packet(m, turn, hashed & slot.last)
        plain, ciphertext = self._join(m, slot, Cat(aes.o.payload))
        m.d.sync += [
            self.o.valid.eq(aes.o.valid & slot.text),
            self.o.payload.data.eq(plain),
            self.o.payload.count.eq(slot.count),
            self.o.payload.first.eq(slot.text_first),
            self.o.payload.last.eq(slot.text_last),
        ]
        m.d.comb += [
            ghash.i.valid.eq(hashed),
            ghash.i.payload.exponent.eq(plan.exponent),
            ghash.i.payload.tail.eq(plan.tail),
        ]
        self._hash(m, ghash, slot, packet, ciphertext)
        self._mask_tag(m, ghash, slot, aes)
        return m

    def _held_packet(self, m: Module, turn: _Turn, ends: Value) -> data.View:
        """Give what GHASH needs of a packet from its first slot until its last one ``ends``.

        Not a ``Queue``, and not a ``DelayLine`` with a register behind it: each place of the ring
        is written in every clock, so nothing stays in it, and the register at the RAM's output
        holds a packet as long as it is needed.
        """
        item = self._packet(m)
        clocks = _SLOT_CLOCKS + self.form.aes_latency
        m.submodules.packets = ring = Memory(
            shape=item.shape(), depth=1 << ceil_log2(clocks), init=[])
        write, read = ring.write_port(), ring.read_port()
        now = Signal(range(ring.depth))
        coming = Signal(clocks - 1)
        """The packets whose first slot is under way; that of the highest bit comes next."""
        holds = Signal()
        m.d.sync += [
            now.eq(now + 1),
            coming.eq(Cat(turn.opens, coming)),
            holds.eq(coming[-1] | holds & ~ends),
        ]
        m.d.comb += [
            write.addr.eq(now),
            write.data.eq(item),
            write.en.eq(1),
            read.addr.eq(now - (clocks - 1)),
            read.en.eq(~holds | ends),
        ]
        return read.data

    def _hash(
        self, m: Module, ghash: Ghash, slot: data.View, packet: data.View, ciphertext: Value,
    ) -> None:
        """Give GHASH the blocks of a slot, with the lengths block after the last of them."""
        lengths = _lengths_block(packet)
        blocks_used = _blocks(slot.count)
        m.d.comb += [
            ghash.i.payload.first.eq(slot.first),
            ghash.i.payload.last.eq(slot.last),
            ghash.i.payload.powers.eq(packet.powers),
        ]
        if self.lengths_lane:
            m.d.comb += ghash.i.payload.ahead.eq(slot.ahead)
        text_lanes = Cat(ciphertext, Const(0, BLOCK_BITS))
        for lane in range(ghash_lanes(self.lanes)):
            here = slot.last & (blocks_used == lane)
            block = text_lanes.word_select(lane, BLOCK_BITS) | Mux(here, lengths, 0)
            if lane == self.lanes:
                block |= Mux(slot.ahead, packet.joined_aad, 0)
            m.d.comb += ghash.i.payload.blocks[lane].eq(block)

    def _mask_tag(self, m: Module, ghash: Ghash, slot: data.View, aes: AesPipeline) -> None:
        """Keep E(K, J0) of each packet until its GHASH comes, and make the tag of both."""
        masked = aes.o.payload[0]
        if self.lengths_lane:
            masked = Mux(slot.joined, aes.o.payload[-1], masked)
        kept = Signal(BLOCK_BITS)
        mask = Signal(BLOCK_BITS)
        m.submodules.masks = masks = DelayLine(BLOCK_BITS, self.form.ghash_latency)
        m.d.comb += mask.eq(Mux(aes.o.valid & slot.mask, masked, kept))
        m.d.sync += kept.eq(mask)
        with m.If(ghash.i.valid & slot.last):
            m.d.comb += masks.i.payload.eq(mask)
            m.d.sync += kept.eq(0)
        m.d.sync += [
            self.tag.valid.eq(ghash.o.valid),
            self.tag.payload.eq(0),
        ]
        with m.If(ghash.o.valid):
            m.d.sync += self.tag.payload.eq(ghash.o.payload ^ masks.o.payload)

    def _sequence(self, m: Module, turn: _Turn) -> None:
        """Take beats, and insert a slot where a packet needs one."""
        item = self.i.payload
        lengths_due = Signal()
        masked = Signal()
        begun = Signal()
        needs_mask_slot = ~begun & ~masked & ~item.aad & item.count.any() & ~turn.joins
        insert_mask = turn.due & self.i.valid & ~lengths_due & needs_mask_slot
        self._take_turns(m, turn)
        m.d.comb += [
            self.i.ready.eq(turn.due & ~lengths_due & ~needs_mask_slot),
            turn.taken.eq(self.i.valid & self.i.ready),
            turn.text.eq(turn.taken & ~item.aad),
            turn.first.eq(turn.taken & ~begun),
            turn.opens.eq(insert_mask | turn.taken & ~begun & ~masked),
            turn.lengths.eq(turn.due & lengths_due),
            turn.within.eq(begun | masked),
            turn.runs.eq(turn.taken | insert_mask | turn.lengths),
        ]
        with m.If(turn.due):
            m.d.sync += lengths_due.eq(turn.taken & item.last & self._full())
        with m.If(insert_mask):
            m.d.sync += masked.eq(1)
        with m.If(turn.taken):
            m.d.sync += [masked.eq(0), begun.eq(~item.last)]
        if self.lengths_lane:
            joined_before = Signal()
            m.d.comb += [
                turn.joins.eq(~begun & ~masked & ~item.aad & item.joined),
                turn.joined.eq(joined_before | turn.joins),
            ]
            with m.If(turn.taken):
                m.d.sync += joined_before.eq(turn.joined & ~item.last)

    def _take_turns(self, m: Module, turn: _Turn) -> None:
        """Let a slot come every ``fold``th clock, and at once when AES is empty."""
        if self.form.fold == 1:
            m.d.comb += turn.due.eq(1)
            return
        since = Signal(range(self.form.fold))
        busy = Signal(range(self.form.aes_latency + 1))
        m.d.comb += turn.due.eq(since == 0)
        with m.If(turn.runs):
            m.d.sync += busy.eq(self.form.aes_latency)
        with m.Elif(busy != 0):
            m.d.sync += busy.eq(busy - 1)
        with m.If(turn.runs | (since != 0) | (busy != 0)):
            m.d.sync += since.eq(Mux(since == self.form.fold - 1, 0, since + 1))

    def _full(self) -> Value:
        """Whether a last beat leaves no lane free for the lengths block."""
        if self.lengths_lane:
            return Const(0)
        return self.i.payload.count > self.width // 8 - AES_BLOCK_BYTES

    def _slot(self, m: Module, turn: _Turn, aes: AesPipeline) -> data.View:
        """Give the slot of what was done in the clock before."""
        item = self.i.payload
        texted = Signal()
        decrypt = Signal()
        decrypts = Mux(turn.opens, item.parameters.decrypt, decrypt)
        m.d.sync += decrypt.eq(decrypts)
        with m.If(turn.taken):
            m.d.sync += texted.eq(turn.text & ~item.last)

        slot = Signal(_slot(self.width))
        m.d.sync += [
            slot.data.eq(item.data),
            slot.count.eq(Mux(turn.taken, item.count, 0)),
            slot.text.eq(turn.text),
            slot.text_first.eq(~texted),
            slot.text_last.eq(item.last),
            slot.seal.eq(turn.text & ~decrypts),
            slot.mask.eq(Mux(turn.joined, turn.taken & item.last, turn.opens)),
            slot.hashed.eq(turn.taken | turn.lengths),
            slot.first.eq(turn.first),
            slot.last.eq(Mux(turn.taken, item.last & ~self._full(), turn.lengths)),
            aes.i.valid.eq(turn.runs),
        ]
        if self.lengths_lane:
            m.d.sync += [slot.joined.eq(turn.joined), slot.ahead.eq(turn.taken & turn.joins)]
        return slot

    def _count_blocks(self, m: Module, turn: _Turn, aes: AesPipeline) -> None:
        """Give AES the counter blocks of the slot, and the key that goes with them."""
        nonce = Signal(NONCE_BITS)
        following = Signal(_COUNTER_BITS)
        """Counter of the packet's next text block."""
        job, parameters = aes.i.payload, self.i.payload.parameters
        with m.If(turn.opens):
            m.d.sync += [
                job.key.eq(parameters.key),
                job.key_size.eq(parameters.key_size),
                nonce.eq(parameters.nonce),
                following.eq(Mux(turn.joined, _TEXT_COUNTER + self.lanes, _TEXT_COUNTER)),
            ]
        with m.Elif(~turn.within):
            m.d.sync += [job.key.eq(0), nonce.eq(0)]
        with m.Elif(turn.text):
            m.d.sync += following.eq(following + self.lanes)
        for lane in range(self.lanes):
            counter = Signal(_COUNTER_BITS, name=f"counter{lane}")
            m.d.sync += counter.eq(following + lane)
            with m.If(turn.opens & turn.joined):
                m.d.sync += counter.eq(_TEXT_COUNTER + lane)
            if lane == 0:
                with m.If(turn.opens & ~turn.joined):
                    m.d.sync += counter.eq(_MASK_COUNTER)
            if lane == self.lanes - 1:
                # A packet cut short may need the lane for its text; its tag is void anyhow.
                free = self.i.payload.count <= lane * AES_BLOCK_BYTES
                with m.If(turn.joined & self.i.payload.last & free):
                    m.d.sync += counter.eq(_MASK_COUNTER)
            m.d.comb += job.blocks[lane].eq(Cat(nonce, bytes_of(counter)))

    def _plan(self, m: Module, turn: _Turn, slot: data.View) -> data.View:
        """Give exponent and tail of each hashed slot, from what the packet's lengths leave."""
        aad_left = Signal(_BLOCK_COUNT_BITS)
        text_left = Signal(_BLOCK_COUNT_BITS)
        parameters = self.i.payload.parameters
        with m.If(turn.opens):
            m.d.sync += [
                aad_left.eq(Mux(turn.joins, 0, _blocks(parameters.aad_bytes))),
                text_left.eq(_blocks(parameters.text_bytes)),
            ]
        with m.Elif(slot.text):
            m.d.sync += text_left.eq(_less(text_left, self.lanes))
        with m.Elif(slot.hashed):
            m.d.sync += aad_left.eq(_less(aad_left, self.lanes))

        # The lengths block stands directly after the last block; text begins a new slot.
        room = Signal(range(GHASH_STAGES * self.lanes + 1), init=GHASH_STAGES * self.lanes)
        ahead = Signal.like(room, init=0)
        behind = Signal(_BLOCK_COUNT_BITS)
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

    def _join(self, m: Module, slot: data.View, keystream: Value) -> tuple[Value, Value]:
        """Give the text of the slot, and the ciphertext, which GHASH takes."""
        mask = Signal(self.width)
        m.d.comb += mask.eq(byte_mask(m, "text_bytes", slot.count, self.width // 8))
        key = keystream & slot.seal.replicate(self.width)
        return (slot.data ^ keystream) & mask, (slot.data ^ key) & mask

    def _packet(self, m: Module) -> data.View:
        """Give what GHASH needs once for each packet."""
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


def text_latency(form: CipherForm) -> int:
    """Clocks from a beat of text taken to its text given."""
    return _SLOT_CLOCKS + form.aes_latency + 1


def tag_latency(form: CipherForm) -> int:
    """Clocks from a packet's last beat taken to its tag, if no lengths block is inserted."""
    return _SLOT_CLOCKS + form.aes_latency + form.ghash_latency + 1


def _slot(width: int) -> data.StructLayout:
    """Layout of the work outside AES on a beat, or in a slot without a beat."""
    joined = {"joined": 1, "ahead": 1} if has_spare_lane(lanes_of(width)) else {}
    return data.StructLayout({
        **joined,
        **members(beat(width), "data", "count"),
        "text": 1,
        "text_first": 1,
        "text_last": 1,
        "seal": 1,
        "mask": 1,
        "hashed": 1,
        "first": 1,
        "last": 1,
    })


def _lengths_block(packet) -> Value:
    """Number of bits of AAD and of text, 64 bits each, as GHASH takes them last (7.1, step 5)."""
    half = BLOCK_BITS // 2
    return Cat(
        bytes_of(Cat(Const(0, 3), length, Const(0, half))[:half])
        for length in (packet.aad_bytes, packet.text_bytes)
    )


def _blocks(byte_count: Value) -> Value:
    """Number of blocks needed for ``byte_count`` bytes."""
    return (byte_count + AES_BLOCK_BYTES - 1) // AES_BLOCK_BYTES


def _less(value: Value, amount: int) -> Value:
    """The value minus an amount, at least 0."""
    return Mux(value > amount, value - amount, 0)
