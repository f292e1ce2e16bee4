"""Mixes of traffic: their frames, what is counted of them, and the search for the worst."""

from collections import Counter
from dataclasses import replace

import pytest

from espnic.model.interface.codes import RxStatus, SaDirection, SaOperation, TxStatus
from espnic.model.interface.features import WIDTHS
from espnic.model.interface.layouts import RX_COMPLETION, TX_VERDICT
from espnic.model.sa.sa import command_values
from espnic.sim.problem import SimulationError
from espnic.sim.rate import mixes, report
from espnic.sim.rate.known_mixes import KNOWN
from espnic.sim.rate.mix import KINDS, Kind, Mix, SaChoice, Stretch
from espnic.sim.rate.mix_frames import Fate, MixFrames, MixJob, mix_sas
from espnic.sim.rate.mix_rates import (
    MixRate,
    SideRate,
    Span,
    Spent,
    check_fates,
    rounds,
    side_rate,
)
from espnic.sim.rate.mix_search import GENERATION, WORST, search
from espnic.sim.rate.mixes import MixRow, measure_mixes
from espnic.sim.rig.runs import Load, Played
from espnic.sim.traffic.golden import Golden
from espnic.sim.traffic.steps import SIMULATED, Command, Received, RxFrame, TxFrame

SEED = 1
SPAN = Span(warm_up=1, rounds=3, beats=1)
PLAIN = Mix((), (Stretch(Kind.PLAIN, 64, 2),))
RATE = SideRate(clocks=2000, limit=1000, stalls=30, offered=970)


# The frames


def fates_in_the_model(side, mix, count):
    """The statuses and lengths that the golden model gives to ``count`` rounds of a mix, and those
    that they must have."""
    sas = mix_sas(SEED)
    golden = Golden(SIMULATED)
    for handle, sa in enumerate(sas, start=1):
        for direction in SaDirection:
            assert golden.command(
                Command(command_values(SaOperation.ADD, direction, handle, sa))) == 0
    made = MixFrames(mix, sas)
    for step, fate in (each for _ in range(count) for each in made.round(side)):
        if side == "tx":
            result = golden.transmit(step)
            yield result.status, tuple(map(len, result.frames)), fate
        else:
            result = golden.receive(step)
            frame = result.frame
            yield result.status, () if frame is None else (len(frame),), fate


def stretch_of(kind):
    if kind in (Kind.CUT, Kind.CUT_PLAIN):
        return Stretch(kind, 1000, 2, mss=300)
    return Stretch(kind, 9601 if kind == Kind.OVERSIZE else 60, 80, spread=500)


@pytest.mark.parametrize(("side", "kind"), [(side, kind) for side in KINDS for kind in KINDS[side]])
def test_every_kind_of_frame_has_its_fate_on_every_sa(side, kind):
    mix = Mix(*(((stretch_of(kind),), ()) if side == "tx" else ((), (stretch_of(kind),))))
    found = list(fates_in_the_model(side, mix, 2))
    assert found
    for status, lengths, fate in found:
        assert status in fate.statuses and lengths == fate.leaves


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_frames_of_the_known_mixes_have_their_fates(known):
    for side in KINDS:
        for status, lengths, fate in fates_in_the_model(side, known.mix, 1):
            assert status in fate.statuses and lengths == fate.leaves


def test_a_replayed_frame_may_be_far_below_the_window():
    mix = Mix((), (Stretch(Kind.OPENED, 99, 200), Stretch(Kind.REPLAYED, 99, 1)), SaChoice(count=1))
    for esn, status in ((False, RxStatus.LATE), (True, RxStatus.AUTH_FAILED)):
        chosen = replace(mix, sas=SaChoice(count=1, esn=esn))
        *_, (last, _, fate) = fates_in_the_model("rx", chosen, 1)
        assert last == status and last in fate.statuses


def test_frames_have_the_sizes_of_their_stretch():
    sas = mix_sas(SEED)
    for side in KINDS:
        for kind in KINDS[side]:
            if kind in (Kind.CUT, Kind.CUT_PLAIN, Kind.OVERSIZE):
                continue
            stretch = Stretch(kind, 200, 30, spread=40)
            mix = Mix(*(((stretch,), ()) if side == "tx" else ((), (stretch,))))
            sizes = [bytes_ for _, fate in MixFrames(mix, sas).round(side)
                     for bytes_ in fate.leaves] or [
                len(step.data) for step, _ in MixFrames(mix, sas).round(side)]
            assert all(197 <= size <= 240 for size in sizes), (kind, sizes)
            assert max(sizes) > 236 or kind == Kind.SPENT


def test_sas_of_mixes_differ_in_all_that_the_datapath_knows_and_all_have_limits_and_windows():
    sas = mix_sas(SEED)
    kinds = Counter((sa.key_size, sa.icv, sa.esn, sa.outer_family, sa.encapsulation)
                    for sa in sas[:-1])
    assert len(kinds) == 72 and set(kinds.values()) == {1}
    assert all(sa.device_window and not sa.unguarded and sa.limits.hard_packets for sa in sas)


def test_a_choice_of_sas_takes_those_in_turn():
    sas = mix_sas(SEED)
    mix = Mix((Stretch(Kind.SEALED, 200, 10),), (), SaChoice(count=5, key=32, esn=True, udp=False))
    handles = [step.descriptor["sa"] for step, _ in MixFrames(mix, sas).round("tx")]
    assert len(set(handles[:5])) == 5 and handles[5:] == handles[:5]
    assert all(mix.sas.suits(sas[handle - 1]) for handle in handles)


def test_a_shuffled_mix_has_the_same_frames_in_other_orders():
    ordered = Mix((Stretch(Kind.BYPASSED, 60, 9), Stretch(Kind.BYPASSED, 99, 9)), ())
    made = MixFrames(replace(ordered, shuffled=True), mix_sas(SEED))
    first, second = ([len(step.data) for step, _ in made.round("tx")] for _ in range(2))
    assert first != second and sorted(first) == sorted(second) == [60] * 9 + [99] * 9


# What is counted


def played_rounds(lost=0, stalled=0):
    """A job of four rounds of two frames of 4 beats, and its run: each round from the third on has
    lost clocks, and each frame in the last has stalled ones before it."""
    fates = [Fate((RxStatus.NOT_ESP,), (64,))] * 8
    frames = [RxFrame(bytes(64))] * 8
    job = MixJob(PLAIN, Load([], frames), {"rx": 4}, {"tx": [], "rx": fates})
    entered = [(4 * n + stalled * max(0, n - 5), 4 * n + 3 + stalled * max(0, n - 5))
               for n in range(8)]
    left = [(4 * n + 40 + lost * max(0, n // 2 - 1), 4 * n + 43 + lost * max(0, n // 2 - 1))
            for n in range(8)]
    return job, Played(entered={"rx": entered}, left={"rx": left})


def test_share_is_of_the_rounds_behind_the_warm_up():
    job, played = played_rounds()
    assert side_rate(job, played, "rx", 128, SPAN) == SideRate(24, 24, 0, 32)
    assert side_rate(job, played, "rx", 128, SPAN).share == 1


def test_clocks_lost_between_rounds_count():
    job, played = played_rounds(lost=3)
    rate = side_rate(job, played, "rx", 128, SPAN)
    assert (rate.clocks, rate.limit, rate.share) == (30, 24, 0.8)


def test_clocks_in_which_the_input_waits_count_in_the_whole_run():
    job, played = played_rounds(stalled=4)
    rate = side_rate(job, played, "rx", 128, SPAN)
    assert (rate.stalls, rate.taken, rate.share) == (8, 0.8, 1)
    assert MixRate(PLAIN, {"rx": rate}).shares == {"rx": 0.8}
    assert MixRate(PLAIN, {"tx": rate}).shares == {"tx": 1}


def test_the_limit_is_that_of_the_side_with_more_beats():
    job, played = played_rounds()
    longer = replace(job, fates={"tx": [], "rx": [Fate((RxStatus.NOT_ESP,), (80,))] * 8})
    shorter = replace(job, fates={"tx": [], "rx": [Fate((RxStatus.NOT_ESP,), (16,))] * 8})
    assert side_rate(longer, played, "rx", 128, SPAN).limit == 30
    assert side_rate(shorter, played, "rx", 128, SPAN).limit == 24


def test_where_nothing_leaves_the_input_counts():
    job, played = played_rounds(stalled=1)
    dropped = replace(job, fates={"tx": [], "rx": [Fate((RxStatus.OVERSIZE,), ())] * 8})
    silent = replace(played, left={"rx": []})
    assert side_rate(dropped, silent, "rx", 128, SPAN) == SideRate(26, 24, 2, 32)


def test_frames_that_do_not_leave_count_where_they_come_in():
    """The last of a round may not leave; then the round counts to the last that does."""
    job, played = played_rounds()
    leaves, stays = Fate((RxStatus.NOT_ESP,), (64,)), Fate((RxStatus.OVERSIZE,), ())
    fates = [leaves, stays, *[stays, leaves] * 3]
    mixed = replace(job, fates={"tx": [], "rx": fates})
    some = replace(played, left={"rx": [played.left["rx"][number] for number in (0, 3, 5, 7)]})
    assert side_rate(mixed, some, "rx", 128, SPAN) == SideRate(28, 28, 0, 32)


def test_both_directions_run_for_about_as_many_beats():
    mix = Mix((Stretch(Kind.CUT, 16384, mss=1460),), (Stretch(Kind.PLAIN, 60, 7),))
    for width in WIDTHS:
        counts = rounds(mix, width, Span(warm_up=2, rounds=3, beats=500))
        beats = {side: counts[side] * mix.beats(side, width) for side in counts}
        assert counts["tx"] >= 5 and counts["rx"] >= 5
        assert abs(beats["tx"] - beats["rx"]) <= max(mix.beats(side, width) for side in counts)
    assert rounds(PLAIN, 128, SPAN).keys() == {"rx"}


def checked(status, length):
    """The checks on a run of one frame received and one sent, with this status and length."""
    fates = {"rx": [Fate((RxStatus.OK,), (60,))], "tx": [Fate((TxStatus.SEALED,), (60,))]}
    job = MixJob(PLAIN, Load([TxFrame({}, b"")], [RxFrame(b"")]), {"rx": 1, "tx": 1}, fates)
    check_fates(job, Played(
        received=[Received({}, bytes(length))], sent=[bytes(length)],
        taps={"rx_verdict": [RX_COMPLETION.pack({"status": status})],
              "tx_verdict": [TX_VERDICT.pack({"status": status, "last": 1})]}))


def test_a_frame_with_another_fate_ends_the_measurement():
    checked(0, 60)
    with pytest.raises(SimulationError, match="tx: frame 0 of idle is DROP_NO_SA, expected SEALED"):
        checked(TxStatus.DROP_NO_SA, 60)
    with pytest.raises(SimulationError, match="left in other lengths"):
        checked(0, 61)


# The search


def shares_of(mix):
    """A made-up engine that loses clocks behind many replayed frames, once one was oversize.

    No known mix has these kinds."""
    kinds = [stretch.kind for stretch in mix.rx]
    lost = 0
    if Kind.OVERSIZE in kinds:
        after = mix.rx[kinds.index(Kind.OVERSIZE):]
        lost = sum(stretch.count for stretch in after if stretch.kind == Kind.REPLAYED)
    return {side: 1 - min(lost, 500) / 1000 if side == "rx" else 1.0
            for side in KINDS if mix.stretches(side)}


def narrow_shares_of(mix):
    """A made-up engine that loses the more clocks the nearer replayed frames are to 77 of 777 B."""
    lost = max((1 / (2 + abs(stretch.size - 777) / 16 + abs(stretch.count - 77) / 2)
                for stretch in mix.rx if stretch.kind == Kind.REPLAYED), default=0)
    return {side: 1 - lost if side == "rx" else 1.0 for side in KINDS if mix.stretches(side)}


def searched(seed, budget=500, width=128, engine=shares_of):
    """The mixes that a search measures, by generation, and what it finds."""
    generations = []

    def measure(given):
        generations.append(list(given))
        return [engine(mix) for mix in given]

    return generations, search(measure, width, budget, seed)


def test_a_search_finds_a_weakness_and_makes_much_of_it():
    found = []
    for seed in range(1, 6):
        _, worst = searched(seed)
        found.append(min((each for each in worst if each.side == "rx"), key=lambda one: one.share))
        kinds = found[-1].shape
        assert Kind.REPLAYED in kinds[kinds.index(Kind.OVERSIZE):]
    print([each.share for each in found])
    assert sum(each.share < 0.7 for each in found) >= 3


@pytest.mark.slow
def test_climbing_finds_worse_than_as_many_random_mixes(monkeypatch):
    def worst_of_each_seed():
        return [min(each.share for each in searched(seed, engine=narrow_shares_of)[1])
                for seed in range(1, 9)]

    climbed = worst_of_each_seed()
    monkeypatch.setattr("espnic.sim.rate.mix_search._RESTARTS", 1.0)
    random = worst_of_each_seed()
    print(climbed, random)
    assert sum(climbed) < sum(random) - 0.3


def test_a_search_repeats_from_its_seed():
    assert searched(5, 120) == searched(5, 120)
    assert searched(5, 120)[0][-1] != searched(6, 120)[0][-1]
    assert searched(5, 120)[0][-1] != searched(5, 120, width=512)[0][-1]


@pytest.mark.parametrize("budget", [0, 1, GENERATION, 113])
def test_a_search_keeps_its_budget_and_measures_no_mix_twice(budget):
    generations, found = searched(1, budget)
    measured = [mix for generation in generations for mix in generation]
    assert len(measured) == len(set(measured)) == budget
    assert all(len(generation) <= GENERATION for generation in generations)
    assert bool(found) == bool(budget)


def test_a_search_begins_with_the_known_mixes():
    generations, _ = searched(1, 60)
    measured = [mix for generation in generations for mix in generation]
    wanted = list(dict.fromkeys(known.mix for known in KNOWN))
    assert measured[:len(wanted)] == wanted


def test_a_search_gives_a_few_mixes_of_each_direction_each_of_another_shape():
    _, found = searched(1)
    for side in KINDS:
        shapes = [each.shape for each in found if each.side == side]
        assert len(shapes) == len(set(shapes)) == WORST


def test_of_mixes_that_lose_as_much_the_simpler_one_is_found():
    """Nothing that is sent matters to the weakness, and mixes with less of it are simpler."""
    _, found = searched(1)
    worst = min((each for each in found if each.side == "rx"), key=lambda each: each.rank)
    assert len(worst.mix.tx) <= 1 and len(worst.mix.rx) <= 3


@pytest.mark.parametrize("width", WIDTHS)
def test_mixes_stay_within_what_the_engine_and_a_run_take(width):
    generations, _ = searched(1, 400, width)
    for mix in (mix for generation in generations for mix in generation):
        for side in KINDS:
            assert mix.beats(side, width) * width // 8 <= 100 << 10
            for stretch in mix.stretches(side):
                assert stretch.kind in KINDS[side] and stretch.count > 0 <= stretch.spread
                most = stretch.size + stretch.spread
                if stretch.mss:
                    assert 1 <= stretch.size <= most <= 65400 and stretch.mss <= 8960
                else:
                    assert (stretch.size >= 60 and most <= 9600) or (
                        stretch.kind == Kind.OVERSIZE and stretch.size > 9600)


# What is published


def test_a_mix_is_told_in_words():
    mix = Mix((Stretch(Kind.CUT, 65400, mss=1460), Stretch(Kind.SEALED, 138, 40)),
              (Stretch(Kind.FORGED, 62, 9, spread=2),), shuffled=True)
    assert mix.in_words("tx") == (
        "1 × 65,400 B cut and sealed, MSS 1,460; 40 × 138 B sealed, shuffled")
    assert mix.in_words("rx") == "9 × 62 to 64 B forged, shuffled"
    assert Mix((), ()).in_words("rx") == "idle"
    assert SaChoice().in_words() == "all SAs"
    assert SaChoice(5, 32, 8, True, 6, False).in_words() == (
        "5 SAs with AES-256, ICV 8, ESN, IPv6, no UDP")


def test_known_mixes_have_names_and_words_of_their_own():
    assert len({known.name for known in KNOWN}) == len(KNOWN)
    told = {(known.side, known.mix.in_words(known.side), known.mix.sas) for known in KNOWN}
    assert len(told) == len(KNOWN)


def fake_rig(monkeypatch):
    """Measure without a simulator: all mixes are at the limit, and ``MixRig`` is told them."""
    given = []

    class FakeRig:
        def __init__(self, rig, seed):
            self.spent = Spent(3, 2000, 0.5)

        def measure(self, wanted, span):
            given.append((list(wanted), span))
            return [MixRate(mix, {side: RATE for side in KINDS if mix.stretches(side)})
                    for mix in wanted]

    monkeypatch.setattr(mixes, "build_rig", lambda _width, _sas: None)
    monkeypatch.setattr(mixes, "MixRig", FakeRig)
    return given


@pytest.mark.parametrize(("quick", "last"), [(False, mixes.LONG), (True, mixes.SHORT)])
def test_every_known_mix_has_a_row_and_so_have_the_worst_of_the_search(monkeypatch, quick, last):
    given = fake_rig(monkeypatch)
    rows, effort = measure_mixes(128, 30, quick, SEED)
    assert [row.known for row in rows] == [*(known.name for known in KNOWN), *[None] * 2 * WORST]
    assert [row.side for row in rows[len(KNOWN):]] == ["tx"] * WORST + ["rx"] * WORST
    assert [span for _, span in given] == [*[mixes.SHORT] * 3, last]
    assert sum(len(wanted) for wanted, _ in given[:-1]) == 30
    assert (effort.mixes, effort.clocks, effort.simulated) == (3, 2000, 0.5)


def rows_of(width, share):
    rate = replace(RATE, clocks=round(1000 / share))
    rows = [MixRow(width, known.side, known.mix, known.name, rate, 500, 7) for known in KNOWN]
    return [*rows, MixRow(width, "rx", PLAIN, None, rate, 500, 7)]


def test_summary_has_every_known_mix_and_what_was_found():
    rows = [row.as_json() for width in (512, 128) for row in rows_of(width, 0.8)]
    text = report._mix_summary(rows)
    lines = text.splitlines()
    assert "|  | mix | on | 128 bits | 512 bits |" in lines
    for known in KNOWN:
        cell = "80.0%" if known.side == "tx" else "80.0%, waits 30 of 1,000 clocks"
        assert (f"| {known.side} | {known.mix.in_words(known.side)} | {known.mix.sas.in_words()} "
                f"| {cell} | {cell} |") in lines
    assert lines[-1] == (
        "| 128 | rx | 2 × 64 B plain, received | idle | all SAs "
        "| 80.0%, waits 30 of 1,000 clocks |")
    assert ("The worst mixes that a search over 500 at a width has found, with seed 7."
            in text)


def test_no_share_is_shown_as_more_than_it_is():
    row = rows_of(128, 0.5)[0].as_json() | {"share": 0.99999}
    assert report._reached(row) == "99.9%"
    assert report._reached(row | {"share": 1.0}) == "100.0%"
