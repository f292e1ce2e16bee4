"""Shared by the benches of the engine."""

import pytest

from tests.support.widths import ENGINE_WIDTHS


@pytest.fixture(params=ENGINE_WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    """Bits of a beat: each bench runs at every width unless it says otherwise."""
    return request.param
