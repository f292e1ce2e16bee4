"""Options of the benches, and marks: every bench is slow unless it is quick."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the options for seeds, waves and records."""
    pluginmanager.import_plugin("espnic.sim.regress.plugin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each bench slow unless it is quick, and a slow one of the engine as such."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)
            if item.path.parent == HERE / "engine":
                item.add_marker(pytest.mark.engine)
