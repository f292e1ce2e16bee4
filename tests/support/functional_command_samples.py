"""Replays of SA commands that hit every bin of theirs."""

from dataclasses import replace
from itertools import count

from espnic.model.interface.codes import SaDirection, SaOperation, SaSelect
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.coverage import bins
from espnic.sim.coverage.functional_exclusions import wanted
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import Command, RxFrame
from tests.support.functional_samples import Sample, every_kind, features, text
from tests.support.functional_tx_samples import layout, request, super_frame
from tests.support.sas import make_sa

RX, TX = SaDirection.RX, SaDirection.TX
SIDES = {"rx": RX, "tx": TX}


def samples():
    """All replays."""
    yield from (added(), results(), conditions(), modified(), limits(), events())
    yield from parts()


def command(operation, direction, handle, sa=None, select=SaSelect.NOTHING, **change):
    return Command(command_values(operation, direction, handle, sa, select) | change)


def add(direction, handle, sa=None, **change):
    sa = sa or make_sa(seed=handle, spi=handle + 1000)
    return command(SaOperation.ADD, direction, handle, sa, **change)


def added():
    steps = []
    for kept, handles in (("software", RX), ("window", RX), ("guarded", TX), ("unguarded", TX)):
        sas = every_kind(device_window=kept == "window", unguarded=kept == "unguarded")
        for handle, sa in enumerate(sas, start=1):
            at = handle + 100 * (kept in ("window", "unguarded"))
            steps.append(add(handles, at, replace(sa, spi=at)))
    return Sample(steps, features())


def results():
    """Every result of every command: what leads to it, then the command in the phase wanted."""
    steps, phases, handles = [], [], count(1)
    for operation, side, result, phase in wanted()["command"]:
        direction, handle = SIDES[side], next(handles)
        # No command of the name "other" has the number 7.
        number = SaOperation[operation] if operation != "other" else 7
        first, change = [], {}
        if operation in ("DELETE", "MODIFY", "READ", "FREE") and result != "ENOENT":
            first = [add(direction, handle)]
        if result == "EEXIST":
            first = [add(direction, handle)]
        if operation == "FREE" and result == "OK":
            first.append(command(SaOperation.DELETE, direction, handle))
        if result == "EINVAL":
            change["reserved"] = 1
        if result == "EOPNOTSUPP":
            change["replay_window"] = 6
        select = SaSelect.SOFT if operation == "MODIFY" else SaSelect.NOTHING
        sa = make_sa(seed=handle, spi=handle)
        steps += [*first, command(number, direction, handle, sa, select, **change)]
        phases += ["idle"] * len(first) + [phase]
    return Sample(steps, features(), phases)


def conditions():
    steps = []
    build = features()
    for direction in (RX, TX):
        extended = make_sa(seed=3, spi=3, esn=True)
        window = make_sa(seed=4, spi=4, esn=True, device_window=True)
        modify = SaOperation.MODIFY
        steps += [
            add(direction, 1), add(direction, build.sas - 1), add(direction, 2),
            add(direction, 3, extended), add(direction, 4, window), add(direction, 0),
            add(direction, build.sas), add(direction, 1), add(direction, 5, make_sa(spi=1002)),
            command(SaOperation.FREE, direction, 2), command(SaOperation.DELETE, direction, 2),
            add(direction, 2, make_sa(seed=9, spi=9)), command(SaOperation.DELETE, direction, 2),
            command(SaOperation.READ, direction, 77),
            *(add(direction, 20, **change) for change in (
                {"key_size": 3}, {"icv_size": 3}, {"replay_window": 9}, {"replay_window": 6},
                {"spi": 0}, {"destination": 1 << 40}, {"reserved": 1}, {"select": 8},
                {"replay_window": 1, "sequence": 2**32 - 1})),
            *(command(modify, direction, handle, extended, SaSelect(select))
              for handle, select in ((1, 0), (1, 1), (3, 1), (4, 1))),
            command(0, direction, 1), command(9, direction, 1)]
    return Sample(steps, build)


def modified():
    steps, handles = [], count(1)
    for side, select, numbering, _result in wanted()["command.modify"]:
        handle = next(handles)
        sa = make_sa(seed=handle, spi=handle, esn=numbering != "32 bits",
                     device_window=numbering == "window")
        steps += [add(SIDES[side], handle, sa),
                  command(SaOperation.MODIFY, SIDES[side], handle, sa,
                          SaSelect(bins.SELECT.index(select)))]
    return Sample(steps, features())


def limits():
    """A limit of three packets, or of as many bytes, reached in every way."""
    steps, handles = [], count(1)
    for side, limit, unit, set_by, how in wanted()["sa.limit"]:
        handle, text_bytes = next(handles), len(text())
        served = {"packets": 1, "bytes": text_bytes}[unit]
        value = {"exactly": 3 * served, "beyond": 3 * served - 1, "was there": served}[how]
        if side == "tx" and unit == "packets":
            value = 3
        limited = Limits(**{f"{limit}_{unit}": value})
        sa = make_sa(seed=handle, spi=handle)
        steps.append(add(SIDES[side], handle, replace(sa, limits=limited)
                         if set_by == "ADD" else sa))
        steps.append(_served(side, sa, handle, 1))
        if set_by == "MODIFY":
            select = SaSelect.SOFT if limit == "soft" else SaSelect.HARD
            steps.append(command(SaOperation.MODIFY, SIDES[side], handle,
                                 replace(sa, limits=Limits(**{f"{limit}_{unit}": 1}))
                                 if how == "was there" else replace(sa, limits=limited), select))
        steps.append(_served(side, sa, handle, 2))
        if side == "tx" and unit == "packets" and how == "beyond":
            steps.append(super_frame(sa, layout(), 40, mss=20, handle=handle, sequence=3))
        else:
            steps.append(_served(side, sa, handle, 3))
    return Sample(steps, features())


def _served(side, sa, handle, sequence):
    """A frame that an SA serves, with a text of always as many bytes."""
    if side == "rx":
        return RxFrame(frames.sealed(sa, text(), sequence))
    return request(sa, handle=handle, sequence=sequence, next_header=4,
                   payload=bytes(len(text())))


def events():
    steps = []
    sa = make_sa(esn=True, device_window=True, initial_seq=2**31 - 1)
    steps += [add(RX, 1, sa), *(RxFrame(frames.sealed(sa, text(), 2**31 + by)) for by in (-1, 0))]
    again = make_sa(seed=2)
    steps += [add(TX, 1, again), *[request(again, sequence=1)] * 3]
    return Sample(steps, features())


def parts():
    """Builds without a part, and what they say of it."""
    four, six = make_sa(), make_sa(6)
    lso = super_frame(four, layout(), 40, mss=20)
    yield Sample([add(TX, 1, four), lso], features(lso=False))
    yield Sample([add(RX, 1, six), RxFrame(frames.sealed(six, text()))], features(ipv6=False))
    yield Sample([add(RX, 1, four)], features(receive=False, replay_window=0))
    yield Sample([add(TX, 1, four)], features(transmit=False, lso=False))
