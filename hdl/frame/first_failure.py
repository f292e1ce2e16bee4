"""Checks in their order: the first that fails gives the status."""

from enum import Enum

from amaranth.hdl import Cat, Module, Signal


def first_failure(m: Module, checks, passed: Enum):
    """Whether any (condition, status) holds, and the status of the first that does.

    The status is ``passed`` when none holds.
    """
    conditions = Signal(len(checks))
    status = Signal(type(passed), init=passed)
    m.d.comb += conditions.eq(Cat(condition for condition, _ in checks))
    for condition, (_, given) in reversed(list(zip(conditions, checks, strict=True))):
        with m.If(condition):
            m.d.comb += status.eq(given)
    return conditions.any(), status
