"""Shared by the benches of the engine."""

import pytest

from espnic.model.interface.features import WIDTHS


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    """Bits of a beat: each bench runs at every width unless it says otherwise."""
    return request.param
