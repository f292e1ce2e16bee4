"""AES encryption of one or more blocks a clock, with a new key every clock."""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.aes_common import KEY_BITS, ROUND_KEY_WORDS, passed_stages
from espnic.hdl.gcm.aes_key_step import FIRST_STEP, AesKeyStep, KeyWindow, first_window
from espnic.hdl.gcm.aes_round import AesRound
from espnic.hdl.layouts import BLOCK_BITS
from espnic.model.interface.codes import AES_ROUNDS_MAX, KeySize


class AesPipeline(wiring.Component):
    """AES-128, -192 and -256 encryption, unrolled (FIPS 197, 5).

    ::

        blocks ── whitening ── round 1 ── round 2 ── ... ── round 14 ── blocks
        key ───── window ───── step 2 ─── step 3 ─── ... ── (shared by all lanes)

    The key schedule runs beside the data, so a key needs no preparation. Shorter keys skip
    the first rounds, so the latency is the same for all. The pipeline cannot stall.

    Latency 15 clocks (`latency`), ``lanes`` blocks and one key each clock. No errors;
    key size 3 is taken as 256 bits.

    Parameters
    ----------
    lanes : int
        Number of blocks a clock.

    Members
    -------
    i : stream of {blocks lanes x 128, key 256, key_size 2}
        First byte in bits 7:0; a short key leaves the top bits of ``key`` unused.
    o : stream of lanes x 128
        The blocks, encrypted.
    """

    latency = 1 + AES_ROUNDS_MAX

    def __init__(self, lanes: int):
        self.lanes = lanes
        blocks = data.ArrayLayout(BLOCK_BITS, lanes)
        job = data.StructLayout({"blocks": blocks, "key": KEY_BITS, "key_size": 2})
        super().__init__({
            "i": In(stream.Signature(job, always_ready=True)),
            "o": Out(stream.Signature(blocks, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        job = self.i.payload
        whitened = stream.Signature(self.o.payload.shape(), always_ready=True).create()
        window = stream.Signature(KeyWindow, always_ready=True).create()
        words = first_window(job.key, job.key_size)
        m.d.sync += [
            whitened.valid.eq(self.i.valid),
            window.valid.eq(self.i.valid),
            Cat(window.payload.words).eq(Cat(words)),
            window.payload.word.eq(words[-1]),
            window.payload.key_size.eq(job.key_size),
        ]
        for lane in range(self.lanes):
            m.d.sync += whitened.payload[lane].eq(job.blocks[lane] ^ job.key[:BLOCK_BITS])

        states = [(whitened.payload[lane], whitened.valid) for lane in range(self.lanes)]
        for stage in range(1, AES_ROUNDS_MAX + 1):
            key = Cat(window.payload.words[ROUND_KEY_WORDS:])
            skip = self._skip(stage, window.payload.key_size)
            for lane, (block, valid) in enumerate(states):
                aes_round = AesRound(
                    last=stage == AES_ROUNDS_MAX,
                    skippable=stage <= passed_stages(KeySize.AES128),
                )
                m.submodules[f"round{stage}_lane{lane}"] = aes_round
                m.d.comb += [
                    aes_round.i.payload.block.eq(block),
                    aes_round.i.payload.key.eq(key),
                    aes_round.i.payload.skip.eq(skip),
                    aes_round.i.valid.eq(valid),
                ]
                states[lane] = (aes_round.o.payload, aes_round.o.valid)
            if FIRST_STEP <= stage + 1 <= AES_ROUNDS_MAX:
                step = AesKeyStep(stage + 1)
                m.submodules[f"key_step{stage + 1}"] = step
                wiring.connect(m, window, step.i)
                window = step.o
        m.d.comb += self.o.valid.eq(states[0][1])
        for lane, (block, _) in enumerate(states):
            m.d.comb += self.o.payload[lane].eq(block)
        return m

    def _skip(self, stage: int, key_size: Value) -> Value | int:
        """Whether a key of this size does not yet need the round of a stage."""
        short = [size for size in KeySize if stage <= passed_stages(size)]
        return Cat(key_size == size for size in short).any() if short else 0
