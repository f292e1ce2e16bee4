"""Every case of the functional coverage on the RTL: it does what the golden model does."""

from itertools import chain

import pytest

from espnic.model.interface.features import Features
from espnic.sim.traffic.steps import SIMULATED
from tests.support import functional_command_samples as of_commands
from tests.support import functional_rx_samples as of_rx
from tests.support import functional_tx_samples as of_tx
from tests.support.engine_runs import hold_on


def run(samples):
    """Let the RTL take each replay; the model must say the same."""
    for sample in samples:
        hold_on(sample.steps, sample.features)


def of_whole_builds(samples):
    """The replays for a build with all parts."""
    return [sample for sample in samples if sample.features == SIMULATED]


@pytest.mark.fixed_seed
@pytest.mark.parametrize("direction", [of_rx, of_tx], ids=["rx", "tx"])
def test_every_case_of_a_width_is_the_model(width, direction):
    run(direction.samples(width))


@pytest.mark.fixed_seed
def test_every_case_that_needs_no_width_is_the_model():
    run(of_whole_builds(chain(
        of_rx.samples_of_any_width(), of_tx.samples_of_any_width(), of_commands.samples())))


@pytest.mark.fixed_seed
@pytest.mark.night
def test_every_case_of_large_windows_is_the_model():
    run(sample for sample in of_rx.samples_of_any_width()
        if sample.features.replay_window > SIMULATED.replay_window)


def test_no_case_is_left_out():
    """Builds without a part have benches of their own, in test_features.py."""
    others = {sample.features for sample in chain(
        of_rx.samples_of_any_width(), of_tx.samples_of_any_width(), of_commands.samples())
        if sample.features != SIMULATED
        and sample.features.replay_window <= SIMULATED.replay_window}
    assert all(isinstance(each, Features) and not (
        each.lso and each.ipv6 and each.receive and each.transmit) for each in others)
