"""Work of a call, counted in lines of Python: a measure that no busy machine changes."""

import sys
from collections.abc import Callable

from tests.support.paths import PROJECT

WATCHED = tuple(str(PROJECT / name) for name in ("model/trace.py", "model/device/", "sim/"))
"""Sources that are counted."""


def lines_run(work: Callable[[], object]) -> int:
    """Number of lines of the watched sources that a call executes."""
    count = 0

    def line(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return line

    def call(frame, _event, _argument):
        path = frame.f_code.co_filename.replace("/espnic/model/", "/model/").replace(
            "/espnic/sim/", "/sim/")
        return line if path.startswith(WATCHED) else None

    earlier = sys.gettrace()
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(earlier)
    return count
