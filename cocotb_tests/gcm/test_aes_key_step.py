"""One step of the AES key schedule against the expanded keys of the model."""

import os
import random

import cocotb
import pytest

from espnic.hdl.gcm.aes_common import ROUND_KEY_WORDS, passed_stages
from espnic.hdl.gcm.aes_key_step import WINDOW_WORDS, AesKeyStep, key_window
from espnic.model.crypto.aes import expand_key
from espnic.model.interface.codes import AES_ROUNDS_MAX, KeySize
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

WORD_BYTES = 4


def words_of(key):
    """The expanded key as numbers, first byte in bits 7:0."""
    expanded = b"".join(expand_key(key))
    return [
        int.from_bytes(expanded[start:start + WORD_BYTES], "little")
        for start in range(0, len(expanded), WORD_BYTES)
    ]


def substituted_word(size, words, first):
    """The word that the step to words ``first`` to ``first + 3`` substitutes, if any."""
    step = range(first, first + ROUND_KEY_WORDS)
    multiples = [word for word in step if word % (size.bytes // WORD_BYTES) == 0]
    return words[(multiples or [first])[0] - 1]


def sizes_in_use(stage):
    """Key sizes whose schedule has come so far that the window is all of key words."""
    return [
        size for size in KeySize
        if ROUND_KEY_WORDS * (stage - passed_stages(size)) >= size.bytes // WORD_BYTES
    ]


def seen_of(window):
    """The fields of a window that are specified, but for the word to substitute next."""
    new = {f"words[{place}]": window.words[place]
           for place in range(ROUND_KEY_WORDS, WINDOW_WORDS)}
    return {**new, "key_size": int(window.key_size), "word": window.word}


def wanted_of(stage, size, words, after):
    """The fields of a window from the model's key words, when ``after`` of them have been made."""
    new = {f"words[{place}]": words[after - WINDOW_WORDS + place]
           for place in range(ROUND_KEY_WORDS, WINDOW_WORDS)}
    next_word = ({"word": substituted_word(size, words, after)}
                 if stage < AES_ROUNDS_MAX else {})
    return {**new, "key_size": size, **next_word}


@cocotb.test()
async def words_follow_for_every_key_size_in_use(dut):
    await start_clock_and_reset(dut)
    stages = [int(stage) for stage in os.environ["STAGES"].split()]
    layout = key_window(len(stages))
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, "o")
    expected = []
    for _ in range(200):
        turn = chance.randrange(len(stages))
        stage = stages[turn]
        size = chance.choice(sizes_in_use(stage))
        words = words_of(chance.randbytes(size.bytes))
        made = ROUND_KEY_WORDS * (stage - passed_stages(size))
        # Words older than Nk are noise: the step must not look at them.
        known = size.bytes // WORD_BYTES
        noise = [chance.getrandbits(32) for _ in range(WINDOW_WORDS - known)]
        window = [*noise, *words[made - known:made]]
        source.send(layout.const({
            "words": window, "word": substituted_word(size, words, made), "key_size": size,
            **({"turn": turn} if len(stages) > 1 else {}),
        }).as_bits())
        expected.append((stage, size, words, made + ROUND_KEY_WORDS))
    windows = [layout.from_bits(word) for word in await sink.receive(len(expected))]
    check_items(map(seen_of, windows), [wanted_of(*case) for case in expected])


def run(simulation, stages, *tests, **options):
    """Simulate a step that makes the windows of these stages in turn."""
    simulation(
        AesKeyStep(stages, len(stages)), *tests, module=__name__,
        name="aes_key_step" + "_".join(map(str, stages)),
        environment={"STAGES": " ".join(map(str, stages))}, **options)


@pytest.mark.quick
def test_key_words_follow_in_short():
    run(simulate_quick, [6, 13], "words_follow_for_every_key_size_in_use")


@pytest.mark.parametrize("stages, simulator", [
    *(([stage], "icarus") for stage in range(2, 15)), ([6], "verilator"),
    *(([stage, stage + 7], "icarus") for stage in range(2, 8)),
    ([2, 6, 10, 14], "icarus"), ([4, 8, 12], "icarus"),
])
def test_aes_key_step(stages, simulator):
    assert all(map(sizes_in_use, stages))
    run(simulate, stages, simulator=simulator, seed=stages[0])
