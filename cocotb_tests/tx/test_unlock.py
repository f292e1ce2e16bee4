"""Keys, nonces and IVs of frames to send against the model, and frames whose SA is gone."""

import random

import cocotb
import pytest

from espnic.hdl.layouts import TxEvent, TxVerdict, lanes_of
from espnic.hdl.sa.secret_read import with_secrets
from espnic.hdl.tx.dispatch import Sealing
from espnic.hdl.tx.unlock import TxUnlock, tx_unlocked
from espnic.model.esp import esp, seqiv
from espnic.model.interface.codes import TxStatus
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.sa_contexts import power_bits, random_sa, secrets

CASES = 300


class Case:
    """A frame that is refused, passed, sealed, or to be sealed under an SA that is gone."""

    def __init__(self, chance, width):
        self.width = width
        self.sa = random_sa(chance)
        self.powers = chance.getrandbits(power_bits(width))
        self.status = chance.choice((*[TxStatus.SEALED] * 4, TxStatus.BYPASSED, TxStatus.DROP_SPI))
        self.seal = self.status == TxStatus.SEALED
        self.keep = self.status <= TxStatus.BYPASSED
        self.gone = self.seal and chance.random() < 0.3
        self.sequence = chance.choice((2**32 - 2, chance.getrandbits(63)))
        self.esp_offset = chance.randrange(256)
        self.text_bytes = chance.getrandbits(16)
        self.verdict = {"sa": chance.getrandbits(16), "last": chance.randrange(2)}
        self.event = {"first": chance.randrange(2), "last": self.verdict["last"],
                      "bytes_in": chance.getrandbits(17), "bytes_out": chance.getrandbits(16)}
        self.aad = esp.aad(self.sa, self.sequence)

    def input(self):
        gcm = {"key_size": self.sa.key_size, "aad": int.from_bytes(self.aad, "little"),
               "aad_bytes": len(self.aad), "text_bytes": self.text_bytes}
        carried = {
            "verdict": pack(TxVerdict, self.verdict | {"status": self.status}),
            "event": pack(TxEvent, self.event | {"status": self.status}),
            "keep": self.keep, "seal": self.seal, "esp_offset": self.esp_offset,
            "sequence": self.sequence, "gcm": gcm,
        }
        known = secrets(self.sa, self.powers) if self.seal and not self.gone else 0
        return pack(with_secrets(lanes_of(self.width), Sealing), {
            "gone": self.gone, "secrets": known, "carried": carried})

    def expected(self):
        """All that counts of what becomes of the frame."""
        status = TxStatus.DROP_SA_GONE if self.gone else self.status
        wanted = {
            "verdict": self.verdict | {"status": status},
            "event": self.event | {"status": status},
            "keep": self.keep, "seal": self.seal, "gone": self.gone,
            "header": {"enable": self.seal, "esp_offset": self.esp_offset,
                       "sequence": self.sequence & 0xFFFFFFFF},
        }
        if self.gone:
            wanted["event"]["bytes_out"] = 0
        elif self.seal:
            iv = seqiv.iv(self.sequence, self.sa.seqiv_salt)
            wanted["header"]["iv"] = int.from_bytes(iv, "big")
            wanted |= {"packet": self.expected_packet(iv), "seqiv": {
                "spi": self.sa.spi, "sequence": self.sequence, "iv": int.from_bytes(iv, "big")}}
        return wanted

    def expected_packet(self, iv):
        return {
            "parameters": {
                "key": int.from_bytes(self.sa.key, "little"),
                "key_size": self.sa.key_size,
                "nonce": int.from_bytes(esp.nonce(self.sa, iv), "little"),
                "aad_bytes": len(self.aad),
                "text_bytes": self.text_bytes,
                "decrypt": 0,
                "powers": self.powers,
            },
            "aad": int.from_bytes(self.aad, "little"),
        }


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=[(0.0, 0.0), (0.3, 0.3)])
async def frames_are_sealed_as_by_the_model_and_dropped_when_the_sa_is_gone(dut, width, gaps):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    idle, stall = gaps
    ports = Ports(dut, width, idle=idle, stall=stall)
    frames, done = ports.source("i"), ports.sink("o")
    cases = [Case(chance, width) for _ in range(CASES)]
    assert {case.status for case in cases if not case.gone} >= {
        TxStatus.SEALED, TxStatus.BYPASSED, TxStatus.DROP_SPI}
    start = ports.clock
    frames.send(*(case.input() for case in cases))
    words = await done.receive(len(cases))
    check_items(words, [case.expected() for case in cases], width=width,
                layout=tx_unlocked(lanes_of(width)))
    if not idle:
        assert ports.clock - start <= len(cases) + 3


@pytest.mark.quick
def test_frames_are_unlocked_in_short():
    simulate_quick(
        TxUnlock(1), "frames_are_sealed_as_by_the_model_and_dropped_when_the_sa_is_gone",
        name="tx_unlock", module=__name__, width=128)


def test_frames_are_unlocked_as_by_the_model():
    simulate_widths(
        lambda width: TxUnlock(lanes_of(width)), name="tx_unlock", module=__name__, seed=1)
