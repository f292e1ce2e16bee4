"""One step of the AES key schedule against the expanded keys of the model."""

import os
import random

import cocotb
import pytest

from hdl.aes_common import ROUND_KEY_WORDS, passed_stages
from hdl.aes_key_step import WINDOW_WORDS, AesKeyStep, KeyWindow
from model.aes import expand_key
from model.codes import KeySize
from sim.build import simulate
from sim.streams import StreamSink, StreamSource, start_clock_and_reset

WORD_BYTES = 4


def words_of(key):
    """The expanded key as numbers, first byte in bits 7:0."""
    expanded = b"".join(expand_key(key))
    return [
        int.from_bytes(expanded[start:start + WORD_BYTES], "little")
        for start in range(0, len(expanded), WORD_BYTES)
    ]


def sizes_in_use(stage):
    """Key sizes whose schedule has come so far that the window is all of key words."""
    return [
        size for size in KeySize
        if ROUND_KEY_WORDS * (stage - passed_stages(size)) >= size.bytes // WORD_BYTES
    ]


@cocotb.test()
async def words_follow_for_every_key_size_in_use(dut):
    await start_clock_and_reset(dut)
    stage = int(os.environ["STAGE"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, "o")
    expected = []
    for _ in range(200):
        size = chance.choice(sizes_in_use(stage))
        words = words_of(chance.randbytes(size.bytes))
        made = ROUND_KEY_WORDS * (stage - passed_stages(size))
        # Words older than Nk are noise: the step must not look at them.
        known = size.bytes // WORD_BYTES
        noise = [chance.getrandbits(32) for _ in range(WINDOW_WORDS - known)]
        window = [*noise, *words[made - known:made]]
        source.send(KeyWindow.const({"words": window, "key_size": size}).as_bits())
        expected.append((size, words[made:made + ROUND_KEY_WORDS]))
    for payload, (size, words) in zip(await sink.receive(len(expected)), expected, strict=True):
        window = KeyWindow.from_bits(payload)
        assert list(window.words)[ROUND_KEY_WORDS:] == words
        assert window.key_size == size


@pytest.mark.parametrize("stage, simulator", [
    *((stage, "icarus") for stage in range(2, 15)), (6, "verilator"),
])
def test_aes_key_step(stage, simulator):
    assert sizes_in_use(stage)
    simulate(
        AesKeyStep(stage), name=f"aes_key_step{stage}", module=__name__, simulator=simulator,
        seed=stage, environment={"STAGE": str(stage)},
    )
