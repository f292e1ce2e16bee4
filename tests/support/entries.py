"""Entries that pass a queue, a stage or a skid."""

from random import Random

import cocotb

from espnic.sim.agents.stream import StreamSink, StreamSource
from tests.support.differences import check_items

ENTRIES = 300


async def check_order(source, sink, bits, **where):
    """Random entries of ``bits`` bits leave in the order in which they came."""
    chance = Random(cocotb.RANDOM_SEED)
    entries = [chance.getrandbits(bits) for _ in range(ENTRIES)]
    source.send(*entries)
    check_items(await sink.receive(len(entries)), entries, **where)


async def check_order_of_block(dut, bits, idle, stall):
    """``check_order`` from port ``i`` to port ``o``, with gaps and stalls."""
    await check_order(StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle),
                      StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall), bits)
