"""The transmit dispatcher against the model of the device."""

import random

import cocotb

from cocotb_tests.sa_contexts import context, power_bits, random_sa
from hdl.rx_dispatch import looked_up
from hdl.tx_dispatch import TxDispatch, tx_frame, tx_job
from model import esp, seqiv
from model.codes import ESP_TRAILER_MIN_BYTES, FRAME_BYTES_MAX, SaDirection, TxOperation, TxStatus
from model.device import Device
from sim.beats import pack, unpack
from sim.streams import start_clock_and_reset
from sim.widths import Ports, bench_widths, simulate_widths

HANDLES = 16
CASES = 400
OF_OTHER_REQUESTS = {status for status in TxStatus if status > TxStatus.DROP_OVERSIZE}
"""Statuses of trailers, checksums and segmentation: not this block's to give."""


class Case:
    """A frame with its descriptor and SA, and what the model does with them."""

    def __init__(self, chance, width):
        self.sa = random_sa(chance)
        self.powers = chance.getrandbits(power_bits(width))
        self.hit = chance.random() < 0.9
        self.descriptor = self.random_descriptor(chance)
        self.frame = self.random_frame(chance)
        self.noise = chance.getrandbits(looked_up(width // 128).size - 1) << 1
        device = Device(HANDLES)
        if self.hit:
            device.sas[SaDirection.TX].add(self.descriptor["sa"], self.sa)
        self.result = device.transmit(self.descriptor, self.frame)

    @staticmethod
    def random_descriptor(chance):
        return {
            "operation": chance.choice((*[TxOperation.ENCRYPT] * 9, TxOperation.BYPASS)),
            "trailer": chance.random() < 0.5,
            "sa": chance.randrange(1, HANDLES),
            "sequence": chance.choice((
                1, 5, 2**32 - 1, chance.randrange(1, 1 << 32),
                *chance.sample((0, 2**32, 2**64 - 1), 1))),
            "esp_offset": chance.choice((
                *range(34, 82, 4), 254, chance.choice((30, 33, 35, 36, chance.randrange(256))))),
            "next_header": chance.randrange(256),
        }

    def random_frame(self, chance):
        if chance.random() < 0.04:
            return bytes(FRAME_BYTES_MAX + 1)
        offset = self.descriptor["esp_offset"]
        spi = self.sa.spi
        if chance.random() < 0.1:
            spi ^= 1 << chance.randrange(32)
        icv = self.sa.icv.bytes if self.descriptor["trailer"] else 0
        behind = max(0, esp.TEXT_OFFSET - 4 + icv + chance.choice((
            -1, 0, 1, 3, 4, 8, 4 * chance.randrange(300), chance.randrange(200),
            chance.randrange(-esp.TEXT_OFFSET, 0))))
        frame = bytearray(
            chance.randbytes(offset) + spi.to_bytes(4, "big") + chance.randbytes(behind))
        pad_length_at = len(frame) - icv - ESP_TRAILER_MIN_BYTES
        if self.descriptor["trailer"] and pad_length_at >= offset + esp.TEXT_OFFSET:
            frame[pad_length_at] = 0
        return bytes(frame)

    @property
    def oversize(self):
        return len(self.frame) > FRAME_BYTES_MAX

    def input(self):
        spi = self.frame[self.descriptor["esp_offset"]:][:4]
        return pack(tx_frame(), {
            "descriptor": self.descriptor,
            "end": {"bytes": min(len(self.frame), FRAME_BYTES_MAX), "oversize": self.oversize},
            "spi": int.from_bytes(spi, "big"),
        })

    def looked_up(self, width):
        if not self.hit:
            return self.noise
        return pack(looked_up(width // 128), {
            "hit": 1, "sa": self.descriptor["sa"], "context": context(self.sa, self.powers)})

    def check(self, word, width):
        job = unpack(tx_job(width // 128), word)
        status = self.result.status
        seal = status == TxStatus.SEALED
        assert job["verdict"] == {"status": status, "sa": self.descriptor["sa"]}, status.name
        assert job["bytes"] == min(len(self.frame), FRAME_BYTES_MAX)
        assert job["bytes_out"] == len(self.result.frame or b"")
        assert job["keep"] == (self.result.frame is not None)
        assert job["seal"] == seal
        assert [job[part]["enable"] for part in ("place", "header", "span")] == [seal] * 3
        if seal:
            wanted = self.expected_orders()
            assert {name: job[name] for name in wanted} == wanted

    def expected_orders(self):
        """All that counts when the frame is sealed."""
        sa, sequence = self.sa, self.descriptor["sequence"]
        trace = dict(self.result.trace)
        text_bytes = len(trace["tx.trailer"]["text"]) // 2
        iv = seqiv.iv(sequence, sa.seqiv_salt)
        aad = esp.aad(sa, sequence)
        offset = self.descriptor["esp_offset"]
        text_offset = offset + esp.TEXT_OFFSET
        icv_room = sa.icv.bytes if self.descriptor["trailer"] else 0
        return {
            "place": {"enable": 1, "offset": text_offset},
            "header": {"enable": 1, "esp_offset": offset, "sequence": sequence & 0xFFFFFFFF,
                       "iv": int.from_bytes(iv, "big")},
            "span": {"enable": 1, "offset": text_offset,
                     "bytes": len(self.frame) - text_offset - icv_room},
            "trailer": {"generate": not self.descriptor["trailer"],
                        "next_header": self.descriptor["next_header"]},
            "packet": {
                "parameters": {
                    "key": int.from_bytes(sa.key, "little"),
                    "key_size": sa.key_size,
                    "nonce": int.from_bytes(esp.nonce(sa, iv), "little"),
                    "aad_bytes": len(aad),
                    "text_bytes": text_bytes,
                    "decrypt": 0,
                    "powers": self.powers,
                },
                "aad": int.from_bytes(aad, "little"),
            },
            "icv_size": sa.icv,
            "seqiv": {"spi": sa.spi, "sequence": sequence, "iv": int.from_bytes(iv, "big")},
        }


async def dispatch(dut, width, cases, *, idle=0.0, stall=0.0):
    ports = Ports(dut, width, idle=idle, stall=stall)
    frames, sas, jobs = ports.source("frame"), ports.source("sa"), ports.sink("o")
    frames.send(*(case.input() for case in cases))
    sas.send(*(case.looked_up(width) for case in cases))
    return await jobs.receive(len(cases))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def jobs_follow_the_model(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [Case(chance, width) for _ in range(CASES)]
    assert {case.result.status for case in cases} == set(TxStatus) - OF_OTHER_REQUESTS
    for case, word in zip(cases, await dispatch(dut, width, cases, idle=0.3, stall=0.3),
                          strict=True):
        case.check(word, width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [Case(chance, width) for _ in range(50)]
    start = Ports(dut, width).clock
    await dispatch(dut, width, cases)
    assert Ports(dut, width).clock - start <= len(cases) + 3


def test_jobs_follow_the_model():
    simulate_widths(TxDispatch, name="tx_dispatch", module=__name__, seed=1)
