"""Work of the tools for a request of many segments: it grows as the segments do, not faster."""

from functools import partial
from random import Random

import pytest

from espnic.model.interface.codes import IPPROTO_UDP, SaDirection, TxOperation
from espnic.model.interface.features import Features
from espnic.sim.rig.taps import outcome_of
from espnic.sim.run import report
from espnic.sim.run.compare import compare_outcomes
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import TxFrame
from espnic.sim.traffic.super_frames import super_frame
from tests.support.engine_steps import add_commands
from tests.support.observing import observe
from tests.support.sas import make_sa
from tests.support.work import lines_run

SA = make_sa()
LAYOUT = {
    "operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": 1, "lso": 1, "next_header": 4,
    "outer_offset": 14, "esp_offset": 34, "l3_offset": 50, "l4_offset": 70, "header_bytes": 78,
    "l4_protocol": IPPROTO_UDP}
WIDTH = 128
FEW, MANY = 100, 800
WIDE_MARGIN = 1.5
"""Factor by which the work may grow faster than the segments; were it quadratic, it were 8."""


def steps(segments):
    """A request to seal a super-frame of as many segments, with an MSS of 1."""
    descriptor, frame = super_frame(Random(segments), LAYOUT, segments, 1)
    spi_at = LAYOUT["esp_offset"]
    frame = frame[:spi_at] + SA.spi.to_bytes(4, "big") + frame[spi_at + 4:]
    return [*add_commands([SA], SaDirection.TX), TxFrame(descriptor, frame)]


@pytest.fixture
def replayed(tmp_path):
    """Work of a replay behind the simulation, for a request of as many segments."""

    def work(segments):
        given = steps(segments)
        model = run_model(given, Features(sas=16))
        assert len(model.sent) == segments
        seen = observe(model, WIDTH)

        def run():
            again = outcome_of(given, seen, WIDTH)
            assert compare_outcomes(again, model) is None
            assert len(again.sent_by_request()[1]) == segments
            report.status_table(again.trace)
            report.write_trace(tmp_path, "rtl", again.trace)
            report.write_verdicts(tmp_path / "verdicts.jsonl", again.trace)

        return run

    return work


def test_trace_assembly_is_linear_in_the_segments_of_a_request(replayed):
    few, many = (lines_run(replayed(segments)) for segments in (FEW, MANY))
    assert few > FEW
    assert many / few < MANY / FEW * WIDE_MARGIN


def test_model_is_linear_in_the_segments_of_a_request():
    few, many = (lines_run(partial(run_model, steps(segments), Features(sas=16)))
                 for segments in (FEW, MANY))
    assert few > FEW
    assert many / few < MANY / FEW * WIDE_MARGIN
