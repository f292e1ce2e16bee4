"""The engine's rig without cocotb, to measure how fast Verilator's model is by itself."""

from pathlib import Path

from espnic.sim.build.cache import locked, work_folder
from espnic.sim.build.processes import SIMULATIONS
from espnic.sim.build.simulators import RUN_LIMIT_SECONDS, link_verilated
from espnic.sim.problem import SimulationError
from espnic.sim.rig.design import sweep_clocks
from espnic.sim.rig.runs import EngineRig, Load, write_load

SOURCE = Path(__file__).with_name("bare.cpp")


def play_bare(rig: EngineRig, load: Load) -> tuple[int, float]:
    """Clocks of a run, and the processor time in seconds that the model takes without cocotb.

    The SAs must be in the load's table.
    """
    assert load.table is not None, "nobody gives commands here"
    program = rig.built.directory / "bare"
    with locked(program.with_suffix(".lock")):
        if not program.is_file() or program.stat().st_mtime < SOURCE.stat().st_mtime:
            link_verilated(rig.built.directory, SOURCE, program)
    with work_folder() as work:
        folder = work / "run"
        write_load(folder, load, rig)
        counts = (sweep_clocks(rig.size), len(load.tx), len(load.rx))
        ended = SIMULATIONS.run(
            [str(program), str(load.table.resolve()), *map(str, counts)], RUN_LIMIT_SECONDS,
            cwd=folder)
    if ended.failure:
        raise SimulationError(
            f"bare simulation failed ({ended.failure}): {ended.errors.strip()}")
    clocks, seconds = ended.output.split()
    return int(clocks), float(seconds)
