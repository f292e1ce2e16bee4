"""Interrupts sent on rising edges, devices that are pulled out, and answers that make no sense."""

from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest

from espnic.model.interface.codes import EVENT_QUEUE_DEPTH, EventKind, SaDirection
from espnic.model.interface.layouts import HANDLE_BITS
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux.bus import RegisterError, run
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import ALL_ONES, Hardware, Identity
from espnic.model.linux.interrupt import INTERRUPT_ROUNDS
from espnic.model.linux.xfrm import Limits
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import Bench, RecordingRegisters, inbound, outbound, refused
from tests.support.sas import make_sa

ACCESSES_MAX = 30_000
"""Accesses that no callback of the tests comes near."""


class EdgeRegisters(RecordingRegisters):
    """Registers with a detector of rising edges behind the interrupt.

    ``coming`` has the events that come before an access, by its number. ``failing`` has the numbers
    of accesses that are answered with SLVERR.
    """

    def __init__(self, file) -> None:
        super().__init__(file)
        self.level = False
        self.edges = 0
        self.accesses = 0
        self.coming: dict[int, int] = {}
        self.failing: set[int] = set()

    def sample(self) -> None:
        level = self._file.irq
        self.edges += level and not self.level
        self.level = level

    def event(self) -> None:
        self._file.device.events.push(EventKind.ESN_HALF, SaDirection.RX, 1)
        self.sample()

    def _pass(self) -> None:
        for _ in range(self.coming.get(self.accesses, 0)):
            self.event()
        self.accesses += 1
        assert self.accesses < ACCESSES_MAX, "the driver never ends"
        if self.accesses - 1 in self.failing:
            raise RegisterError("SLVERR")

    async def read(self, offset: int) -> int:
        self._pass()
        value = await super().read(offset)
        self.sample()
        return value

    async def write(self, offset: int, value: int) -> None:
        self._pass()
        await super().write(offset, value)
        self.sample()


class EdgeBench(Bench):
    Registers = EdgeRegisters

    def __init__(self, first: int, coming: dict[int, int]) -> None:
        super().__init__()
        self.add(inbound(make_sa(esn=True)))
        self.registers.accesses, self.registers.coming = 0, coming
        for _ in range(first):
            self.registers.event()

    def serve(self, handler) -> None:
        """Call the handler once for each edge, as long as there are any."""
        while self.registers.edges:
            self.registers.edges = 0
            run(handler())


def wakes_up(first, coming, once=False):
    """Whether all events are handled and the level is low when no edge is left."""
    bench = EdgeBench(first, coming)
    driver = bench.driver
    bench.serve(driver.handle_events if once else driver.handle_interrupt)
    total = first + sum(
        count for at, count in coming.items() if at < bench.registers.accesses)
    seen = driver.noticed["esn_halves"] + bench.engine.counters["events_lost"]
    lost_told = bool(bench.engine.counters["events_lost"]) == bool(
        driver.noticed["events_overflow"])
    return not bench.registers._file.irq and seen == total and lost_told


FULL = EVENT_QUEUE_DEPTH + 1
LAST_POP = 4 * EVENT_QUEUE_DEPTH - 2
"""Number of an access shortly before the last event of a full queue is taken off."""


def accesses_of(first, once=False):
    bench = EdgeBench(first, {})
    bench.serve(bench.driver.handle_events if once else bench.driver.handle_interrupt)
    return bench.registers.accesses


@pytest.mark.parametrize("first", [1, FULL])
def test_an_event_before_any_access_of_the_handler_is_handled_with_edges_only(first):
    count = accesses_of(first)
    for at in {*range(min(count, 6)), *range(min(LAST_POP, count - 6), count)}:
        assert wakes_up(first, {at: 1 + at % 2}), at


def test_two_events_before_any_two_accesses_are_handled_with_edges_only():
    count = accesses_of(1)
    for at in range(count):
        for then in range(at + 1, count + 8):
            assert wakes_up(1, {at: 1, then: 1}), (at, then)


def test_a_handler_that_does_not_look_again_is_never_called_again():
    count = accesses_of(FULL, once=True)
    assert not all(wakes_up(FULL, {at: 1}, once=True) for at in range(LAST_POP, count))


def test_a_device_that_makes_events_without_end_does_not_hold_the_handler():
    bench = EdgeBench(1, {})
    bench.registers.coming = dict.fromkeys(range(2_000), 1)
    bench.registers.edges = 0
    run(bench.driver.handle_interrupt())
    handled = bench.driver.noticed["esn_halves"]
    assert EVENT_QUEUE_DEPTH <= handled <= INTERRUPT_ROUNDS * EVENT_QUEUE_DEPTH
    assert bench.registers.edges, "the rest comes with another interrupt"
    bench.registers.coming = {}
    bench.serve(bench.driver.handle_interrupt)
    assert not len(bench.engine.events) and not bench.registers._file.irq


# Accesses that fail

def goes_on_after(first, failing):
    """Whether the handler, ended by an access that failed, is done when the work queue has run."""
    bench = EdgeBench(first, {})
    bench.registers.failing = {failing}
    bench.registers.edges = 0
    name = refused(lambda: run(bench.driver.handle_interrupt())).name
    run(bench.driver.run_work())
    done = not bench.registers._file.irq
    bench.registers.edges = 0
    bench.registers.event()
    bench.serve(bench.driver.handle_interrupt)
    handled = bench.driver.noticed["esn_halves"] + bench.engine.counters["events_lost"]
    return name == "EIO" and done and handled == first + 1


@pytest.mark.parametrize("first", [2, FULL])
def test_a_handler_that_a_failed_access_has_ended_goes_on_from_the_work_queue(first):
    count = accesses_of(first)
    for failing in {*range(min(count, 8)), *range(max(0, count - 40), count)}:
        assert goes_on_after(first, failing), failing


def test_when_a_read_of_an_sa_fails_the_limits_of_no_sa_are_overlooked():
    for failing in range(1, 30):
        bench = EdgeBench(0, {})
        states = [bench.add(outbound(make_sa(seed=seed), limits=Limits(soft_packets=1)))
                  for seed in (5, 6)]
        for x in states:
            bench.transmit(bench.host.output.send(x, clear_packet(4), bench.device).requests[0])
        while len(bench.engine.events):
            bench.engine.events.pop()
        bench.engine.events.overflowed = True
        bench.registers.failing = {bench.registers.accesses + failing}
        run_or_refused(bench.driver.handle_interrupt)
        run_or_refused(bench.driver.run_work)
        assert {x for x, _hard in bench.host.expired.told} == set(states), failing


def test_whichever_access_fails_software_takes_over_from_a_cipher_that_has_failed():
    bench = failed_cipher_bench()
    run_or_refused(bench.driver.handle_interrupt)
    for failing in range(bench.registers.accesses):
        bench = failed_cipher_bench()
        bench.registers.failing = {failing}
        run_or_refused(bench.driver.handle_interrupt)
        run_or_refused(bench.driver.run_work)
        assert not bench.device.features, failing
        assert all(x.offload.handle == 0 for x in bench.host.states), failing


def failed_cipher_bench():
    """A host with receive SAs, whose device has just failed a self-test."""
    bench = EdgeBench(0, {})
    bench.add(inbound(make_sa(seed=7)))
    bench.engine.broken.add(SaDirection.RX)
    bench.engine.self_test()
    bench.registers.accesses = 0
    return bench


def run_or_refused(callback):
    """Run a callback, which may end with an errno."""
    with suppress(LinuxError):
        run(callback())


# Devices that are pulled out

class PulledRegisters(RecordingRegisters):
    """Registers of a device that is gone from access ``gone_at`` on: every read is all ones."""

    def __init__(self, file) -> None:
        super().__init__(file)
        self.accesses = 0
        self.gone_at = ACCESSES_MAX

    def _gone(self) -> bool:
        self.accesses += 1
        assert self.accesses < ACCESSES_MAX, "the driver never ends"
        return self.accesses > self.gone_at

    async def read(self, offset: int) -> int:
        return ALL_ONES if self._gone() else await super().read(offset)

    async def write(self, offset: int, value: int) -> None:
        if not self._gone():
            await super().write(offset, value)


class PulledBench(Bench):
    Registers = PulledRegisters


def busy_bench():
    """A host with SAs and events, whose driver has work to do."""
    bench = PulledBench(device_window=False)
    x = bench.add(inbound(make_sa(esn=True), limits=Limits(soft_packets=9)))
    y = bench.add(outbound(make_sa(seed=2)))
    for _ in range(2):
        bench.engine.events.push(EventKind.SOFT_LIMIT, SaDirection.RX, x.offload.handle)
    bench.engine.events.overflowed = True
    x.window.advance((1 << 32) + 100)
    bench.driver.advance_esn(x)
    run(bench.driver.state_delete(y))
    return bench, x, y


def add_to(bench):
    return bench.host.add(inbound(make_sa(seed=3)), bench.device)


CALLBACKS = {
    "probe": lambda bench, _x, _y: bench.driver.probe(),
    "state_add": lambda bench, _x, _y: add_to(bench),
    "state_delete": lambda bench, x, _y: bench.driver.state_delete(x),
    "state_free": lambda bench, _x, y: bench.driver.state_free(y),
    "update_stats": lambda bench, x, _y: bench.driver.update_stats(x),
    "statistics": lambda bench, _x, _y: bench.driver.ethtool_statistics(),
    "run_work": lambda bench, _x, _y: bench.driver.run_work(),
    "handle_events": lambda bench, _x, _y: bench.driver.handle_events(),
    "handle_interrupt": lambda bench, _x, _y: bench.driver.handle_interrupt(),
    "set_features": lambda bench, _x, _y: bench.driver.set_features(set()),
    "down": lambda bench, _x, _y: bench.driver.down(),
    "restore": lambda bench, _x, _y: bench.driver.restore(),
    "self_test": lambda bench, _x, _y: bench.driver.self_test(),
    "up": lambda bench, _x, _y: bench.driver.up(),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_p34_whenever_the_device_is_pulled_out_a_callback_ends_with_an_errno(name):
    bench, x, y = busy_bench()
    bench.registers.accesses = 0
    run(CALLBACKS[name](bench, x, y))
    count = bench.registers.accesses
    ended = set()
    for gone_at in range(count):
        bench, x, y = busy_bench()
        bench.registers.accesses, bench.registers.gone_at = 0, gone_at
        try:
            run(CALLBACKS[name](bench, x, y))
            ended.add("0")
        except LinuxError as error:
            ended.add(error.name)
    reads = name not in ("up",)
    assert ended <= {"0", "EIO", "ENODEV", "ETIMEDOUT"} and (not reads or ended - {"0"})


def test_statistics_of_a_pulled_device_are_an_error_and_no_numbers():
    bench, _x, _y = busy_bench()
    bench.registers.accesses, bench.registers.gone_at = 0, 0
    assert refused(lambda: run(bench.driver.ethtool_statistics())).name == "EIO"


def test_a_counter_of_all_ones_is_a_counter():
    bench = Bench()
    bench.engine.counters["rx_ok"] = (1 << 64) - 1
    assert run(bench.driver.hardware.counters())["rx_ok"] == (1 << 64) - 1


def test_p34_a_device_whose_event_register_alone_is_broken_does_not_hold_the_handler(monkeypatch):
    bench = Bench()
    read, count = bench.registers.read, [0]

    async def ones(offset):
        count[0] += 1
        assert count[0] < ACCESSES_MAX, "the driver never ends"
        return ALL_ONES if offset == BY_NAME["EVENT"].offset else await read(offset)
    monkeypatch.setattr(bench.registers, "read", ones)
    refusal = refused(lambda: run(bench.driver.handle_interrupt()))
    assert refusal.name == "EIO" and "EVENT_POP" in refusal.reason


def test_an_event_of_an_unknown_kind_is_counted_and_taken_off(monkeypatch):
    bench = Bench()
    bench.engine.events.push(EventKind.ESN_HALF, SaDirection.RX, 1)
    bench.engine.events._events[0]["kind"] = 15
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed == {"events_unknown": 1} and not len(bench.engine.events)


# Odd capabilities

class OddRegisters(RecordingRegisters):
    """Registers of which some read as ``odd`` says, by their offset."""

    def __init__(self, file) -> None:
        super().__init__(file)
        self.odd: dict[int, int] = {}

    async def read(self, offset: int) -> int:
        value = await super().read(offset)
        return self.odd.get(offset, value)


class OddBench(Bench):
    Registers = OddRegisters


def probed(bench, odd) -> Identity:
    bench.registers.odd = odd
    driver = EspnicDriver(Hardware(bench.registers), Random(2), bench.host.expired)
    run(driver.probe())
    return driver.identity


def with_field(register, name, value):
    field = next(field for field in BY_NAME[register].fields if field.name == name)
    word = run(OddBench().registers.read(BY_NAME[register].offset))
    return {BY_NAME[register].offset: word & ~field.mask | value << field.low & field.mask}


@pytest.mark.parametrize("register, name, value", [
    ("CAPABILITIES", "width", 0), ("CAPABILITIES", "width", 129),
    ("CAPABILITIES", "key_sizes", 0), ("CAPABILITIES", "icv_sizes", 0),
    ("CAPABILITIES", "replay_window_max", 15), ("SAS", "sas", 0), ("SAS", "sas", 1),
    ("SAS", "sas", (1 << HANDLE_BITS) + 1), ("SAS", "sas", (1 << HANDLE_BITS + 1) - 1),
])
def test_odd_capabilities_are_enodev(register, name, value):
    error = refused(lambda: probed(OddBench(), with_field(register, name, value)))
    assert error.name == "ENODEV" and name in error.reason


def test_the_most_handles_that_a_command_can_name_are_no_odd_capability():
    assert probed(OddBench(), with_field("SAS", "sas", 1 << HANDLE_BITS)).sas == 1 << HANDLE_BITS


def test_whatever_the_capabilities_read_probe_gives_an_identity_or_enodev():
    print("seed 5")
    random = Random(5)
    places = [BY_NAME[name].offset for name in ("CAPABILITIES", "SAS")]
    good = 0
    for _ in range(300):
        bench = OddBench()
        word = run(bench.registers.read(places[0]))
        odd = {places[0]: word ^ 1 << random.randrange(32) ^ 1 << random.randrange(32),
               places[1]: random.choice((0, 1, 2, 16, random.getrandbits(17)))}
        try:
            good += probed(bench, odd).sas > 1
        except LinuxError as error:
            assert error.name == "ENODEV"
    assert 0 < good < 300


def test_a_build_of_no_direction_has_no_features():
    odd = with_field("CAPABILITIES", "has_receive", 0)
    assert probed(OddBench(), odd) == replace(probed(OddBench(), {}), features=())
