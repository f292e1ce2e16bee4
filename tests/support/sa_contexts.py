"""SAs as the SA store hands them to the paths, from the model's SAs."""

import random
from ipaddress import IPv4Address

from espnic.hdl.layouts import hash_powers, lanes_of
from espnic.model.interface.codes import IcvSize, KeySize
from espnic.model.sa.sa import DEVICE_WINDOWS, SecurityAssociation
from tests.support.sa_table import window_code


def random_sa(chance: random.Random) -> SecurityAssociation:
    """An SA of any key size, ICV size, kind of sequence number and replay window."""
    return SecurityAssociation(
        spi=chance.randrange(1, 1 << 32),
        source=IPv4Address("192.0.2.1"),
        destination=IPv4Address("198.51.100.7"),
        key=chance.randbytes(chance.choice(list(KeySize)).bytes),
        salt=chance.randbytes(4),
        icv=chance.choice(list(IcvSize)),
        esn=chance.random() < 0.5,
        esn_high=chance.choice((0, 7, 2**32 - 1, chance.getrandbits(32))),
        esn_overlap=chance.random() < 0.5,
        seqiv_salt=chance.randbytes(8),
        device_window=chance.random() < 0.5,
        replay_window=chance.choice(list(DEVICE_WINDOWS)),
    )


def context(sa: SecurityAssociation, serial: int) -> dict[str, int]:
    """The fields of ``SaContext``."""
    return {
        "valid": 1,
        "serial": serial,
        "key_size": sa.key_size,
        "icv_size": sa.icv,
        "esn": sa.esn,
        "esn_overlap": sa.esn_overlap,
        "replay_window": window_code(sa),
        "esn_high": sa.esn_high,
        "spi": sa.spi,
    }


def secrets(sa: SecurityAssociation, powers: int) -> dict[str, int]:
    """The fields of ``sa_secrets``; ``powers`` stand for the powers of the hash subkey."""
    assert sa.seqiv_salt is not None
    return {
        "salt": int.from_bytes(sa.salt, "big"),
        "seqiv_salt": int.from_bytes(sa.seqiv_salt, "big"),
        "key": int.from_bytes(sa.key, "little"),
        "powers": powers,
    }


def power_bits(width: int) -> int:
    """Bits of the powers of the hash subkey at a datapath width."""
    return hash_powers(lanes_of(width)).size
