"""Compare the outcome of the RTL with the model's."""

from itertools import zip_longest
from typing import Any

from espnic.model import trace
from espnic.model.trace import ABSENT, Difference, shortened
from espnic.sim.traffic.steps import Outcome, Received

_SHOWN_BYTES = 8


def compare_outcomes(rtl: Outcome, model: Outcome) -> str | None:
    """The first difference of two outcomes, in one line; None when they are equal.

    All of them is compared: each trace point of each packet, the frames and completions at the
    ports, the results of the commands, and the counters.
    """
    found = trace.compare(rtl.trace, model.trace)
    if found is not None:
        return describe(found, "RTL", "model")
    for what, ours, theirs in (
        ("command", rtl.results, model.results),
        ("frame to the host", rtl.received, model.received),
        ("frame to the wire", rtl.sent, model.sent),
        ("sideband to the host", rtl.sidebands["rx"], model.sidebands["rx"]),
        ("sideband to the wire", rtl.sidebands["tx"], model.sidebands["tx"]),
    ):
        for number, (a, b) in enumerate(zip_longest(ours, theirs), start=1):
            if a != b:
                return f"{what} {number}{_two(a, b)}"
    for name in sorted(rtl.counters.keys() | model.counters.keys()):
        a, b = rtl.counters.get(name, ABSENT), model.counters.get(name, ABSENT)
        if a != b:
            return f"counter {name}: RTL {a}, model {b}"
    return None


def describe(difference: Difference, a: str, b: str) -> str:
    """The difference in one line: packet, trace point, field, and the values of ``a`` and ``b``.

    Byte strings are shown from the first byte that differs, with a few bytes after it.
    """
    where = f"packet {difference.packet}, {difference.point}"
    if difference.field is None:
        missing = a if difference.a == ABSENT else b
        return f"{where}: {missing} has no such record"
    where = f"{where}, {difference.field}"
    if not (_is_hex(difference.a) and _is_hex(difference.b)):
        return f"{where}: {a} {shortened(difference.a)}, {b} {shortened(difference.b)}"
    return where + bytes_difference(bytes.fromhex(difference.a), bytes.fromhex(difference.b), a, b)


def bytes_difference(data_a: bytes, data_b: bytes, a: str, b: str) -> str:
    """The end of a line: the first byte that differs, and a few bytes of ``a`` and ``b`` from it.

    Their lengths stand before it where they differ.
    """
    lengths = ""
    if len(data_a) != len(data_b):
        lengths = f" ({a} {len(data_a)} bytes, {b} {len(data_b)} bytes)"
    pairs = enumerate(zip_longest(data_a, data_b))
    start = next(index for index, (x, y) in pairs if x != y)
    end = start + _SHOWN_BYTES
    return (
        f"{lengths}, from byte {start}: {a} {data_a[start:end].hex() or 'ends'}, "
        f"{b} {data_b[start:end].hex() or 'ends'}"
    )


def summary(data: bytes) -> str:
    """Length and first bytes of a packet."""
    more = "..." if len(data) > _SHOWN_BYTES else ""
    return f"{len(data)} bytes, {data[:_SHOWN_BYTES].hex()}{more}"


def _is_hex(value: Any) -> bool:
    if not isinstance(value, str) or len(value) % 2:
        return False
    return all(digit in "0123456789abcdef" for digit in value)


def _two(a: Any, b: Any) -> str:
    """The end of a line: two results that differ, or where they do."""
    if isinstance(a, bytes) and isinstance(b, bytes):
        return bytes_difference(a, b, "RTL", "model")
    if isinstance(a, Received) and isinstance(b, Received):
        if a.frame != b.frame:
            return bytes_difference(a.frame, b.frame, "RTL", "model")
        name = next(name for name in a.completion | b.completion
                    if a.completion.get(name) != b.completion.get(name))
        return f", {name}: RTL {a.completion.get(name)}, model {b.completion.get(name)}"
    return f": RTL {_shown(a)}, model {_shown(b)}"


def _shown(value: Any) -> str:
    if isinstance(value, Received):
        value = value.frame
    if isinstance(value, bytes):
        return summary(value)
    if value is None:
        return "none"
    return getattr(value, "name", None) or shortened(value)
