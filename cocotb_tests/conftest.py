"""What a test here costs: all but the quick benches is slow."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow whatever is no quick bench, and as the engine's what lies in its folder."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)
            if item.path.parent == HERE / "engine":
                item.add_marker(pytest.mark.engine)
