"""Figures of ``espnic bench``: what is counted, against values from elsewhere; bad arguments."""

import json
import sys
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from rich.console import Console

from espnic.model.interface.codes import RxStatus
from espnic.model.interface.features import WIDTHS
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.sim import cli
from espnic.sim.markdown import END
from espnic.sim.problem import SimulationError
from espnic.sim.rate import command, lso, mixes, report
from espnic.sim.rate.known_mixes import KNOWN
from espnic.sim.rate.lso import BurstRow, Bursts, burst_job, burst_workloads
from espnic.sim.rate.measure import Row, Speed, beat_count, check_frames, steady, table_size
from espnic.sim.rate.mix_rates import SideRate
from espnic.sim.rate.mix_search import WORST
from espnic.sim.rate.traffic import (
    FIRST_SPI,
    IMIX,
    IMIX_NAME,
    SIZES,
    Job,
    Population,
    Traffic,
    make_sas,
    warm_up,
    workloads,
)
from espnic.sim.rig.runs import Passage, Played
from espnic.sim.traffic.steps import Received
from tests.support.paths import PROJECT

LATENCY_MAX = 41
SEARCHED_WIDTHS = (128,)
"""Widths at which mixes were searched for docs/bench.json."""
FRAME_BYTES = 160
BEATS = 10
ROW = Row(direction="rx", width=128, size="90", sas=3, frame_bytes=FRAME_BYTES,
          clocks_per_packet=20.0, limit_clocks=10.0, latency_clocks=7, first_beat_clocks=7,
          clock_mhz=250.0)
BURST_ROW = BurstRow(
    direction="lso", width=128, size="240", sas=3, frame_bytes=FRAME_BYTES, clocks_per_packet=20.0,
    limit_clocks=10.0, latency_clocks=70, first_beat_clocks=7, clock_mhz=250.0, mss=100,
    segments=2, payload_bytes=200)


def passages(count, clocks):
    """Frames of ``BEATS`` beats of which one leaves every ``clocks`` clocks."""
    return [Passage(first_in=BEATS * n, last_in=BEATS * n + BEATS - 1,
                    first_out=clocks * n + 20, last_out=clocks * n + 20 + BEATS - 1)
            for n in range(count)]


@pytest.mark.parametrize("clocks", [BEATS, BEATS + 1])
def test_clocks_a_packet_are_those_between_ends_of_frames(clocks):
    frames = [BEATS] * 8
    assert steady(passages(8, clocks), frames, frames) == (clocks, BEATS)


def test_one_clock_lost_behind_the_warm_up_is_seen():
    frames = [BEATS] * 8
    late = passages(8, BEATS)
    late[5:] = [replace(passage, last_out=passage.last_out + 1) for passage in late[5:]]
    clocks, limit = steady(late, frames, frames)
    assert clocks > limit


def test_limit_is_that_of_the_side_with_more_beats():
    short, long = [BEATS] * 8, [BEATS + 1] * 8
    for given, came in ((short, long), (long, short)):
        assert steady(passages(8, 12), given, came)[1] == BEATS + 1


def test_a_byte_more_than_a_beat_takes_another():
    assert [beat_count(bytes(FRAME_BYTES + more), 128) for more in (0, 1)] == [BEATS, BEATS + 1]


def test_shortest_frames_on_ethernet_are_14_88_million_a_second():
    shortest = replace(ROW, frame_bytes=60)
    assert shortest.line_mpps(10) == pytest.approx(14.88, abs=0.005)
    assert shortest.line_mpps(100) == pytest.approx(148.81, abs=0.005)


def test_row_gives_share_and_rates_at_its_clock():
    assert (ROW.share, ROW.bytes_per_clock, ROW.gbps, ROW.mpps) == (0.5, 8, 16, 12.5)


def test_json_row_has_size_as_number_unless_it_is_a_mix():
    assert ROW.as_json()["size"] == 90
    assert replace(ROW, size="IMIX").as_json()["size"] == "IMIX"
    assert {"direction", "width", "size", "sas", "clocks_per_packet", "limit_clocks",
            "latency_clocks", "gbps", "clock_mhz"} <= set(ROW.as_json())


def test_burst_row_gives_clocks_of_the_burst_and_the_rate_of_its_payload():
    row = BURST_ROW.as_json()
    assert (row["mss"], row["segments"], row["size"]) == (100, 2, 240)
    assert (row["clocks_per_burst"], row["limit_per_burst"], row["share"]) == (40, 20, 0.5)
    assert (row["gbps"], row["payload_gbps"], row["mpps"]) == (16, 10, 12.5)
    assert set(ROW.as_json()) < set(row)


@pytest.mark.parametrize("quick", [False, True])
def test_bursts_are_as_long_as_an_outer_header_can_say(quick):
    sas = make_sas(2, 1)
    for bursts in burst_workloads(128, quick):
        request, sealed, _ = Traffic(sas, 1).burst(bursts.mss, bursts.payload_bytes)
        assert len(sealed) == bursts.segments
        outer_length = int.from_bytes(request.data[16:18], "big")
        assert len(request.data) - 14 < outer_length < 1 << 16
        assert bursts.segments == max(lso.SEGMENTS) or bursts.segments in (2, 8)


def test_bursts_number_their_segments_and_change_sa():
    traffic = Traffic(make_sas(2, 1), 1)
    frames = [frame for _ in range(4) for frame in traffic.burst(100, 250)[1]]
    spis = [int.from_bytes(frame[34:38], "big") - FIRST_SPI for frame in frames]
    assert spis == [0, 0, 0, 1, 1, 1] * 2
    assert [int.from_bytes(frame[38:42], "big") for frame in frames] == [1, 2, 3, 1, 2, 3,
                                                                         4, 5, 6, 4, 5, 6]


def test_one_clock_lost_between_segments_is_seen():
    bursts = Bursts(100, 200, 4)
    population = Population(tuple(make_sas(2, 1)), None)
    job = burst_job(bursts, population, 1)
    beats = [beat_count(frame, 128) for frame in job.sent]

    def played(lost):
        """Frames that leave back to back, but for a lost clock before the last."""
        ends = [sum(beats[:number + 1]) for number in range(len(beats))]
        left = [(end - count + 30, end + 29) for end, count in zip(ends, beats, strict=True)]
        left[-1] = tuple(clock + lost for clock in left[-1])
        return Played(entered={"tx": [(0, 20)] * 4}, left={"tx": left})

    alone = Played(entered={"tx": [(0, 20)]}, left={"tx": played(0).left["tx"][:2]})
    rows = [lso._row(128, bursts, job, alone, played(lost), 250.0) for lost in (0, 1)]
    assert rows[0].clocks_per_burst == rows[0].limit_per_burst == sum(beats[:2])
    assert rows[1].clocks_per_burst > rows[1].limit_per_burst
    assert rows[0].latency_clocks == rows[0].first_beat_clocks == 30 - 20 - 1


def test_sealed_and_opened_frames_are_told_from_wrong_ones():
    traffic = Traffic(make_sas(3, 1), 1)
    _, sealed, opened = zip(*(traffic.next(size) for size in (64, 65)), strict=True)
    job = Job("two", 3, None, sealed, opened)
    good = Received(RX_COMPLETION.unpack(RX_COMPLETION.pack({"status": RxStatus.OK})), b"")
    right = [replace(good, frame=frame) for frame in opened]
    check_frames(job, Played(right, list(sealed)))
    with pytest.raises(SimulationError, match="tx: frame 1 of two"):
        check_frames(job, Played(right, [sealed[0], sealed[0]]))
    with pytest.raises(SimulationError, match="rx: frame 0 of two is OK"):
        check_frames(job, Played([right[1], right[1]], list(sealed)))
    bad = replace(right[1], completion=good.completion | {"status": RxStatus.AUTH_FAILED})
    with pytest.raises(SimulationError, match="rx: frame 1 of two is AUTH_FAILED"):
        check_frames(job, Played([right[0], bad], list(sealed)))


@pytest.mark.parametrize("count", [1, 1024, 16384])
def test_every_packet_has_another_sa_than_the_one_before(count):
    traffic = Traffic(make_sas(count, 1), 1)
    handles = [traffic.next(40)[0].descriptor["sa"] for _ in range(50)]
    assert count == 1 or len(set(handles)) == len(handles)
    assert table_size(count) > max(handles)


def test_mixes_begin_with_their_longest_packet():
    for workload in workloads(128, True, 1):
        assert workload.sizes[0] == max(workload.sizes)
        assert len(workload.sizes) > 1


@pytest.mark.parametrize("suffix", report.PLOT_SUFFIXES)
def test_plot_is_drawn(tmp_path, suffix):
    path = tmp_path / f"rates{suffix}"
    report.plot([ROW, replace(ROW, direction="tx", width=512, size="1500")], path)
    head = path.read_bytes()[:300]
    assert head.startswith(b"\x89PNG") if suffix == ".png" else b"svg" in head


def test_summary_shows_the_worst_of_directions_and_counts():
    worst = replace(ROW, direction="tx", sas=16384, clocks_per_packet=40.0, latency_clocks=3)
    narrow = [replace(row, size=size) for row in (ROW, worst) for size in ("90", "1500", "IMIX")]
    rows = narrow + [replace(row, width=512, clocks_per_packet=10.0) for row in narrow]
    text = report.summary([row.as_json() for row in (*rows, BURST_ROW)])
    assert text.startswith("128 bits at 250 MHz, 512 bits at 250 MHz.")
    assert "with 3, 16,384 SAs" in text
    assert """
| packet | of limit | 128: clocks | 128: Gb/s | 512: clocks | 512: Gb/s |
| --- | --- | --- | --- | --- | --- |
| 90 bytes | 25.0% | 40.00 | 8.0 | 10.00 | 32.0 |
| 1,500 bytes | 25.0% | 40.00 | 8.0 | 10.00 | 32.0 |
| IMIX | 25.0% | 40.00 | 8.0 | 10.00 | 32.0 |
""" in text
    assert "at most: 128 bits tx 3, rx 7; 512 bits tx 3, rx 7." in text


def test_summary_shows_the_worst_of_bursts():
    slow = replace(BURST_ROW, segments=20, payload_bytes=2000, clocks_per_packet=25.0)
    small = replace(BURST_ROW, mss=50, payload_bytes=100)
    rows = [row for each in (BURST_ROW, slow, small)
            for row in (each, replace(each, width=512, clocks_per_packet=10.0))]
    lines = report.summary([row.as_json() for row in (
        ROW, replace(ROW, direction="tx"), *rows)]).splitlines()
    assert lines[-4:] == [
        "| MSS | segments a burst | of limit | 128: wire Gb/s | 128: payload Gb/s "
        "| 512: wire Gb/s | 512: payload Gb/s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 50 bytes | 2 | 50.0% | 16.0 | 5.0 | 32.0 | 10.0 |",
        "| 100 bytes | 2, 20 | 40.0% | 12.8 | 8.0 | 32.0 | 20.0 |"]


def test_summary_takes_the_place_of_the_one_before():
    text = f"a\n{report.SUMMARY_BEGIN}\nold\n{END}\nb\n"
    rows = [ROW.as_json(), replace(ROW, direction="tx").as_json(), BURST_ROW.as_json()]
    new = report.with_summary(text, rows)
    assert new == text.replace("old\n", report.summary(rows))
    assert report.with_summary(new, rows) == new


def test_the_page_of_rates_shows_what_was_measured():
    rows = json.loads((PROJECT / "docs" / "bench.json").read_text())
    text = (PROJECT / "docs" / "rates.md").read_text()
    assert report.SUMMARY_BEGIN in text
    assert report.with_summary(text, rows) == text


def test_measured_rates_are_at_the_limit_everywhere():
    rows = [row for row in json.loads((PROJECT / "docs" / "bench.json").read_text())
            if row["direction"] != mixes.DIRECTION]
    packets = [row for row in rows if row["direction"] != lso.DIRECTION]
    bursts = rows[len(packets):]
    counts = sorted({row["sas"] for row in packets})
    sizes = [*SIZES, IMIX_NAME, "random"]
    assert len(counts) > 1
    assert [(row["width"], row["sas"], row["size"], row["direction"]) for row in packets] == [
        *product(WIDTHS, counts, sizes, ("tx", "rx"))]
    shapes = [[(row["mss"], row["segments"]) for row in bursts if row["width"] == width]
              for width in WIDTHS]
    assert shapes[0] and shapes == len(WIDTHS) * shapes[:1]
    assert [row for row in rows if row["clocks_per_packet"] != row["limit_clocks"]] == []
    assert [row for row in packets if row["latency_clocks"] > LATENCY_MAX] == []


def test_every_known_mix_was_measured_and_worse_ones_searched():
    rows = [row for row in json.loads((PROJECT / "docs" / "bench.json").read_text())
            if row["direction"] == mixes.DIRECTION]
    assert [(row["width"], row["known"], row["side"], row["mix"]) for row in rows
            if row["known"]] == [
        (width, known.name, known.side, known.mix.in_words(known.side))
        for width in WIDTHS for known in KNOWN]
    found = [row for row in rows if not row["known"]]
    assert [(row["width"], row["side"]) for row in found] == [
        (width, side) for width in SEARCHED_WIDTHS for side in ("tx", "rx") for _ in range(WORST)]
    assert min(row["searched"] for row in found) >= command.MIXES


def test_table_fits_80_columns(capsys):
    wide = replace(ROW, size="random", sas=16384, clocks_per_packet=567.25, frame_bytes=9070)
    console = Console(width=80)
    console.print(report.packet_table(512, 250.0, [wide]))
    lines = capsys.readouterr().out.splitlines()
    assert "16,384" in lines[-1] and "567.25" in lines[-1] and "…" not in lines[-1]


def test_table_of_mixes_fits_80_columns_and_has_every_word(capsys):
    rate = SideRate(clocks=12345, limit=12000, stalls=10345, offered=24690)
    rows = [mixes.MixRow(512, known.side, known.mix, known.name, rate, 1, 1) for known in KNOWN]
    Console(width=80).print(report.mix_table(512, rows))
    out = capsys.readouterr().out
    assert all(len(line) <= 80 and "…" not in line for line in out.splitlines())
    words = " ".join(out.split())
    for known in KNOWN:
        waits = " 10,345" if known.side == "rx" else ""
        assert f"{known.side} 97.2%{waits} {known.name}: " in words


def test_table_of_bursts_fits_80_columns(capsys):
    wide = replace(BURST_ROW, mss=8960, segments=45, size="65440", sas=16384, width=512)
    console = Console(width=80)
    console.print(report.burst_table(512, 250.0, [wide]))
    lines = capsys.readouterr().out.splitlines()
    assert "65440 16,384 900.00 50.0%" in lines[-1] and "…" not in lines[-1]


@pytest.mark.parametrize(("arguments", "said"), [
    (["--width", "64"], "--width 64: expected one of 128, 256, 512"),
    (["--sas", "0"], "--sas 0: expected 1 to 65535"),
    (["--sas", "65536"], "--sas 65536: expected 1 to 65535"),
    (["--clock-mhz", "0"], "--clock-mhz 0.0: expected a finite number above 0"),
    (["--clock-mhz", "nan"], "--clock-mhz nan: expected a finite number above 0"),
    (["--clock-mhz", "inf"], "--clock-mhz inf: expected a finite number above 0"),
    (["--mixes", "-1"], "--mixes -1: expected 0 or more"),
    (["--plot", "rates.pdf"], "--plot rates.pdf: expected a name in .png or .svg"),
    (["--doc", "pyproject.toml"], "--doc pyproject.toml: expected a file with the lines "
     "<!-- rates: espnic bench --doc --> and <!-- end -->"),
    (["--doc", "captures/plain.tar.xz"], "--doc captures/plain.tar.xz: expected a file with the "
     "lines <!-- rates: espnic bench --doc --> and <!-- end -->"),
    (["--json", "nowhere/rates.json"],
     "--json nowhere/rates.json: no folder nowhere, expected one that exists"),
    (["--json", "/proc/x.json"],
     "--json /proc/x.json: No such file or directory, expected a file to write"),
    (["--plot", "/proc/x.svg"],
     "--plot /proc/x.svg: No such file or directory, expected a file to write"),
])
def test_bad_argument_costs_one_line(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(sys, "argv", ["espnic", "bench", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"espnic: {said}\n"


def test_command_writes_a_row_for_each_direction_workload_and_count(monkeypatch, tmp_path, capsys):
    def measure_width(request, width, clock_mhz, console):
        rows = [replace(ROW, width=width, sas=sas, clock_mhz=clock_mhz) for sas in request.sas]
        bursts = [replace(BURST_ROW, width=width, clock_mhz=clock_mhz)]
        rate = SideRate(clocks=1000, limit=500, stalls=0, offered=1000)
        known = mixes.MixRow(
            width, "tx", KNOWN[0].mix, "planted", rate, request.mixes, request.seed)
        return command.Measured(rows, bursts, Speed(10_000.0, 15_000.0, 100.0), [known],
                                mixes.Effort(30, 60_000, 1.5, 4.0))

    path = tmp_path / "rates.json"
    monkeypatch.setattr(command, "_measure_width", measure_width)
    monkeypatch.setattr(sys, "argv", [
        "espnic", "bench", "--quick", "--width", "512", "--json", str(path)])
    cli.main()
    *rows, mix = json.loads(path.read_text())
    assert [(row["direction"], row["width"], row["sas"], row["clock_mhz"]) for row in rows] == [
        ("rx", 512, 1, 250.0), ("rx", 512, 1024, 250.0), ("lso", 512, 3, 250.0)]
    assert (mix["direction"], mix["known"], mix["share"], mix["searched"]) == (
        "mix", "planted", 0.5, command.QUICK_MIXES)
    out = capsys.readouterr().out
    assert "1.50 times as many" in out
    assert "planted: " in out
    assert "30 mixes: 60,000 clocks in 2 s of the simulator, 40,000 clocks/s; 4 s in all" in out
    assert "payload" in out and " 40.00 50.0% " in out


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("quick", [True, False])
def test_whole_rounds_of_the_mix_are_measured(width, quick):
    mix, = (workload for workload in workloads(width, quick, 1)
            if workload.name == IMIX_NAME)
    measured = Counter(mix.sizes[warm_up(len(mix.sizes)):])
    rounds = measured[max(IMIX)]
    assert rounds and measured == Counter(IMIX * rounds)
