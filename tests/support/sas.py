"""SAs for the tests, from a seed."""

from ipaddress import ip_address
from random import Random
from typing import Any

from espnic.model.device.device import Device
from espnic.model.interface.codes import Encapsulation, IcvSize, SaDirection, SaOperation, SaResult
from espnic.model.interface.features import WINDOWS, Features
from espnic.model.sa.sa import SecurityAssociation, command_values

ADDRESSES = {
    4: (ip_address("192.0.2.1"), ip_address("192.0.2.2")),
    6: (ip_address("2001:db8:0:1::1"), ip_address("2001:db8:0:1::2")),
}


def make_sa(family: int = 4, key_bytes: int = 16, seed: int = 1, **change: Any):
    """A tunnel SA over IPv4 or IPv6 with random secrets; ``change`` overrides any field."""
    rng = Random(seed)
    source, destination = ADDRESSES[family]
    fields: dict[str, Any] = {
        "name": "ab",
        "spi": rng.randrange(256, 1 << 32),
        "source": source,
        "destination": destination,
        "inner_family": family,
        "key": rng.randbytes(key_bytes),
        "salt": rng.randbytes(4),
        "seqiv_salt": rng.randbytes(8),
    }
    return SecurityAssociation(**fields | change)


def all_kinds_of_sa():
    """One SA for each outer family, encapsulation and ESN, key and ICV sizes mixed in."""
    return [
        make_sa(family, key_bytes, seed=seed, encapsulation=encapsulation, esn=esn, icv=icv)
        for seed, (family, key_bytes, encapsulation, esn, icv) in enumerate((
            (4, 16, Encapsulation.NONE, False, IcvSize.ICV16),
            (4, 24, Encapsulation.UDP, True, IcvSize.ICV12),
            (6, 32, Encapsulation.NONE, True, IcvSize.ICV8),
            (6, 16, Encapsulation.UDP, False, IcvSize.ICV16),
        ))
    ]


def device_with(*sas: SecurityAssociation, size: int = 16) -> Device:
    """A device that has these SAs for both directions, at handles 1, 2, ..."""
    device = Device(Features(sas=size, replay_window=max(WINDOWS)))
    for handle, sa in enumerate(sas, start=1):
        for direction in SaDirection:
            values = command_values(SaOperation.ADD, direction, handle, sa)
            assert device.command(values) == SaResult.OK
    return device


def sa_id(sa: SecurityAssociation) -> str:
    """A short name of an SA for pytest."""
    esn = "esn" if sa.esn else "seq32"
    return f"v{sa.outer_family}-{sa.encapsulation.name}-{esn}-{sa.icv.name}-{sa.key_size.name}"
