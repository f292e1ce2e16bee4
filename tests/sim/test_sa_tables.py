"""Files with the contents of SA tables."""

import pytest

from espnic.sim.build.builds import Case, Run
from espnic.sim.problem import SimulationError
from espnic.sim.rate.traffic import make_sas
from espnic.sim.rig import sa_tables


def test_table_that_was_not_filled_is_not_kept(monkeypatch, tmp_path):
    runs = []

    def fail(_built, *, environment, **_settings):
        runs.append(environment["ESPNIC_TABLE"])
        return Run(_built, "", 1, tmp_path, (Case("fill", 0.0, 0, "20 refused"),))

    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path))
    monkeypatch.setattr(sa_tables, "build", lambda _netlist, _simulator: None)
    monkeypatch.setattr(sa_tables, "run", fail)
    for _ in range(2):
        with pytest.raises(SimulationError, match="SA table: 20 refused, log: "):
            sa_tables.table_files(128, 16, make_sas(20, seed=1))
    assert len(runs) == 2
