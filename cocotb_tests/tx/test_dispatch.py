"""The orders of the transmit dispatcher against the rules for what is sealed."""

import random

import cocotb
import pytest

from espnic.hdl.layouts import SERIAL_BITS
from espnic.hdl.lso.segmenter import segment
from espnic.hdl.tx.dispatch import TxContext, TxDispatch, tx_job
from espnic.model.esp import esp
from espnic.model.interface.codes import TxStatus
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.gcm_packets import joins
from tests.support.quick import simulate_quick
from tests.support.sa_contexts import context, random_sa

REQUESTS = 150
SEGMENTS_MAX = 5


class Request:
    """A request of one or more frames: refused, passed or sealed."""

    def __init__(self, chance):
        self.sa = random_sa(chance)
        self.serial = chance.getrandbits(SERIAL_BITS)
        self.handle = chance.getrandbits(16)
        self.status = chance.choice((*[TxStatus.SEALED] * 4, TxStatus.BYPASSED, TxStatus.DROP_SPI))
        self.keep = self.status <= TxStatus.BYPASSED
        self.seal = self.status == TxStatus.SEALED
        self.lso = self.keep and chance.random() < 0.5
        self.next_header = chance.randrange(256)
        count = chance.randrange(1, SEGMENTS_MAX + 1) if self.lso else 1
        sequence = chance.choice((2**32 - 2, chance.getrandbits(63))) if self.sa.esn else (
            chance.randrange(1, 2**31))
        self.frames = [{
            "first": index == 0, "last": index == count - 1, "status": self.status,
            "sa": self.handle, "keep": self.keep, "seal": self.seal, "lso": self.lso,
            "edited": chance.randrange(2), "trailer": chance.randrange(2),
            "esp_offset": chance.randrange(256), "header_bytes": chance.randrange(256),
            "text_offset": chance.randrange(512), "sequence": sequence + index,
            "bytes_in": chance.getrandbits(17), "payload_bytes": chance.getrandbits(16),
            "text_bytes": chance.getrandbits(16), "bytes_out": chance.getrandbits(16),
            "patches": chance.getrandbits(segment()["patches"].width),
        } for index in range(count)]

    def shared(self):
        return pack(TxContext, {
            "context": context(self.sa, self.serial), "next_header": self.next_header})

    def expected(self, frame):
        """All of the job that counts."""
        place = {"enable": self.seal, "offset": frame["text_offset"]}
        carried = {
            "verdict": {"status": self.status, "sa": frame["sa"], "last": frame["last"]},
            "event": {"status": self.status, "first": frame["first"],
                      "last": frame["last"],
                      "bytes_in": frame["bytes_in"],
                      "bytes_out": frame["bytes_out"] if self.keep else 0},
            "keep": self.keep, "seal": self.seal,
        }
        wanted = {
            "sealing": {"reads": self.seal, "carried": carried},
            "keep": self.keep, "seal": self.seal, "again": not frame["first"],
            "edited": frame["edited"], "patches": frame["patches"], "place": place,
            "payload": {"enable": self.lso, "offset": frame["header_bytes"]},
        }
        if self.seal:
            wanted |= self.expected_orders(frame)
            wanted["sealing"] |= {"sa": self.handle, "serial": self.serial}
            carried |= self.expected_sealing(frame)
        else:
            wanted |= {"span": {"enable": 0}}
        return wanted

    def expected_sealing(self, frame):
        """All that goes on to the secrets when the frame is sealed."""
        aad = esp.aad(self.sa, frame["sequence"])
        return {
            "esp_offset": frame["esp_offset"], "sequence": frame["sequence"],
            "gcm": {
                "key_size": self.sa.key_size,
                "aad": int.from_bytes(aad, "little"),
                "aad_bytes": len(aad),
                "text_bytes": frame["text_bytes"],
                "joins": joins(frame["text_bytes"]),
            },
        }

    def expected_orders(self, frame):
        """All that counts when the frame is sealed."""
        return {
            "span": {"enable": 1, "offset": frame["text_offset"],
                     "bytes": frame["payload_bytes"]},
            "trailer": {"generate": not frame["trailer"], "next_header": self.next_header},
            "icv_size": self.sa.icv,
        }


def relevant(word):
    """Take out of a job what does not count when its frame is not sealed."""
    job = tx_job()
    if word >> job["seal"].offset & 1:
        return word
    fields = [(job, name, 0) for name in ("trailer", "icv_size")]
    sealing = job["sealing"]
    fields += [(sealing.shape, name, sealing.offset) for name in ("sa", "serial")]
    carried = sealing.shape["carried"]
    fields += [(carried.shape, name, sealing.offset + carried.offset)
               for name in ("esp_offset", "sequence", "gcm")]
    for layout, name, offset in fields:
        field = layout[name]
        word &= ~(((1 << field.width) - 1) << (offset + field.offset))
    return word


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=[(0.0, 0.0), (0.3, 0.3)])
async def orders_are_those_that_the_model_seals_by(dut, width, gaps):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    idle, stall = gaps
    ports = Ports(dut, width, idle=idle, stall=stall)
    frames, contexts = ports.source("segment"), ports.source("context")
    jobs = ports.sink("o", relevant)
    requests = [Request(chance) for _ in range(REQUESTS)]
    given = [(request, frame) for request in requests for frame in request.frames]
    start = ports.clock
    frames.send(*(pack(segment(), frame) for _, frame in given))
    contexts.send(*(request.shared() for request in requests if request.seal))
    words = await jobs.receive(len(given))
    check_items(words, [request.expected(frame) for request, frame in given], width=width,
                layout=tx_job())
    if not idle:
        assert ports.clock - start <= len(given) + 3
    await contexts.drained()


@pytest.mark.quick
def test_orders_in_short():
    simulate_quick(
        TxDispatch(), "orders_are_those_that_the_model_seals_by/width=128/gaps=1",
        name="tx_dispatch", module=__name__, width=128, simulator="verilator")


def test_orders_follow_the_model():
    simulate_widths(
        lambda _: TxDispatch(), name="tx_dispatch", module=__name__, widths=[128], seed=1)
