"""Options of pytest for the benches: seeds, waves and a record; ``cocotb_tests`` loads them.

A record is a folder: ``events.jsonl`` gets a line for all that happens, and ``benches`` has the
logs, waves and evidence of each bench that failed or drew. ``functional-PROCESS.json`` has what
replays of the engine have hit of the functional coverage.
"""

import json
import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from espnic.sim.build.builds import Run
from espnic.sim.build.orders import NotChosen, Orders, ordered
from espnic.sim.build.signal_lists import groups, write_lists
from espnic.sim.coverage import lines
from espnic.sim.coverage.functional_report import Gathering
from espnic.sim.regress.evidence import FILE
from espnic.sim.regress.seeds import fresh_base, seeds_of, without_seed

_ROOM = "cocotb_tests"
_PROPERTY = "espnic"
_FRESH = "fresh_seed"
_BASE = "ESPNIC_SEED_BASE"
"""Environment variable that lets all processes of a call draw the same seeds."""
_WIDTH_PARAMETERS = ("width", "beat_bits")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("espnic", "benches of espnic")
    group.addoption("--seed", type=int, metavar="S",
                    help="seed of every bench with random numbers, in place of its own")
    group.addoption("--seeds", type=int, metavar="N",
                    help="run each bench with random numbers N times, with fresh seeds")
    group.addoption("--seed-base", type=int, metavar="B",
                    help="draw the fresh seeds from B, so that another call has the same")
    group.addoption("--wave", action="store_true",
                    help="draw a wave of each simulation, as FST")
    group.addoption("--record", type=Path, metavar="DIR",
                    help="folder for results and waves; default with --wave: out/waves")
    group.addoption("--beat-width", type=int, action="append", default=[], metavar="BITS",
                    help="leave out benches of other widths; may be given more than once")
    group.addoption("--on", action="append", default=[], metavar="SIMULATOR",
                    help="leave out benches of other simulators; may be given more than once")
    group.addoption("--coverage", type=Path, metavar="DIR",
                    help="count which lines of the RTL run and which bits toggle, on Verilator, "
                         "and add it to what the folder has")


def pytest_configure(config: pytest.Config) -> None:
    seeds = config.getoption("seeds")
    if seeds is not None and (seeds < 1 or config.getoption("seed") is not None):
        raise pytest.UsageError("--seeds: expected 1 or more, and no --seed beside it")
    if config.getoption("coverage") and "icarus" in config.getoption("on"):
        raise pytest.UsageError("--coverage and --on icarus: Verilator alone counts coverage")
    if not _is_worker(config):
        base = config.getoption("seed_base")
        os.environ[_BASE] = str(fresh_base() if base is None else base)
    folder = config.getoption("record")
    if folder is None and config.getoption("wave"):
        folder = Path("out/waves")
    if folder is not None:
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
    config.pluginmanager.register(_Benches(config, folder))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.getoption("seeds")
    if count and _is_random(metafunc.definition):
        seeds = seeds_of(os.environ[_BASE], metafunc.definition.nodeid, count)
        metafunc.fixturenames.append(_FRESH)
        metafunc.parametrize(_FRESH, seeds, ids=[f"seed{seed}" for seed in seeds])


def _is_bench(node: pytest.Item) -> bool:
    return _ROOM in node.path.parts


def _is_random(node: pytest.Item) -> bool:
    """Whether a test runs simulations whose seed may change."""
    return _is_bench(node) and not any(
        node.get_closest_marker(name) for name in ("fixed_seed", "mutants"))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


class _Benches:
    """Runs each bench with the orders of the options, and records what became of it."""

    def __init__(self, config: pytest.Config, folder: Path | None) -> None:
        self._config = config
        self._folder = folder
        self._waves: list[str] = []
        self._gathering = folder and Gathering(
            folder, os.environ.get("PYTEST_XDIST_WORKER", "main"))
        coverage = config.getoption("coverage")
        self._coverage: Path | None = coverage and coverage.absolute()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if self._is_chosen(item)]
        kept = _without_twins(chosen) if self._coverage else chosen
        left = [item for item in items if item not in kept]
        if left:
            self._config.hook.pytest_deselected(items=left)
            items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not _is_worker(self._config) and session.items:
            self._event(kind="collected", ids=[item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._event(kind="collected", ids=ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._event(kind="started", id=nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
        if not _is_bench(pyfuncitem):
            return (yield)
        runs: list[Run] = []
        orders = self._orders(pyfuncitem, runs)
        passed = False
        try:
            with ordered(orders):
                result = yield
            passed = True
            return result
        except NotChosen as left_out:
            pytest.skip(str(left_out))
        finally:
            self._keep(pyfuncitem, orders, runs, passed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if _is_worker(self._config):
            return
        record: Any = dict(report.user_properties).get(_PROPERTY, {})
        if report.when == "call" or not report.passed:
            self._waves += [run["wave"] for run in record.get("runs", ()) if run["wave"]]
            self._event(
                kind="ended", id=report.nodeid, bench=without_seed(report.nodeid),
                outcome=report.outcome, seconds=report.duration, message=_message(report),
                **({"runs": [], "seed": None, "folder": None} | record))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._config.getoption("wave"):
            for wave in self._waves:
                terminalreporter.write_line(f"wave: {self._folder}/{wave}")

    def _is_chosen(self, item: pytest.Item) -> bool:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(
            item, "callspec") else {}
        widths, simulators = (self._config.getoption(name) for name in ("beat_width", "on"))
        return all(not widths or parameters[name] in widths
                   for name in _WIDTH_PARAMETERS if name in parameters) and (
            not simulators or parameters.get("simulator", simulators[0]) in simulators)

    def _orders(self, item: pytest.Function, runs: list[Run]) -> Orders:
        folder = self._folder and self._folder / "benches" / _slug(item.nodeid)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return Orders(
            seed=self._seed(item),
            widths=frozenset(self._config.getoption("beat_width")),
            simulators=frozenset(self._config.getoption("on")),
            waves=self._config.getoption("wave"), folder=folder, coverage=self._coverage,
            cover=self._cover,
            watch=lambda run: self._take(run, runs, folder))

    def _cover(self, steps: Any, outcome: Any, features: Any) -> None:
        if self._gathering:
            self._gathering.note(steps, outcome, features)

    def _seed(self, item: pytest.Function) -> int | None:
        if not _is_random(item):
            return None
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        seed: Any = parameters.get(_FRESH, self._config.getoption("seed"))
        return None if seed is None else int(seed)

    def _take(self, run: Run, runs: list[Run], folder: Path | None) -> None:
        """Take note of a run, and its log and wave before the bench removes them."""
        runs.append(run)
        if self._coverage and run.counts:
            lines.take(run.counts, run.built.netlist, self._coverage)
        if folder:
            shutil.copyfile(run.log, folder / f"run{len(runs)}.log")
            if run.wave:
                shutil.move(run.wave, folder / f"run{len(runs)}.fst")

    def _keep(self, item: pytest.Function, orders: Orders, runs: list[Run], passed: bool) -> None:
        """Record the runs; a folder in which nobody will look is removed."""
        folder = orders.folder
        if folder and passed and not orders.waves:
            shutil.rmtree(folder, ignore_errors=True)
            folder = None
        item.user_properties.append((_PROPERTY, {
            "runs": [self._record(run, number, folder) for number, run in enumerate(runs, 1)],
            "seed": orders.seed, "folder": self._relative(folder)}))

    def _record(self, run: Run, number: int, folder: Path | None) -> dict[str, Any]:
        log, wave = (folder / f"run{number}.{ending}" if folder else None
                     for ending in ("log", "fst"))
        signals: list[str] = []
        if wave and wave.is_file():
            focus = _focus(wave.with_name(FILE))
            write_lists(run.built.netlist, wave, focus)
            shown = groups(run.built.netlist, focus)
            signals = [name for _, group in (shown[:1] if focus else shown) for name in group]
        else:
            wave = None
        return {
            "top": run.built.netlist.top, "simulator": run.built.simulator, "seed": run.seed,
            "module": run.module, "log": self._relative(log), "wave": self._relative(wave),
            "signals": signals, "cases": [vars(case) for case in run.cases]}

    def _relative(self, path: Path | None) -> str | None:
        return str(path.relative_to(self._folder)) if path and self._folder else None

    def _event(self, **event: Any) -> None:
        if self._folder and not _is_worker(self._config):
            with (self._folder / "events.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")


def _without_twins(items: list[pytest.Item]) -> list[pytest.Item]:
    """One of those benches that differ in the simulator alone, where all run on the same."""
    found: dict[object, pytest.Item] = {}
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(
            item, "callspec") else {}
        others = {name: value for name, value in parameters.items() if name != "simulator"}
        name = getattr(item, "originalname", item.name)
        found.setdefault((item.path, name, repr(others)), item)
    return list(found.values())


def _focus(evidence: Path) -> list[str]:
    """Beginnings of the names of signals that a difference is about."""
    if not evidence.is_file():
        return []
    return list(json.loads(evidence.read_text(encoding="utf-8"))["focus"])


def _slug(node: str) -> str:
    """Name of a folder for a test."""
    return re.sub(r"[^\w=.-]+", ".", node.removeprefix("cocotb_tests/")).strip(".")


def _message(report: pytest.TestReport) -> str | None:
    if report.passed:
        return None
    if report.skipped:
        return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash else report.longreprtext
