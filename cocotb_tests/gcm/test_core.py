"""The GCM core against the model and all published vectors, the key changing every packet."""

import os
import random
from dataclasses import replace

import cocotb
import pytest
from amaranth.hdl import Shape
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.gcm.core import GcmCore, tag_latency, text_latency
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.model.crypto import gcm
from espnic.model.interface.codes import AES_BLOCK_BYTES
from espnic.model.interface.features import WIDTHS
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.capture import vectors
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.gcm_packets import GcmPacket, GcmPort, lying, number, random_key, random_packet
from tests.support.memory_faults import memories_hidden
from tests.support.quick import simulate_quick
from tests.support.secret_scan import Scanner, made_of, words_of

AAD_BYTES_OF_ESP = (8, 12)


def form():
    """Form of the core under test."""
    return CipherForm(int(os.environ["FOLD"]), os.environ["SBOX"] == "bram")


class Bench:
    """The core with its agents; what is sent comes back as texts and tags."""

    @classmethod
    async def start(cls, dut, idle=0.0):
        await start_clock_and_reset(dut)
        return cls(dut, idle)

    def __init__(self, dut, idle):
        self.dut = dut
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.port = GcmPort(int(os.environ["WIDTH"]), self.chance)
        self.source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
        self.text = StreamSink(dut, "o")
        self.tag = StreamSink(dut, "tag")

    def send(self, packet):
        """Queue a packet; give the text beats that must come."""
        stimulus = self.port.stimulus(packet)
        self.source.send(*stimulus)
        return self.port.expected_text(packet, stimulus)

    async def check(self, packets, meaningless=()):
        """Send packets and compare all text beats, and all tags but those ``meaningless``."""
        beats = [word for packet in packets for word in self.send(packet)]
        check_items(await self.text.receive(len(beats)), beats, port="text",
                    width=self.port.width, layout=self.port.output)
        tags = await self.tag.receive(len(packets))
        wanted = [tag if packet in meaningless else number(packet.result()[1])
                  for packet, tag in zip(packets, tags, strict=True)]
        check_items(tags, wanted, port="tag", width=self.port.width)
        await ClockCycles(self.dut.clk, tag_latency(form()) + 2)
        assert not self.text.items and not self.tag.items

    async def check_vectors(self, cases):
        """Open every vector and refuse the invalid; seal the valid."""
        opened = [
            GcmPacket.make(case.key, case.iv, case.aad, case.ciphertext, True) for case in cases
        ]
        sealed = [
            GcmPacket.make(case.key, case.iv, case.aad, case.text, False)
            for case in cases if case.valid
        ]
        mixed = [*zip(opened, cases, strict=True),
                 *zip(sealed, (case for case in cases if case.valid), strict=True)]
        self.chance.shuffle(mixed)
        beats = [len(self.send(packet)) for packet, _ in mixed]
        for (packet, case), count in zip(mixed, beats, strict=True):
            text = b"".join(map(self._bytes, await self.text.receive(count)))
            [tag] = await self.tag.receive(1)
            agrees = tag.to_bytes(AES_BLOCK_BYTES, "little").startswith(case.tag)
            assert agrees == case.valid, case.name
            if case.valid:
                assert text == (case.text if packet.decrypt else case.ciphertext), case.name

    def _bytes(self, payload):
        beat = self.port.output.from_bits(payload)
        return beat.data.to_bytes(self.port.width // 8, "little")[:beat.count]


def esp_packet(chance, text_bytes):
    """A packet with the AAD of ESP."""
    return GcmPacket.make(
        random_key(chance), chance.randbytes(gcm.IV_BYTES),
        chance.randbytes(chance.choice(AAD_BYTES_OF_ESP)), chance.randbytes(text_bytes),
        bool(chance.randrange(2)),
    )


@cocotb.test()
async def nist_cavp_vectors_open_and_seal_and_invalid_tags_are_refused(dut):
    bench = await Bench.start(dut)
    await bench.check_vectors(vectors.nist())


@cocotb.test()
async def wycheproof_vectors_open_and_seal_and_invalid_tags_are_refused(dut):
    bench = await Bench.start(dut, idle=0.2)
    await bench.check_vectors(vectors.wycheproof())


@cocotb.test()
async def random_packets_back_to_back(dut):
    bench = await Bench.start(dut)
    await bench.check([random_packet(bench.chance) for _ in range(300)])


@cocotb.test()
async def random_packets_with_gaps(dut):
    bench = await Bench.start(dut, idle=0.4)
    await bench.check([random_packet(bench.chance) for _ in range(300)])


@cocotb.test()
async def every_small_length_of_aad_and_text(dut):
    bench = await Bench.start(dut)
    blocks = 2 * bench.port.width // 128 + 1
    lengths = [16 * block + more for block in range(blocks) for more in (0, 1)]
    packets = [
        GcmPacket.make(random_key(bench.chance), bench.chance.randbytes(gcm.IV_BYTES),
                       bench.chance.randbytes(aad), bench.chance.randbytes(text), bool(text & 1))
        for aad in lengths for text in lengths
    ]
    await bench.check(packets)


@cocotb.test()
async def jumbo_packets_between_empty_ones(dut):
    bench = await Bench.start(dut)
    sizes = [0, 9000, 0, 0, 9001, 1, 9015, 0]
    await bench.check([esp_packet(bench.chance, size) for size in sizes])


@cocotb.test()
async def no_clock_is_lost_between_packets(dut):
    """The core takes a turn a slot, and no more, from the first beat to the last."""
    bench = await Bench.start(dut)
    packets = [esp_packet(bench.chance, bench.chance.randrange(1, 200)) for _ in range(100)]
    packets += [random_packet(bench.chance) for _ in range(100)]
    # The last packet's own lengths slot comes after its last beat.
    packets.append(esp_packet(bench.chance, 1))
    slots = sum(bench.port.slots(packet) for packet in packets)
    clocks = cocotb.start_soon(_clocks_to_take(dut, sum(
        len(bench.port.stimulus(packet)) for packet in packets
    )))
    await bench.check(packets)
    lengths_slot_of_last = bench.port.width == 128
    after_first = slots - 1 - lengths_slot_of_last
    assert await clocks == form().fold * after_first + 1


async def _clocks_to_take(dut, beats):
    """Clocks from the first beat taken to the last one, both included."""
    clocks = 0
    while beats:
        await RisingEdge(dut.clk)
        taken = int(dut.i__valid.value) & int(dut.i__ready.value)
        clocks += taken or clocks > 0
        beats -= taken
    return clocks


@cocotb.test()
async def packets_that_end_early_spoil_no_other(dut):
    bench = await Bench.start(dut, idle=0.1)
    chance = bench.chance
    packets, cut = [], []
    for _ in range(150):
        whole = random_packet(chance)
        keep = chance.randrange(len(whole.text) + 1)
        short = replace(whole, text=whole.text[:keep])
        if keep == 0 and chance.randrange(2):
            short = replace(short, aad=whole.aad[:chance.randrange(len(whole.aad) + 1)])
        packets += [short, random_packet(chance)]
        if (short.aad, short.text) != (whole.aad, whole.text):
            cut.append(short)
    await bench.check(packets, meaningless=cut)


@cocotb.test()
async def packets_that_tell_wrong_lengths_spoil_no_other(dut):
    bench = await Bench.start(dut, idle=0.1)
    packets, wrong = [], []
    for _ in range(150):
        wrong.append(lying(random_packet(bench.chance), bench.chance))
        packets += [wrong[-1], random_packet(bench.chance)]
    await bench.check(packets, meaningless=wrong)


@cocotb.test()
async def beats_of_noise_spoil_no_other(dut):
    """AAD and text in any order, any count, ``first`` anywhere: up to ``last``, one packet."""
    bench = await Bench.start(dut, idle=0.1)
    chance, layout = bench.chance, bench.port.input
    for _ in range(150):
        texts = 0
        length = chance.randint(1, 12)
        for index in range(length):
            beat = chance.getrandbits(layout.size)
            flags = {"last": index == length - 1, "aad": chance.randrange(2),
                     "count": chance.randrange(bench.port.width // 8 + 1)}
            for name, value in flags.items():
                field = layout[name]
                beat &= ~(((1 << Shape.cast(field.shape).width) - 1) << field.offset)
                beat |= value << field.offset
            texts += not flags["aad"]
            bench.source.send(beat)
        good = random_packet(chance)
        expected = bench.send(good)
        await bench.text.receive(texts)
        await bench.tag.receive(1)
        check_items(await bench.text.receive(len(expected)), expected, port="text",
                    width=bench.port.width, layout=bench.port.output)
        check_items(await bench.tag.receive(1), [number(good.result()[1])], port="tag",
                    width=bench.port.width)


@cocotb.test()
async def the_shortest_packets_every_clock(dut):
    """Empty and AAD-only packets: as many under way as there are clocks of latency."""
    bench = await Bench.start(dut)
    chance = bench.chance
    packets = [
        GcmPacket.make(random_key(chance), chance.randbytes(gcm.IV_BYTES),
                       chance.randbytes(chance.choice([0, 8])), b"", bool(chance.randrange(2)))
        for _ in range(4 * tag_latency(form()))
    ]
    await bench.check(packets)


@cocotb.test()
async def latencies_are_as_stated(dut):
    bench = await Bench.start(dut)
    for text_bytes in (1, bench.port.width // 8):
        packet = esp_packet(bench.chance, text_bytes)
        bench.send(packet)
        await bench.source.drained()
        taken = cocotb.simtime.get_sim_time("ns")
        await bench.text.receive(1)
        assert cocotb.simtime.get_sim_time("ns") - taken == text_latency(form()) * CLOCK_NS
        await bench.tag.receive(1)
        inserted = bench.port.slots(packet) - len(bench.port.stimulus(packet))
        latency = tag_latency(form()) + form().fold * inserted
        assert cocotb.simtime.get_sim_time("ns") - taken == latency * CLOCK_NS


@cocotb.test()
async def reset_drops_what_is_under_way(dut):
    bench = await Bench.start(dut)
    for clocks in range(1, tag_latency(form()) + 3):
        bench.send(esp_packet(bench.chance, 40))
        await bench.source.drained()
        await ClockCycles(dut.clk, clocks)
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        bench.text.items.clear()
        bench.tag.items.clear()
        await bench.check([random_packet(bench.chance) for _ in range(3)])


@cocotb.test(skip=memories_hidden())
async def nothing_secret_stays_of_a_packet(dut):
    bench = await Bench.start(dut)
    scanner = Scanner(dut, least=200)
    for aad, text in ((8, 40), (12, 0), (0, 33), (8, 64)):
        packet = GcmPacket.make(random_key(bench.chance), bench.chance.randbytes(gcm.IV_BYTES),
                                bench.chance.randbytes(aad), bench.chance.randbytes(text), False)
        mask = gcm.encrypt_block(packet.key, gcm.first_counter_block(packet.iv))
        words = words_of({**made_of(packet.key, bench.port.width // 128), "mask": mask})
        bench.send(packet)
        await bench.source.drained()
        assert scanner.find(words).keys() >= {"key", "powers"}
        dut.i__payload.value = 0
        await ClockCycles(dut.clk, 2 * tag_latency(form()))
        assert scanner.find(words) == {}, (aad, text)


def run(simulation, width, form, *tests, **options):
    """Simulate a core."""
    sbox = "bram" if form.block_ram else "lut"
    simulation(
        GcmCore(width, form), *tests, name=f"gcm_core_w{width}_f{form.fold}_{sbox}",
        module=__name__,
        environment={"WIDTH": str(width), "FOLD": str(form.fold), "SBOX": sbox}, **options)


@pytest.mark.quick
def test_packets_are_sealed_and_opened_in_short():
    run(simulate_quick, 128, CipherForm(2), "every_small_length_of_aad_and_text")


@pytest.mark.parametrize("form", [PLAIN, CipherForm(2, block_ram=True)])
def test_nothing_secret_stays(form):
    run(simulate, 128, form, simulator="icarus",
        testcase="nothing_secret_stays_of_a_packet")


@pytest.mark.parametrize("width, form", [
    *((width, PLAIN) for width in WIDTHS), (128, CipherForm(2)), (128, CipherForm(4)),
    (512, CipherForm(2, block_ram=True)),
])
def test_gcm_core(width, form):
    run(simulate, width, form, seed=width)
