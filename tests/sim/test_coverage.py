"""Functional coverage: what hits which bin, holes, exclusions, files that merge."""

import json
from dataclasses import replace
from itertools import chain
from random import Random

import pytest

from espnic.model.interface.codes import RxStatus, SaDirection, TxStatus
from espnic.model.trace import TraceRecord
from espnic.sim.coverage.bins import BY_NAME, CROSSES
from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.functional_exclusions import excluded, exclusions, wanted
from espnic.sim.coverage.functional_places import extended_position, position, region
from espnic.sim.docs.coverage import documents
from espnic.sim.problem import InputError
from espnic.sim.traffic import frames
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import RxFrame
from espnic.sim.traffic.super_frames import SuperTraffic
from tests.support import functional_command_samples as of_commands
from tests.support import functional_rx_samples as of_rx
from tests.support import functional_tx_samples as of_tx
from tests.support.engine_steps import BOTH, Traffic, add_commands, spoilt, with_sidebands
from tests.support.functional_samples import Sample, features, note, text
from tests.support.sas import all_kinds_of_sa, make_sa

WIDTHS = (128, 256, 512)


def of(*samples):
    """The coverage of replays on the golden model."""
    functional = Functional()
    for sample in samples:
        note(functional, sample)
    return functional


def hits(functional):
    """Every bin that was hit, as cross and text, with its count."""
    document = json.loads(functional.to_json())
    return {f"{cross} {values}": count for cross, bins in document["hits"].items()
            for values, count in bins.items()}


def test_one_good_frame_hits_its_bins_and_no_other():
    sa = make_sa(key_bytes=24)
    frame = frames.sealed(sa, text(40), 1)
    assert len(frame) % 16 == 14 and len(text(40)) % 16 == 12
    sample = Sample([*add_commands([sa], SaDirection.RX), RxFrame(frame)], features())
    assert hits(of(sample)) == dict.fromkeys((
        "rx.sa OK|4|tunnel|192|16|False|none|128", "rx.condition good|128",
        "rx.headers OK|4|esp|0|128", "rx.shape OK|1-191|some bytes|128",
        "rx.text 12|16|False|128", "rx.stream False|False|more|128",
        "rx.numbers 32 bits|first|OK", "command ADD|rx|OK|idle",
        "command.condition handle 1|rx", "sa.added software|4|none|192|16|False"), 1)


def test_one_sealed_burst_hits_its_bins_and_no_other():
    sa = make_sa(esn=True, initial_seq=2**32 - 1, unguarded=True)
    fields = of_tx.layout("transport", 6, 6, protocol="tcp", tags=1)
    step = of_tx.super_frame(sa, fields, 50, mss=20, sequence=2**32 - 1)
    sample = Sample([*add_commands([sa], SaDirection.TX), replace(step, sideband=1)],
                    features(256))
    assert hits(of(sample)) == dict.fromkeys((
        "tx.sa SEALED|6|transport|128|16|True|none|engine|256", "tx.cut_sa more|128|16|True|256",
        "tx.cut_headers transport|6|6|none|tcp|1|256", "tx.cut 3-9|16-64|short|tcp|256",
        "tx.numbers True|burst|from 2^32", "tx.guard False|next|SEALED|burst",
        "sideband tx|leaves with segments|256", "command ADD|tx|OK|idle",
        "command.condition handle 1|tx", "sa.added unguarded|4|none|128|16|True"), 1)


def test_a_refused_request_hits_status_and_reason():
    sa = make_sa()
    steps = add_commands([sa], SaDirection.TX)
    steps += [of_tx.request(sa, sequence=0), of_tx.request(sa, handle=9)]
    found = hits(of(Sample(steps, features(512))))
    assert {name for name in found if name.startswith("tx")} == {
        "tx.refused DROP_SEQUENCE|seal|512", "tx.condition number 0|512",
        "tx.refused DROP_NO_SA|seal|512", "tx.condition handle free|512",
        "tx.pairs DROP_SEQUENCE|DROP_NO_SA"}


def test_of_two_reasons_at_once_none_is_counted():
    step = of_tx.request(make_sa(), checksum=1, l4_protocol=17, l4_offset=51, l4_bytes=7)
    found = hits(of(Sample([step], features())))
    assert "tx.refused DROP_OFFSETS|seal|128" in found
    assert not [name for name in found if name.startswith("tx.condition")]


def test_commands_have_the_phase_that_was_given():
    steps = add_commands([make_sa(seed=1), make_sa(seed=2)], SaDirection.RX)
    found = hits(of(Sample(steps, features(), ("other frames", "idle"))))
    assert found["command ADD|rx|OK|other frames"] == found["command ADD|rx|OK|idle"] == 1


@pytest.mark.parametrize(("number", "place"), [
    (1, "left far"), (68, "left far"), (69, "left"), (99, "left"), (100, "left edge"),
    (101, "bottom"), (102, "inside"), (131, "inside"), (132, "top"), (133, "next"),
    (134, "ahead"), (163, "ahead"), (164, "whole"), (165, "ahead far")])
def test_a_number_has_its_place_against_a_window_whatever_its_high_half(number, place):
    assert position(number, 132, 32) == place
    top = 2**32 + 132
    assert extended_position(number, top, 32) == place


@pytest.mark.parametrize(("number", "name"), [
    (1, "first"), (2, "low"), (2**31 - 65, "low"), (2**31 - 64, "below 2^31"),
    (2**31, "from 2^31"), (2**31 + 64, "high"), (2**32 - 2, "below 2^32"),
    (2**32 - 1, "last of 32 bits"), (2**32, "from 2^32"), (2**32 + 64, "above"),
    (2**64 - 2, "below 2^64"), (2**64 - 1, "last of 64 bits")])
def test_a_number_has_its_region(number, name):
    assert region(number) == name


@pytest.mark.parametrize(("prefix", "samples"), [
    (("rx", "sideband"), of_rx), (("tx", "sideband"), of_tx),
    (("command", "sa", "event", "parts"), of_commands)], ids=["rx", "tx", "commands"])
def test_every_bin_that_is_wanted_can_be_hit_and_none_that_is_excluded_is(prefix, samples):
    if samples is of_commands:
        functional = of(*samples.samples())
    else:
        functional = of(*samples.samples_of_any_width(),
                        *chain.from_iterable(map(samples.samples, WIDTHS)))
    other = {"rx": "tx", "tx": "rx"}.get(prefix[0])
    holes = [str(hole) for hole in functional.holes()
             if hole.cross.split(".")[0] in prefix and hole.values.get("side") != other]
    assert holes == []
    assert functional.refuted() == []


def test_counts_of_a_random_mix_are_those_of_the_engine():
    seed = 7
    print(f"seed {seed}")
    random, build = Random(seed), features(256)
    sas = all_kinds_of_sa()
    sas[0] = replace(sas[0], replay_window=64, device_window=True)
    traffic = Traffic(sas, random)
    supers = SuperTraffic(sas, random, traffic)
    steps = [*spoilt(traffic.mixed_receive(400), random, 256), *traffic.mixed_transmit(300),
             *(supers.request(segments_max=9) for _ in range(60))]
    random.shuffle(steps)
    steps = [*add_commands(sas, *BOTH), *with_sidebands(steps, random, build.sideband)]
    outcome = run_model(steps, build)
    functional = Functional()
    functional.note(steps, outcome, build)
    given = [step.data for step in steps if isinstance(step, RxFrame) and step.data]
    empty = sum(isinstance(step, RxFrame) and not step.data for step in steps)
    counters = outcome.counters

    def total(cross, **where):
        return sum(functional.count(cross, *values) for values in wanted()[cross]
                   if where.items() <= BY_NAME[cross].named(values).items())

    assert functional.frames == counters["rx_packets_in"] + counters["tx_packets_in"]
    assert functional.commands == 8
    assert total("rx.stream") == len(given) and total("rx.pairs") == len(given) - 1
    for status in RxStatus:
        counted = counters[f"rx_{status.name.lower()}"]
        if status.name in BY_NAME["rx.shape"].dimensions["status"]:
            assert total("rx.shape", status=status.name) == counted - (
                empty if status == RxStatus.TRUNCATED else 0)
    assert total("rx.oversize") == counters["rx_oversize"]
    assert total("rx.sa") == counters["rx_ok"] > 100
    for status in TxStatus:
        if status.name in BY_NAME["tx.refused"].dimensions["status"]:
            assert total("tx.refused", status=status.name) == counters[f"tx_{status.name.lower()}"]
    sealed = {record.packet for record in outcome.trace
              if record.point == "tx.verdict" and record.fields["status"] == "SEALED"}
    assert total("tx.sa") == total("tx.numbers") == len(sealed) > 20
    assert functional.refuted() == []


def test_a_frame_without_a_verdict_is_left_out():
    sa = make_sa()
    steps = [*add_commands([sa], SaDirection.RX), RxFrame(frames.sealed(sa, text(), 1)),
             RxFrame(frames.sealed(sa, text(), 2))]
    outcome = run_model(steps, features())
    outcome.trace = [record for record in outcome.trace
                     if (record.packet, record.point) != (2, "rx.verdict")]
    functional = Functional()
    functional.note(steps, outcome, features())
    assert functional.count("rx.condition", "good", 128) == 1


def test_a_bin_that_was_hit_although_excluded_is_told_and_kept_in_the_file():
    sa = make_sa()
    steps = [*add_commands([sa], SaDirection.RX), RxFrame(frames.sealed(sa, text(), 1))]
    outcome = run_model(steps, features())
    outcome.trace = [
        TraceRecord(record.packet, record.point, record.fields | {"status": "BAD_UDP_CHECKSUM"})
        if record.point == "rx.verdict" else record for record in outcome.trace]
    functional = Functional()
    functional.note(steps, outcome, features())
    told = [str(hole) for hole in functional.refuted()]
    assert told == [
        "rx.headers: status BAD_UDP_CHECKSUM, family 4, protocol esp, tags 0, width 128",
        "rx.refused: status BAD_UDP_CHECKSUM, family 4, key 128, icv 16, esn False, "
        "encapsulation none, width 128"]
    again = Functional.from_json(functional.to_json())
    assert [str(hole) for hole in again.refuted()] == told
    again.merge(functional)
    assert len(again.refuted()) == 2


def test_holes_are_what_is_wanted_and_was_not_hit_as_plain_data():
    functional = of(of_commands.modified())
    holes = [hole.to_data() for hole in functional.holes()]
    assert holes[0] == {"cross": "rx.sa", "status": "OK", "family": 4, "mode": "tunnel",
                        "key": 128, "icv": 8, "esn": False, "encapsulation": "none", "width": 128}
    assert json.loads(json.dumps(holes)) == holes
    assert not [hole for hole in holes if hole["cross"] == "command.modify"]
    summaries = functional.summary()
    assert len(holes) == sum(each.wanted - each.hit for each in summaries)
    assert [each.cross for each in summaries] == [cross.name for cross in CROSSES]
    assert {each.cross: each.wanted + each.excluded for each in summaries} == {
        cross.name: len(list(cross.bins())) for cross in CROSSES}


def test_files_of_two_runs_merge_to_that_of_both():
    first, second = of_commands.limits(), of_rx.texts(128)
    merged = Functional.from_json(of(first).to_json())
    merged.merge(Functional.from_json(of(second).to_json()))
    assert merged.to_json() == of(first, second).to_json()
    twice = Functional.from_json(merged.to_json())
    twice.merge(merged)
    assert hits(twice) == {name: 2 * count for name, count in hits(merged).items()}
    assert (twice.frames, twice.commands) == (2 * merged.frames, 2 * merged.commands)


@pytest.mark.parametrize(("change", "message"), [
    (lambda text: text[:-9], "not JSON"),
    (lambda text: "[" * 100_000, "not JSON"),
    (lambda text: "[]", "expected a file of functional coverage"),
    (lambda text: text.replace("espnic functional", "other"), "expected a file of functional"),
    (lambda text: text.replace('"version": 1', '"version": 2'), "version 2, expected 1"),
    (lambda text: text.replace('"rx.text"', '"rx.words"'), "no cross 'rx.words'"),
    (lambda text: text.replace("12|16|False|128", "99|16|False|128"),
     "rx.text has no bin '99|16|False|128'"),
    (lambda text: text.replace('12|16|False|128": 1', '12|16|False|128": -1'),
     "rx.text: 12|16|False|128: -1, expected a number from 0 on"),
    (lambda text: text.replace('"frames": 1', '"frames": "1"'),
     "frames: '1', expected a number from 0 on"),
    (lambda text: text.replace('"hits"', '"hit"'), "hits: expected a file of functional")])
def test_a_file_that_cannot_be_used_is_refused_in_one_line(change, message):
    sa = make_sa()
    steps = [*add_commands([sa], SaDirection.RX), RxFrame(frames.sealed(sa, text(40), 1))]
    good = of(Sample(steps, features())).to_json()
    assert Functional.from_json(good).to_json() == good
    bad = change(good)
    assert bad != good
    with pytest.raises(InputError) as refused:
        Functional.from_json(bad, "coverage.json")
    line = str(refused.value)
    assert line.startswith("coverage.json: ") and message in line and "\n" not in line


def test_each_exclusion_leaves_something_out_and_has_a_reason():
    for exclusion in exclusions():
        assert len(exclusion.reason.split()) > 2 and exclusion.reason.endswith(".")
        for name in exclusion.crosses:
            cross = BY_NAME[name]
            assert any(exclusion.holds(name, cross.named(values)) for values in cross.bins())
    for cross in CROSSES:
        bins = set(cross.bins())
        assert bins == set(wanted()[cross.name]) | set(excluded()[cross.name])
        assert wanted()[cross.name], f"nothing of {cross.name} is wanted"


def test_no_exclusion_stands_twice():
    """Each leaves out a bin that no other does, so that none outlives its reason unseen."""
    for exclusion in exclusions():
        others = [other for other in exclusions() if other is not exclusion]
        assert any(
            exclusion.holds(name, named) and not any(other.holds(name, named) for other in others)
            for name in exclusion.crosses for named in map(BY_NAME[name].named,
                                                           BY_NAME[name].bins())), exclusion


def test_the_table_of_crosses_in_the_document_is_that_of_the_code():
    for path, made in documents().items():
        assert path.read_text() == made, "stale: run make docs"


def test_every_bin_has_a_text_of_its_own():
    for cross in CROSSES:
        texts = ["|".join(map(str, values)) for values in cross.bins()]
        assert len(texts) == len(set(texts))
        assert all(text.count("|") == len(cross.dimensions) - 1 for text in texts)
