"""Figures of ``espnic bench``: what is counted, against values from elsewhere; bad arguments."""

import json
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from model.codes import RxStatus
from model.layouts import RX_COMPLETION
from sim import cli, rate, rate_report
from sim.play import Passage, Played
from sim.problem import SimulationError
from sim.rate import Row
from sim.steps import Received

FRAME_BYTES = 160
BEATS = 10
ROW = Row(direction="rx", width=128, size="90", sas=3, frame_bytes=FRAME_BYTES,
          clocks_per_packet=20.0, limit_clocks=10.0, latency_clocks=7, first_beat_clocks=7,
          clock_mhz=250.0)


def passages(count, clocks):
    """Frames of ``BEATS`` beats that leave one each so many clocks."""
    return [Passage(first_in=BEATS * n, last_in=BEATS * n + BEATS - 1,
                    first_out=clocks * n + 20, last_out=clocks * n + 20 + BEATS - 1)
            for n in range(count)]


@pytest.mark.parametrize("clocks", [BEATS, BEATS + 1])
def test_clocks_a_packet_are_those_between_ends_of_frames(clocks):
    frames = [BEATS] * 8
    assert rate.steady(passages(8, clocks), frames, frames) == (clocks, BEATS)


def test_one_clock_lost_behind_the_warm_up_is_seen():
    frames = [BEATS] * 8
    late = passages(8, BEATS)
    late[5:] = [replace(passage, last_out=passage.last_out + 1) for passage in late[5:]]
    clocks, limit = rate.steady(late, frames, frames)
    assert clocks > limit


def test_limit_is_that_of_the_side_with_more_beats():
    short, long = [BEATS] * 8, [BEATS + 1] * 8
    for given, came in ((short, long), (long, short)):
        assert rate.steady(passages(8, 12), given, came)[1] == BEATS + 1


def test_a_byte_more_than_a_beat_takes_another():
    assert [rate.beats(bytes(FRAME_BYTES + more), 128) for more in (0, 1)] == [BEATS, BEATS + 1]


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


def test_sealed_and_opened_frames_are_told_from_wrong_ones():
    traffic = rate.Traffic(rate.make_sas(3, 1), 1)
    _, sealed, opened = zip(*(traffic.next(size) for size in (64, 65)), strict=True)
    job = rate.Job("two", 3, None, sealed, opened)
    good = Received(RX_COMPLETION.unpack(RX_COMPLETION.pack({"status": RxStatus.OK})), b"")
    right = [replace(good, frame=frame) for frame in opened]
    rate.check_frames(job, Played(right, list(sealed)))
    with pytest.raises(SimulationError, match="tx: frame 1 of two"):
        rate.check_frames(job, Played(right, [sealed[0], sealed[0]]))
    with pytest.raises(SimulationError, match="rx: frame 0 of two is OK"):
        rate.check_frames(job, Played([right[1], right[1]], list(sealed)))
    bad = replace(right[1], completion=good.completion | {"status": RxStatus.AUTH_FAILED})
    with pytest.raises(SimulationError, match="rx: frame 1 of two is AUTH_FAILED"):
        rate.check_frames(job, Played([right[0], bad], list(sealed)))


@pytest.mark.parametrize("count", [1, 1024, 16384])
def test_every_packet_has_another_sa_than_the_one_before(count):
    traffic = rate.Traffic(rate.make_sas(count, 1), 1)
    handles = [traffic.next(40)[0].descriptor["sa"] for _ in range(50)]
    assert count == 1 or len(set(handles)) == len(handles)
    assert rate.table_size(count) > max(handles)


def test_mixes_begin_with_their_longest_packet():
    for workload in rate.workloads(128, True, 1):
        assert workload.sizes[0] == max(workload.sizes)
        assert len(workload.sizes) > 1


@pytest.mark.parametrize("suffix", rate_report.PLOT_SUFFIXES)
def test_plot_is_drawn(tmp_path, suffix):
    path = tmp_path / f"rates{suffix}"
    rate_report.plot([ROW, replace(ROW, direction="tx", width=512, size="1500")], path)
    head = path.read_bytes()[:300]
    assert head.startswith(b"\x89PNG") if suffix == ".png" else b"svg" in head


def test_summary_shows_the_worst_of_directions_and_counts():
    worst = replace(ROW, direction="tx", sas=16384, clocks_per_packet=40.0, latency_clocks=3)
    wide = replace(ROW, width=512, size="IMIX", clocks_per_packet=10.0)
    narrow = replace(wide, width=128)
    rows = [replace(row, size=size) if size else row for row in (ROW, worst)
            for size in ("", "1500")]
    rows += [replace(row, width=512, clocks_per_packet=10.0) for row in rows] + [narrow, wide]
    lines = rate_report.summary([row.as_json() for row in rows]).splitlines()
    assert lines[2:6] == [
        "| packet | 128: clocks | 128: of limit | 128: Gb/s "
        "| 512: clocks | 512: of limit | 512: Gb/s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 90 bytes | 40.00 | 25.0% | 8.0 | 10.00 | 100.0% | 32.0 |",
        "| 1500 bytes | 40.00 | 25.0% | 8.0 | 10.00 | 100.0% | 32.0 |"]
    assert lines[6].startswith("| IMIX | 10.00 |")
    assert "with 3, 16,384 SAs" in lines[0] and "128 bits at 250 MHz" in lines[0]
    assert lines[-1].endswith("128 bits tx 3, rx 7; 512 bits tx 3, rx 7.")


def test_summary_takes_the_place_of_the_one_before():
    text = f"a\n{rate_report.SUMMARY_BEGIN}\nold\n{rate_report.SUMMARY_END}\nb\n"
    new = rate_report.with_summary(text, "new \\1")
    assert new == text.replace("old", "new \\1")
    assert rate_report.with_summary(new, "old") == text


def test_table_fits_80_columns(capsys):
    wide = replace(ROW, size="random", sas=16384, clocks_per_packet=567.25, frame_bytes=9070)
    console = Console(width=80)
    console.print(rate_report._table(512, 250.0, [wide]))
    lines = capsys.readouterr().out.splitlines()
    assert "16,384" in lines[-1] and "567.25" in lines[-1] and "…" not in lines[-1]


@pytest.mark.parametrize(("arguments", "said"), [
    (["--width", "64"], "--width 64: expected one of 128, 256, 512"),
    (["--sas", "0"], "--sas 0: expected 1 to 65535"),
    (["--sas", "65536"], "--sas 65536: expected 1 to 65535"),
    (["--clock-mhz", "0"], "--clock-mhz 0.0: expected more than 0"),
    (["--plot", "rates.pdf"], "--plot rates.pdf: expected a name in .png or .svg"),
    (["--doc", "pyproject.toml"], "--doc pyproject.toml: expected a file with the lines "
     "<!-- espnic bench --doc --> and <!-- end -->"),
    (["--json", "nowhere/rates.json"], "nowhere/rates.json: expected its folder to be there"),
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
        return rows, rate.Speed(10_000.0, 15_000.0, 100.0)

    path = tmp_path / "rates.json"
    monkeypatch.setattr(rate_report, "_measure_width", measure_width)
    monkeypatch.setattr(sys, "argv", [
        "espnic", "bench", "--quick", "--width", "512", "--json", str(path)])
    cli.main()
    rows = json.loads(path.read_text())
    assert [(row["width"], row["sas"], row["clock_mhz"]) for row in rows] == [
        (512, 1, 250.0), (512, 1024, 250.0)]
    assert "1.50 times as many" in capsys.readouterr().out
