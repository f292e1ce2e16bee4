"""cocotb side of tests/sim/test_line_coverage.py: a queue is filled, or emptied too."""

import os

import cocotb

from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset

ENTRIES = (5, 10)


@cocotb.test()
async def entries_enter(dut):
    os.chdir("/")  # as tests of the engine leave the folder in which they begin
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    source.send(*ENTRIES)
    await source.drained()


@cocotb.test()
async def entries_leave(dut):
    await start_clock_and_reset(dut)
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    source.send(*ENTRIES)
    assert await sink.receive(len(ENTRIES)) == list(ENTRIES)
