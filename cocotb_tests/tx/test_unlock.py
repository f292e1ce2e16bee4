"""Keys, nonces, IVs of frames to send against the model; frames whose secrets are gone or wrong."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import TxEvent, TxVerdict, lanes_of
from espnic.hdl.sa.secret_read import with_secrets
from espnic.hdl.tx.dispatch import Sealing
from espnic.hdl.tx.unlock import TxDone, TxUnlock, tx_unlocked
from espnic.model.esp import esp, seqiv
from espnic.model.interface.codes import TxStatus
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.gcm_packets import joins
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
        self.fault = self.seal and chance.random() < 0.3
        self.sequence = chance.choice((2**32 - 2, chance.getrandbits(63)))
        self.esp_offset = chance.randrange(256)
        self.text_bytes = chance.getrandbits(16)
        self.verdict = {"sa": chance.getrandbits(16), "last": chance.randrange(2)}
        self.event = {"first": chance.randrange(2), "last": self.verdict["last"],
                      "bytes_in": chance.getrandbits(17), "bytes_out": chance.getrandbits(16)}
        self.aad = esp.aad(self.sa, self.sequence)

    def input(self):
        gcm = {"key_size": self.sa.key_size, "aad": int.from_bytes(self.aad, "little"),
               "aad_bytes": len(self.aad), "text_bytes": self.text_bytes,
               "joins": joins(self.text_bytes)}
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
        """All that counts of the orders for the frame."""
        wanted = {
            "keep": self.keep, "seal": self.seal, "gone": self.gone,
            "header": {"enable": self.seal, "esp_offset": self.esp_offset,
                       "sequence": self.sequence & 0xFFFFFFFF},
        }
        if self.seal and self.gone:
            # What was read may be of another SA: no header waits with anything of it.
            wanted["header"]["iv"] = 0
        elif self.seal:
            iv = seqiv.iv(self.sequence, self.sa.seqiv_salt)
            wanted["header"]["iv"] = int.from_bytes(iv, "big")
            wanted |= {"packet": self.expected_packet(iv)}
        return wanted

    def expected_done(self):
        """All that counts of what is told of the frame."""
        status = self.status
        if self.gone:
            status = TxStatus.DROP_SA_GONE
        if self.fault:
            status = TxStatus.DROP_FAULT
        wanted = {
            "verdict": self.verdict | {"status": status},
            "event": self.event | {"status": status},
            "keep": self.keep, "fault": self.fault,
            "sealed": self.seal and not self.gone and not self.fault,
        }
        if self.gone or self.fault:
            wanted["event"]["bytes_out"] = 0
        elif self.seal:
            iv = seqiv.iv(self.sequence, self.sa.seqiv_salt)
            wanted["seqiv"] = {"spi": self.sa.spi, "sequence": self.sequence,
                               "iv": int.from_bytes(iv, "big")}
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
            "joins": joins(self.text_bytes),
        }


class Checks:
    """Tells a clock after each frame whether its secrets were wrong; takes what is told of it."""

    def __init__(self, dut, ports, cases):
        self.told = []
        self._cases = iter(cases)
        cocotb.start_soon(self._run(dut, ports))

    async def _run(self, dut, ports):
        passes, fault = False, 0
        while True:
            await RisingEdge(dut.clk)
            if passes:
                assert int(ports.handle("done__valid").value)
                self.told.append(int(ports.handle("done__payload").value))
            passes = all(int(ports.handle(f"o__{name}").value) for name in ("valid", "ready"))
            fault = next(self._cases).fault if passes else 0
            ports.handle("fault__valid").value = passes
            ports.handle("fault__payload").value = fault


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=[(0.0, 0.0), (0.3, 0.3)])
async def frames_are_sealed_as_by_the_model_and_dropped_without_good_secrets(dut, width, gaps):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    idle, stall = gaps
    ports = Ports(dut, width, idle=idle, stall=stall)
    frames, done = ports.source("i"), ports.sink("o")
    cases = [Case(chance, width) for _ in range(CASES)]
    checks = Checks(dut, ports, cases)
    assert {case.status for case in cases if not case.gone} >= {
        TxStatus.SEALED, TxStatus.BYPASSED, TxStatus.DROP_SPI}
    start = ports.clock
    frames.send(*(case.input() for case in cases))
    words = await done.receive(len(cases))
    check_items(words, [case.expected() for case in cases], width=width,
                layout=tx_unlocked(lanes_of(width)))
    await ClockCycles(dut.clk, 3)
    check_items(checks.told, [case.expected_done() for case in cases], width=width,
                layout=TxDone, port="done")
    if not idle:
        assert ports.clock - start <= len(cases) + 3


@pytest.mark.quick
def test_frames_are_unlocked_in_short():
    simulate_quick(
        TxUnlock(1), "frames_are_sealed_as_by_the_model_and_dropped_without_good_secrets",
        name="tx_unlock", module=__name__, width=128)


def test_frames_are_unlocked_as_by_the_model():
    simulate_widths(
        lambda width: TxUnlock(lanes_of(width)), name="tx_unlock", module=__name__, seed=1)
