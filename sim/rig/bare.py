"""The rig's engine without cocotb: how fast Verilator's model is by itself."""

import subprocess
import tempfile
from pathlib import Path

from espnic.sim.build.builds import cache_directory, locked
from espnic.sim.build.simulators import link_verilated
from espnic.sim.problem import SimulationError
from espnic.sim.rig.design import sweep_clocks
from espnic.sim.rig.runs import EngineRig, Load, write_load

SOURCE = Path(__file__).with_name("bare.cpp")


def play_bare(rig: EngineRig, load: Load) -> tuple[int, float]:
    """Clocks of a run, and the seconds of processor time it took the model without cocotb.

    The SAs must be in the load's table.
    """
    assert load.table is not None, "nobody gives commands here"
    program = rig.built.directory / "bare"
    with locked(program.with_suffix(".lock")):
        if not program.is_file() or program.stat().st_mtime < SOURCE.stat().st_mtime:
            link_verilated(rig.built.directory, SOURCE, program)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as name:
        folder = Path(name) / "run"
        write_load(folder, load, rig.width)
        counts = (sweep_clocks(rig.size), len(load.tx), len(load.rx))
        result = subprocess.run(
            [str(program), str(load.table.resolve()), *map(str, counts)],
            cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SimulationError(f"bare simulation failed: {result.stderr.strip()}")
    clocks, seconds = result.stdout.split()
    return int(clocks), float(seconds)
