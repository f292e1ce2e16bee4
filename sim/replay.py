"""cocotb side of a replay: takes the steps of a job file, writes what was observed."""

import dataclasses
import json
import os
from pathlib import Path

import cocotb
from cocotb import start_soon
from cocotb.triggers import Timer

from sim.bench import EngineBench
from sim.steps import read_steps

PROGRESS_NS = 20_000


@cocotb.test()
async def replay(dut):
    """Never fails by itself: whoever reads the observation judges it."""
    folder = Path(os.environ["ESPNIC_JOB"])
    bench = EngineBench(
        dut, seed=int(os.environ["ESPNIC_SEED"]), stall=float(os.environ["ESPNIC_STALL"]))
    await bench.start()
    start_soon(_report_progress(bench, folder / "progress"))
    stuck = None
    try:
        for step in read_steps(folder / "steps.json"):
            await bench.take(step)
        await bench.settle()
    except AssertionError as error:
        stuck = str(error)
    observed = await bench.observed(stuck)
    (folder / "observed.json").write_text(json.dumps(dataclasses.asdict(observed)))


async def _report_progress(bench, path):
    while True:
        path.write_text(str(bench.done))
        await Timer(PROGRESS_NS, "ns")
