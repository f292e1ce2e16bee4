"""Random commands for the SA table, what the datapath must see of it, and its memories."""

import random
import re
from collections.abc import Sequence

from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.lib import wiring

from espnic.hdl.layouts import SERIAL_BITS, hash_power_count
from espnic.model.crypto import gcm
from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    Encapsulation,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaSelect,
)
from espnic.model.interface.layouts import (
    HANDLE_BITS,
    LIMITS,
    LOOKUP_KEY,
    SUPER_LENGTH_BITS,
    Field,
    Layout,
)
from espnic.model.net.addresses import address_of, lookup_key
from espnic.model.sa.sa import DEVICE_WINDOWS, SecurityAssociation
from espnic.model.sa.table import SaTable

LOOKED_UP = Layout("looked_up", (
    Field("hit", 1, ""), Field("fault", 1, ""), Field("sa", HANDLE_BITS, ""),
    Field("serial", SERIAL_BITS, ""),
))
"""``hdl.sa.lookup.LookedUp`` as a layout of integers."""
COMMIT = Layout("commit", (
    Field("count", 1, ""), Field("packets", SUPER_LENGTH_BITS, ""),
    Field("bytes", SUPER_LENGTH_BITS, ""), Field("sequence", 64, ""),
))
"""``hdl.sa.usage.UsageCommit`` as a layout of integers."""


CONTEXT = Layout("sa_context", (
    Field("valid", 1, ""), Field("serial", SERIAL_BITS, ""), Field("key_size", 2, ""),
    Field("icv_size", 2, ""), Field("esn", 1, ""), Field("esn_overlap", 1, ""),
    Field("replay_window", 4, ""), Field("esn_high", 32, ""), Field("spi", 32, ""),
))
"""``hdl.layouts.SaContext`` as a layout of integers."""
FOUND = Layout("found_sa", (
    Field("hit", 1, ""), Field("fault", 1, ""), Field("sa", HANDLE_BITS, ""),
    Field("context", CONTEXT.bits, ""),
))
"""``hdl.layouts.FoundSa`` as a layout of integers."""


def secrets_layout(lanes: int) -> Layout:
    """``hdl.layouts.sa_secrets`` as a layout of integers."""
    return Layout("sa_secrets", (
        Field("salt", 32, ""), Field("seqiv_salt", 64, ""), Field("key", 256, ""),
        Field("powers", 128 * hash_power_count(lanes), ""),
    ))


def secret_row_layout(lanes: int) -> Layout:
    """The ``row`` of ``hdl.layouts.secret_port`` as a layout of integers."""
    return Layout("secret_row", (
        Field("present", 1, ""), Field("serial", SERIAL_BITS, ""),
        Field("secrets", secrets_layout(lanes).bits, ""),
    ))


def context_of(sa: SecurityAssociation, direction: SaDirection) -> int:
    """The packed context of an SA with serial 0; fields its direction does not use are 0."""
    receive = direction == SaDirection.RX
    return CONTEXT.pack({
        "valid": 1,
        "key_size": sa.key_size,
        "icv_size": sa.icv,
        "esn": sa.esn,
        "esn_overlap": sa.esn_overlap if receive else 0,
        "replay_window": window_code(sa) if receive else 0,
        "esn_high": sa.esn_high if receive else 0,
        "spi": sa.spi,
    })


def secrets_of(sa: SecurityAssociation, direction: SaDirection, lanes: int) -> int:
    """The packed secrets of an SA; fields its direction does not use are 0."""
    receive = direction == SaDirection.RX
    powers = gcm.hash_powers(sa.key, hash_power_count(lanes))
    return secrets_layout(lanes).pack({
        "salt": int.from_bytes(sa.salt, "big"),
        "seqiv_salt": 0 if receive else int.from_bytes(sa.seqiv_salt or b"", "big"),
        "key": int.from_bytes(sa.key, "little"),
        "powers": int.from_bytes(b"".join(powers), "little"),
    })


def window_code(sa: SecurityAssociation) -> ReplayWindow:
    """The size of the replay window that the device keeps."""
    return DEVICE_WINDOWS[sa.replay_window] if sa.device_window else ReplayWindow.NONE


class ExpectedAnswers:
    """Answers to the datapath for each look-up key and handle, from the model's tables.

    ``None`` is a miss, else (handle, packed context, packed secrets).
    """

    def __init__(self, device: Device, lanes: int) -> None:
        self._device = device
        self._lanes = lanes
        self._known: dict[tuple[SecurityAssociation, SaDirection], tuple[int, int]] = {}

    def receive(self, key: int) -> tuple[int, int, int] | None:
        """For a packed LOOKUP_KEY."""
        fields = LOOKUP_KEY.unpack(key)
        handle = self._device.sas[SaDirection.RX].look_up(
            address_of(fields["destination"], fields["ipv6"]),
            Encapsulation(fields["encapsulation"]), fields["spi"])
        return self._answer(self._device.sas[SaDirection.RX], SaDirection.RX, handle)

    def transmit(self, handle: int) -> tuple[int, int, int] | None:
        """For a handle."""
        return self._answer(self._device.sas[SaDirection.TX], SaDirection.TX, handle)

    def _answer(
        self, table: SaTable, direction: SaDirection, handle: int,
    ) -> tuple[int, int, int] | None:
        sa = table.get(handle)
        if sa is None:
            return None
        key = (sa, direction)
        if key not in self._known:
            self._known[key] = (
                context_of(sa, direction), secrets_of(sa, direction, self._lanes))
        return handle, *self._known[key]


def random_lookup_keys(chance: random.Random, count: int) -> list[int]:
    """Packed look-up keys, half of them of one destination, in families of near neighbours."""
    keys = []
    for _ in range(count):
        ipv6 = chance.randrange(2)
        destination = chance.choice([0xC0A80001, chance.getrandbits(128 if ipv6 else 32)])
        keys.append(LOOKUP_KEY.pack({
            "destination": destination, "ipv6": ipv6, "encapsulation": chance.randrange(2),
            "spi": chance.randrange(1, 1 << 32),
        }))
    return keys


def memories_of(component: wiring.Component) -> list[tuple[int, int]]:
    """Width in bits and rows of each memory of an elaborated design, ROMs too."""
    text = rtlil.convert(Fragment.get(component, None), ports=[])
    return [(int(width), int(rows))
            for width, rows in re.findall(r"^ *memory width (\d+) size (\d+) ", text, re.MULTILINE)]


def random_command(
    chance: random.Random, keys: Sequence[int], handles: Sequence[int],
) -> dict[str, int]:
    """Fields of SA_COMMAND: mostly sensible, sometimes with sizes or operations that are not.

    Every field is filled, those that do not matter with noise.
    """
    often = [operation for operation in SaOperation if operation != SaOperation.FLUSH]
    operation = chance.choice([*often, *3 * [SaOperation.ADD], SaOperation.FREE])
    key_size = chance.choice(list(KeySize))
    values = {
        "operation": int(operation),
        "direction": chance.randrange(2),
        "sa": chance.choice(handles),
        "key_size": int(key_size),
        "icv_size": int(chance.choice(list(IcvSize))),
        "esn": chance.randrange(2),
        "esn_overlap": chance.randrange(2),
        "select": chance.choice([*SaSelect, chance.randrange(8)]),
        "reserved": 0,
        "esn_high": chance.getrandbits(32),
        "replay_window": chance.choice([0, 0, 0, *ReplayWindow]),
        "sequence": chance.choice([0, chance.getrandbits(32)]),
        **{limit.name: chance.getrandbits(64) for limit in LIMITS},
        **LOOKUP_KEY.unpack(chance.choice(keys)),
        "salt": chance.getrandbits(32),
        "seqiv_salt": chance.getrandbits(64),
        "key": chance.getrandbits(8 * key_size.bytes),
    }
    if values["esn"] and chance.random() < 0.5:
        values["sequence"] = chance.getrandbits(64)
    if chance.random() < 0.05:
        values["operation"] = chance.choice([0, 7, SaOperation.FLUSH])
    if chance.random() < 0.05:
        values[chance.choice(["key_size", "icv_size"])] = 3
    if chance.random() < 0.05:
        values |= chance.choice([
            # Bits of the doorbell: those of SA_ATTRIBUTES stay for the commands after it.
            {"reserved": 1 << chance.randrange(19, 26)}, {"select": chance.randrange(8, 16)}])
    if chance.random() < 0.05:
        values |= chance.choice([
            {"spi": 0}, {"ipv6": 0, "destination": 1 << 32}, {"replay_window": 7},
            {"direction": 1, "replay_window": 1, "esn": 1, "sequence": (1 << 64) - 1},
            {"direction": 1, "replay_window": 1, "esn": 0, "sequence": (1 << 32) - 1},
            {"direction": 1, "esn": 1, "sequence": (1 << 64) - 1},
            {"direction": 1, "esn": 0, "sequence": (1 << 32) - chance.randrange(2)}])
    return values


__all__ = [
    "CONTEXT", "FOUND", "ExpectedAnswers", "context_of", "lookup_key", "memories_of",
    "random_command", "random_lookup_keys", "secret_row_layout", "secrets_layout", "secrets_of",
]
