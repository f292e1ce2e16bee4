"""Options of the benches, and marks: every bench is slow unless it is quick."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the options for seeds, waves and records."""
    pluginmanager.import_plugin("espnic.sim.regress.plugin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each bench slow unless it is quick, and a slow one of the engine as such.

    The costly ones come first, so that no process is left alone with one at the end.
    """
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)
            if item.path.parent == HERE / "engine":
                item.add_marker(pytest.mark.engine)
    items.sort(key=_is_cheap)


def _is_cheap(item: pytest.Item) -> int:
    """Place of a test among the others: 0 for the costly ones."""
    marks = {mark.name for mark in item.iter_markers()}
    return 0 if "engine" in marks else 1 if "slow" in marks else 2
