"""AES encryption of one or more blocks a clock, with a new key every clock."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import KEY_BITS, ROUND_KEY_WORDS, passed_stages
from espnic.hdl.gcm.aes_key_step import AesKeyStep, first_window, key_window
from espnic.hdl.gcm.aes_round import AesRound
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.layouts import BLOCK_BITS
from espnic.model.interface.codes import AES_ROUNDS_MAX, KeySize


class AesPipeline(wiring.Component):
    """AES-128, -192 and -256 encryption, unrolled (FIPS 197, 5).

    ::

        blocks ── whitening ── round 1 ── round 2 ── ... ── round 14 ── blocks
        key ───── window ───── step 2 ─── step 3 ─── ... ── (shared by all lanes)

    The key schedule runs beside the data, so a key needs no preparation. Shorter keys skip
    the first rounds, so the latency is the same for all. The pipeline cannot stall.

    Folded, it is a ring of fewer rounds and steps, which a block passes several times, each time
    as later ones; what comes in takes the places in which nothing comes round. So ``i.ready``
    falls for what was taken a turn before. It never does for blocks that come ``form.fold``
    clocks apart, or a multiple of that (`CipherForm`).

    Latency 15 clocks, folded by four 18 (`CipherForm.aes_latency`). Rate ``lanes`` blocks and one
    key each ``form.fold`` clocks. No errors; key size 3 is taken as 256 bits.

    Parameters
    ----------
    lanes : int
        Number of blocks a clock.
    form : CipherForm
        Rate, and kind of the S-boxes.

    Members
    -------
    i : stream of {blocks lanes x 128, key 256, key_size 2}
        First byte in bits 7:0; a short key leaves the top bits of ``key`` unused. Always ready
        unless folded.
    o : stream of lanes x 128
        The blocks, encrypted.
    """

    def __init__(self, lanes: int, form: CipherForm = PLAIN):
        self.lanes = lanes
        self.form = form
        blocks = data.ArrayLayout(BLOCK_BITS, lanes)
        job = data.StructLayout({"blocks": blocks, "key": KEY_BITS, "key_size": 2})
        super().__init__({
            "i": In(stream.Signature(job, always_ready=form.fold == 1)),
            "o": Out(stream.Signature(blocks, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        state, window = front = self._states(), self._windows()
        for place in range(self.form.rounds):
            window, held = self._step(m, place, window)
            state = self._round(m, place, state, held)
        self._begin(m, *front)
        if self.form.fold > 1:
            self._close(m, (state, window), front)
        return m

    def _states(self):
        """A stream of the states of all lanes."""
        return stream.Signature(self.o.payload.shape(), always_ready=True).create()

    def _windows(self):
        """A stream of windows."""
        return stream.Signature(key_window(self.form.fold), always_ready=True).create()

    def _begin(self, m: Module, state, window) -> None:
        """Give the first round what comes in: the whitened blocks, and the window of their key."""
        job = self.i.payload
        words = first_window(job.key, job.key_size)
        m.d.comb += [
            state.valid.eq(self.i.valid),
            window.valid.eq(self.i.valid),
            Cat(window.payload.words).eq(Cat(words)),
            window.payload.word.eq(words[-1]),
            window.payload.key_size.eq(job.key_size),
            *(state.payload[lane].eq(job.blocks[lane] ^ job.key[:BLOCK_BITS])
              for lane in range(self.lanes)),
        ]

    def _close(self, m: Module, behind: tuple, front: tuple) -> None:
        """Give the first round what has come round, in place of what comes in."""
        state, window = behind
        if self.form.spare_register:
            state, window = _later(m, state, self._states()), _later(m, window, self._windows())
        returns = Signal()
        m.d.comb += [
            returns.eq(state.valid & (window.payload.turn != self.form.last_turn)),
            self.i.ready.eq(~returns),
        ]
        with m.If(returns):
            for target, source in zip(front, (state, window), strict=True):
                m.d.comb += [target.payload.eq(source.payload), target.valid.eq(1)]
            m.d.comb += front[1].payload.turn.eq(window.payload.turn + 1)

    def _stages(self, place: int) -> range:
        """Rounds that a place of the ring is in a block's life, turn by turn."""
        return range(place + 1, AES_ROUNDS_MAX + 1, self.form.rounds)

    def _step(self, m: Module, place: int, window) -> tuple:
        """Give the window behind a place of the ring, and the one that is in it."""
        stages = self._stages(place + 1)
        if stages:
            step = AesKeyStep(stages, self.form.fold)
            m.submodules[f"key_step{place + 2}"] = step
            wiring.connect(m, window, step.i)
            return step.o, step.held
        held = Signal.like(window.payload)
        m.d.sync += held.eq(window.payload)
        return window, held

    def _round(self, m: Module, place: int, state, held):
        """Give the states behind a place of the ring, whose round keys are in ``held``."""
        form, stage = self.form, place + 1
        after = self._states()
        last = place == form.last_round
        ends = self._is_at(held, form.last_turn)
        for lane in range(self.lanes):
            aes_round = AesRound(
                inner=stage < AES_ROUNDS_MAX, last=last, block_ram=form.block_ram,
                skippable=stage <= passed_stages(KeySize.AES128))
            m.submodules[f"round{stage}_lane{lane}"] = aes_round
            m.d.comb += [
                aes_round.i.payload.eq(state.payload[lane]),
                aes_round.i.valid.eq(state.valid),
                aes_round.key.eq(Cat(held.words[ROUND_KEY_WORDS:])),
                aes_round.skip.eq(self._skip(stage, held.key_size) & self._is_at(held, 0)),
            ]
            if aes_round.inner:
                m.d.comb += [
                    after.payload[lane].eq(aes_round.o.payload), after.valid.eq(aes_round.o.valid)]
            if last:
                m.d.sync += [
                    self.o.payload[lane].eq(aes_round.last.payload),
                    self.o.valid.eq(aes_round.last.valid & ends),
                ]
        return after

    def _is_at(self, held, turn: int) -> Value:
        """Whether a window has been round the ring so often."""
        return held.turn == turn if self.form.fold > 1 else Const(1)

    def _skip(self, stage: int, key_size: Value) -> Value:
        """Whether a key of this size does not yet need the round of a stage."""
        short = [size for size in KeySize if stage <= passed_stages(size)]
        return Cat(key_size == size for size in short).any() if short else Const(0)


def _later(m: Module, source, target):
    """Give a stream a clock later."""
    m.d.sync += [target.payload.eq(source.payload), target.valid.eq(source.valid)]
    return target
