"""Lines that ``ethtool`` prints: statistics and features."""

import random

import pytest

from espnic.model.interface import statistics
from espnic.model.interface.capabilities import feature_strings
from espnic.model.interface.codes import RxStatus, TxStatus
from espnic.model.interface.features import Features
from espnic.model.interface.registers import capabilities, counters
from espnic.model.interface.statistics import DRIVER, HARDWARE

RANDOM = random.Random(3)
COUNTS = {name: RANDOM.randrange(1 << 30) for name in counters()}


def test_every_status_is_of_one_kind():
    kinds = (statistics.PASSED, statistics.NOT_KEPT, statistics.DECRYPTED)
    assert sorted(status for kind in kinds for status in kind) == sorted(RxStatus)
    assert len(statistics.DROPPED) == len(TxStatus) - 2


def test_statistics_use_counters_of_the_device():
    assert {name for one in HARDWARE for name in (*one.plus, *one.minus)} <= set(counters())


def test_names_are_told_once():
    names = [one.name for one in (*HARDWARE, *DRIVER)]
    assert len(set(names)) == len(names)
    assert list(statistics.statistics(COUNTS)) == names


def test_frames_in_are_the_sum_of_what_became_of_them():
    values = statistics.statistics(COUNTS)
    assert (values["ipsec_dec_in_packets"] + values["ipsec_dec_bypass_packets"]
            + values["ipsec_dec_drop_packets"]
            == sum(COUNTS[f"rx_{status.name.lower()}"] for status in RxStatus))
    assert values["ipsec_enc_in_packets"] == (
        values["ipsec_enc_out_packets"] + values["ipsec_enc_drop_packets"])


def test_the_driver_adds_its_own_and_no_others():
    assert statistics.statistics(COUNTS, {"ipsec_rx_drop_syndrome": 4})[
        "ipsec_rx_drop_syndrome"] == 4
    with pytest.raises(KeyError, match="ipsec_rx_pkts"):
        statistics.statistics(COUNTS, {"ipsec_rx_pkts": 4})


@pytest.mark.parametrize("features, expected", [
    (Features(), ("esp-hw-offload", "esp-tx-csum-hw-offload", "tx-esp-segmentation")),
    (Features(lso=False), ("esp-hw-offload", "esp-tx-csum-hw-offload")),
    (Features(lso=False, transmit=False), ()),
    (Features(receive=False, replay_window=0), ()),
])
def test_features_hold_together(features, expected):
    assert feature_strings(capabilities(features)) == expected
