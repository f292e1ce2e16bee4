"""Replays that hit bins of the functional coverage: what each of them has in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from espnic.model.esp import trailer
from espnic.model.interface.codes import Encapsulation, IcvSize
from espnic.model.interface.features import Features
from espnic.sim.coverage.bins import ESN, FAMILY
from espnic.sim.coverage.functional import Functional
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED, Step
from tests.support.sas import make_sa

KEY_BYTES = (16, 24, 32)
ENCAPSULATIONS = tuple(Encapsulation)


@dataclass(frozen=True)
class Sample:
    """A replay."""

    steps: Sequence[Step]
    features: Features
    phases: Sequence[str] = ()
    """Phase of each command; empty: all find the engine idle."""


def note(functional: Functional, sample: Sample) -> None:
    """Count what the golden model makes of a replay."""
    outcome = run_model(sample.steps, sample.features)
    functional.note(sample.steps, outcome, sample.features, sample.phases)


def features(width: int = 128, **change) -> Features:
    """The build of most simulations."""
    return replace(SIMULATED, width=width, **change)


def every_kind(**change):
    """An SA for each family, key size, ICV size, ESN and encapsulation."""
    kinds = product(FAMILY, KEY_BYTES, IcvSize, ESN, ENCAPSULATIONS)
    return [
        make_sa(family, key_bytes, seed=number, spi=0x1000 + number, icv=icv, esn=esn,
                encapsulation=encapsulation, **change)
        for number, (family, key_bytes, icv, esn, encapsulation) in enumerate(kinds, start=1)]


def text(payload_bytes: int = 40, next_header: int = 4) -> bytes:
    """A payload with its trailer."""
    return bytes(payload_bytes) + trailer.build(payload_bytes, next_header)


def bytes_of(length: str, ending: str, beat_bytes: int, least: int = 1) -> int:
    """Smallest number of bytes, from ``least`` on, of a length class with this ending."""
    first, _, last = length.partition("-")
    left = {"one byte": 1, "all but one": beat_bytes - 1, "all bytes": 0,
            "some bytes": None}[ending]
    for size in range(max(int(first), least), int(last or first) + 1):
        rest = size % beat_bytes
        if rest == left or left is None and 1 < rest < beat_bytes - 1:
            return size
    raise ValueError(f"no {length} from {least} on with {ending}")
