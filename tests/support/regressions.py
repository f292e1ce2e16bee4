"""A small project with benches of its own, and the regression of it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.build.builds import Case
from espnic.sim.build.cache import cache_directory
from espnic.sim.regress.results import Bench, Report, Simulation
from tests.support.paths import PROJECT

SOURCES = ("espnic", "hdl", "model", "sim")
LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "out" / "regress"

    def environment(self) -> dict[str, str]:
        """Environment in which the copy keeps its builds with all others."""
        return {**os.environ, "ESPNIC_BUILD": str(cache_directory())}

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "espnic.sim.cli", "regress", *map(str, arguments)]

    def regress(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, output and complaint of ``espnic regress``."""
        done = self._run(self.command(*arguments))
        return done.returncode, done.stdout, done.stderr

    def repeat(self, command: str) -> str:
        """Output of the command with which a failure is to be repeated."""
        return self._run(["sh", "-c", command]).stdout

    def results(self) -> dict:
        return json.loads((self.output / "report.json").read_text(encoding="utf-8"))

    def _run(self, command: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=self.folder, env=self.environment(), text=True,
                              capture_output=True, timeout=LIMIT_SECONDS, check=False)


def project_with_benches(folder: Path, benches: dict[str, str]) -> Project:
    """A copy of the project with these benches, by ``room/name``, in place of its own."""
    for name in SOURCES:
        shutil.copytree(PROJECT / name, folder / name, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    room = folder / "cocotb_tests"
    room.mkdir()
    shutil.copy(PROJECT / "cocotb_tests" / "conftest.py", room)
    for name, text in benches.items():
        path = room / f"{Path(name).parent}" / f"test_{Path(name).name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for package in (room, path.parent):
            (package / "__init__.py").touch()
    return Project(folder)


def bench(name: str = "flow/test_skid.py::test_skid", message: str | None = None, *,
          seed: int | None = 5, clocks: int = 100, seconds: float = 2.0,
          evidence: dict | None = None) -> Bench:
    """A bench of one simulation with two cocotb tests, of which the second fails with a message."""
    cases = (Case("a_first", seconds / 2, clocks // 2, None),
             Case("a_second/width=128", seconds / 2, clocks - clocks // 2, message))
    path = f"cocotb_tests/{name}"
    return Bench(
        f"{path}[seed{seed}]", path, "failed" if message else "passed", seconds + 1, seed,
        message and f"AssertionError: skid on icarus, seed {seed}, 1 of 2 failed:\n{message}",
        (Simulation("skid", "icarus", seed or 1, "cocotb_tests.flow.test_skid", cases,
                    "benches/x/run1.log", None),),
        None, f"pytest '{path}' --seed {seed}", evidence=evidence)


def report(*benches: Bench, complete: bool = True) -> Report:
    return Report("2026-01-02T03:04:05+00:00", 12.5, complete, "espnic regress --seeds 2",
                  benches, {"espnic": "0.1.0"})
