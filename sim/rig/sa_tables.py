"""Contents of full SA tables, for simulations that have no time to add thousands of SAs.

The commands go through the RTL of the table alone, which is a small part of the engine and runs
a hundred times faster. Then its memories are written to files, which the rig of the whole engine
reads.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
from amaranth.lib import wiring
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.model.interface.codes import SaDirection, SaOperation
from espnic.model.interface.features import ALL
from espnic.model.interface.layouts import SA_COMMAND
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import build, run
from espnic.sim.build.cache import cache_directory, locked
from espnic.sim.build.kept_netlists import kept_netlist
from espnic.sim.build.netlist import Netlist
from espnic.sim.build.simulators import digest
from espnic.sim.problem import SimulationError
from espnic.sim.rig.design import sweep_clocks, table_rig

MODULE = "espnic.sim.rig.sa_tables"


def table_files(width: int, size: int, sas: Sequence[SecurityAssociation]) -> Path:
    """Folder with the memories of an engine's SA table after the SAs were added.

    The SAs have handles 1 and up, in both directions. ``width`` and ``size`` are those of the
    engine. The folder is kept, and made only once.
    """
    rig = table_rig(_table_netlist(width, size))
    lines = [_line(direction, handle, sa)
             for handle, sa in enumerate(sas, start=1) for direction in SaDirection]
    name = f"table-{width}-{len(sas)}-{digest([rig.netlist.text, *lines])}"
    folder = cache_directory() / name
    with locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            (partial / "commands.play").write_text("".join(lines), encoding="utf-8")
            environment = {"ESPNIC_TABLE": str(partial), "ESPNIC_COMMANDS": str(len(lines)),
                           "ESPNIC_SWEEP": str(sweep_clocks(size))}
            result = run(build(rig.netlist, "verilator"), module=MODULE, seed=1,
                         environment=environment)
            if result.failures:
                raise SimulationError(f"SA table: {result.failures[0][1]}, log: {result.log}")
            shutil.rmtree(result.directory)
            partial.rename(folder)
    return folder


@cocotb.test()
async def fill(dut: Any) -> None:
    """Give the commands of the folder, and wait for the files."""
    os.chdir(os.environ["ESPNIC_TABLE"])
    commands = int(os.environ["ESPNIC_COMMANDS"])
    await start_clock_and_reset(dut)
    await ClockCycles(dut.clk, int(os.environ["ESPNIC_SWEEP"]))
    dut.commands.value = commands
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await RisingEdge(dut.done)
    await ClockCycles(dut.clk, 2)
    answers, refused = int(dut.answers.value), int(dut.refused.value)
    assert (answers, refused) == (commands, 0), (
        f"{answers} of {commands} commands answered, {refused} refused")


def _line(direction: SaDirection, handle: int, sa: SecurityAssociation) -> str:
    values = command_values(SaOperation.ADD, direction, handle, sa)
    return f"1 1 0 {SA_COMMAND.pack(values):x}\n"


def _table_netlist(width: int, size: int) -> Netlist:
    def make() -> wiring.Component:
        from espnic.hdl.sa.store import SaStore

        return SaStore(replace(ALL, width=width, sas=size))

    return kept_netlist("sa_store", f"{width} {size}", make)
