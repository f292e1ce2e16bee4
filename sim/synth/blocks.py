"""Every block of the engine, with the parameters that it has there."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib import wiring

from espnic.hdl.engine import Engine
from espnic.hdl.flow.beat_store import BeatStore
from espnic.hdl.flow.delay_line import DelayLine
from espnic.hdl.flow.frame_gate import FrameGate
from espnic.hdl.flow.frame_ingress import FrameIngress, axi_beat
from espnic.hdl.flow.frames_inside import FramesInside
from espnic.hdl.flow.null_end import NullEnd
from espnic.hdl.flow.ones_sum import OnesSum
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.register_slice import RegisterSlice
from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.flow.stage import Stage
from espnic.hdl.frame.frame_build import FrameBuild
from espnic.hdl.frame.frame_hold import FrameHold
from espnic.hdl.frame.header_split import HeaderSplit
from espnic.hdl.frame.text_extract import TextExtract
from espnic.hdl.frame.text_restore import TextRestore
from espnic.hdl.gcm.aes_key_step import AesKeyStep
from espnic.hdl.gcm.aes_pipeline import AesPipeline
from espnic.hdl.gcm.aes_round import AesRound
from espnic.hdl.gcm.core import GcmCore
from espnic.hdl.gcm.feed import GcmFeed
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.gf_multiplier import GfMultiplier
from espnic.hdl.gcm.ghash import Ghash
from espnic.hdl.gcm.hash_subkey import HashSubkey
from espnic.hdl.gcm.self_test import SelfTest
from espnic.hdl.gcm.stallable_core import GcmStream
from espnic.hdl.host.axi_lite import AxiLite
from espnic.hdl.host.burst_detector import BurstDetector
from espnic.hdl.host.counter_bank import CounterBank
from espnic.hdl.host.counters import Counters
from espnic.hdl.host.event_queue import EventQueue
from espnic.hdl.host.registers import EVENT_SOURCES, Registers
from espnic.hdl.layouts import SA_MEMORIES, LookupKey, TxDescriptor, beat, lanes_of
from espnic.hdl.lso.header_patch import HeaderPatch
from espnic.hdl.lso.header_probe import HeaderProbe
from espnic.hdl.lso.header_replay import HeaderReplay
from espnic.hdl.lso.ingress_sums import IngressSums
from espnic.hdl.lso.patch_path import PatchPath
from espnic.hdl.lso.segment_path import SegmentPath
from espnic.hdl.lso.segment_sums import SegmentSums
from espnic.hdl.lso.segmenter import Segmenter
from espnic.hdl.lso.slice_plan import SlicePlan
from espnic.hdl.lso.slicer import Slicer
from espnic.hdl.rx.checksum import RxChecksum
from espnic.hdl.rx.dispatch import RxDispatch
from espnic.hdl.rx.icv_split import IcvSplit
from espnic.hdl.rx.l4_check import L4Check
from espnic.hdl.rx.parser import RxParser
from espnic.hdl.rx.path import LOOKUP_BEATS, STORE_BYTES, STORE_MARGIN, RxPath
from espnic.hdl.rx.text_end import TextEnd
from espnic.hdl.rx.text_sum import TextSum
from espnic.hdl.rx.verdict import RxVerdict
from espnic.hdl.sa.commands import SaCommands
from espnic.hdl.sa.contexts import SaContexts
from espnic.hdl.sa.fault_report import FaultReport
from espnic.hdl.sa.lookup import SaLookup
from espnic.hdl.sa.lookup_control import LookupControl, entry, hash_bits
from espnic.hdl.sa.parity_memory import ParityMemory
from espnic.hdl.sa.replay_windows import ReplayState
from espnic.hdl.sa.secret_read import SecretRead
from espnic.hdl.sa.sent_numbers import SentNumbers
from espnic.hdl.sa.store import SaStore
from espnic.hdl.sa.toeplitz import SerialToeplitz, Toeplitz
from espnic.hdl.sa.usage import SaUsage
from espnic.hdl.tx.check import TxCheck
from espnic.hdl.tx.dispatch import Sealing, TxDispatch
from espnic.hdl.tx.esp_header import EspHeader
from espnic.hdl.tx.icv_append import IcvAppend
from espnic.hdl.tx.pad_capture import PadCapture
from espnic.hdl.tx.path import CRYPTO_DEPTH, TxPath, hold_clocks
from espnic.hdl.tx.segment_count import SegmentCount
from espnic.hdl.tx.seqiv import SeqIv
from espnic.hdl.tx.spi_capture import SpiCapture
from espnic.hdl.tx.trailer import TrailerGenerator
from espnic.hdl.tx.unlock import TxUnlock
from espnic.model.interface.codes import AES_ROUNDS_MAX, RxStatus, SaDirection
from espnic.model.interface.features import SAS, WIDTHS, Features, Sbox


@dataclass(frozen=True)
class Block:
    """A component to synthesise.

    It is named as its class, in lower case with underscores. What a build without a part has in
    a block's place, and a block of which a part is left out, has the name of the missing part at
    the end, such as ``_no_lso``; one with a core that is folded has ``_f2`` or ``_f4``, and with
    S-boxes in block RAM ``_ram``. An engine of one direction is for few SAs, as on a
    small device: ``engine_no_tx``, ``engine_no_rx``.
    """

    name: str
    make: Callable[[int], wiring.Component]
    """Makes the component for the bits of a beat."""
    scales: bool = True
    """Whether it depends on the bits of a beat."""
    flat: tuple[int, ...] = WIDTHS
    """Bits of a beat at which it is synthesised as one module, which gives a smaller area."""
    kept: tuple[int, ...] = ()
    """Bits of a beat at which each module in it is synthesised once: faster where lanes repeat."""
    without: tuple[str, ...] = ()
    """Submodules that are left out: paths end and start at their ports. For ``flat`` only."""


_FEW_SAS = 16


def _one_direction(name: str, receive: bool, fold: int) -> Block:
    """An engine that only receives, or only sends, without segmentation."""
    return Block(name, lambda width: Engine(Features(
        width=width, sas=_FEW_SAS, lso=False, receive=receive, transmit=not receive,
        replay_window=Features().replay_window if receive else 0, fold=fold)),
        flat=(), kept=(128,))


BLOCKS = (
    # Small parts first: what a run has done when it is interrupted is kept.
    Block("seqiv", lambda _: SeqIv(), scales=False),
    Block("queue", lambda width: Queue(beat(width), LOOKUP_BEATS)),
    Block("skid", lambda width: Skid(beat(width))),
    Block("stage", lambda width: Stage(beat(width))),
    Block("register_slice", lambda width: RegisterSlice(beat(width))),
    Block("registered_queue", lambda width: RegisteredQueue(beat(width), LOOKUP_BEATS)),
    Block("delay_line", lambda width: DelayLine(width, PLAIN.aes_latency)),
    Block("counters", lambda _: Counters(len(RxStatus)), scales=False),
    Block("axi_lite", lambda _: AxiLite(), scales=False),
    Block("serial_toeplitz", lambda _: SerialToeplitz(LookupKey.size, hash_bits(SAS)),
          scales=False),
    Block("toeplitz", lambda _: Toeplitz(LookupKey.size, hash_bits(SAS)), scales=False),
    Block("beat_store", lambda width: BeatStore(
        beat(width), 8 * STORE_BYTES // width, margin=STORE_MARGIN)),
    Block("frame_ingress", lambda width: FrameIngress(width, 0)),
    Block("spi_capture", SpiCapture),
    Block("text_end", TextEnd),
    Block("gcm_feed", GcmFeed),
    Block("self_test", lambda width: SelfTest(width, decrypt=True)),
    Block("trailer_generator", TrailerGenerator),
    Block("esp_header", EspHeader),
    Block("header_split", HeaderSplit),
    Block("slice_plan", SlicePlan),
    Block("slicer", Slicer),
    Block("header_replay", HeaderReplay),
    Block("header_patch", HeaderPatch),
    Block("header_probe", HeaderProbe),
    Block("ones_sum", OnesSum),
    Block("ingress_sums", IngressSums),
    Block("segment_sums", lambda _: SegmentSums(), scales=False),
    Block("text_extract", TextExtract),
    Block("icv_append", IcvAppend),
    Block("icv_split", IcvSplit),
    Block("frame_hold", lambda width: FrameHold(hold_clocks(width), CRYPTO_DEPTH)),
    Block("frame_build", FrameBuild),
    Block("text_restore", TextRestore),
    Block("text_sum", TextSum),
    Block("rx_checksum", RxChecksum),
    Block("l4_check", L4Check),
    Block("rx_verdict", lambda _: RxVerdict(), scales=False),
    Block("rx_dispatch", lambda _: RxDispatch(), scales=False),
    Block("tx_dispatch", lambda _: TxDispatch(), scales=False),
    Block("tx_unlock", lambda width: TxUnlock(lanes_of(width))),
    Block("secret_read", lambda width: SecretRead(lanes_of(width), Sealing)),
    Block("rx_parser", RxParser),
    Block("pad_capture", PadCapture),
    Block("segment_count", lambda _: SegmentCount(), scales=False),
    Block("tx_check", lambda _: TxCheck(), scales=False),
    Block("segmenter", lambda _: Segmenter(), scales=False),
    Block("segment_path", SegmentPath),
    Block("header_probe_no_lso", lambda width: HeaderProbe(width, lso=False)),
    Block("tx_check_no_lso", lambda _: TxCheck(lso=False), scales=False),
    Block("segmenter_no_lso", lambda _: Segmenter(lso=False), scales=False),
    Block("patch_path", PatchPath),
    Block("rx_parser_no_ipv6", lambda width: RxParser(width, ipv6=False)),
    # The table and its control.
    Block("lookup_control", lambda _: LookupControl(SAS), scales=False),
    Block("sa_lookup", lambda _: SaLookup(SAS), scales=False),
    Block("sa_lookup_no_ipv6", lambda _: SaLookup(SAS, ipv6=False), scales=False),
    Block("parity_memory", lambda _: ParityMemory(entry(SAS), SAS // 2, reads=2), scales=False),
    Block("sa_contexts", lambda width: SaContexts(lanes_of(width), SAS, SaDirection.RX)),
    Block("aes_round", lambda _: AesRound(), scales=False),
    Block("aes_key_step", lambda _: AesKeyStep([AES_ROUNDS_MAX]), scales=False),
    Block("aes_round_ram", lambda _: AesRound(block_ram=True), scales=False),
    Block("gf_multiplier", lambda width: GfMultiplier(lanes_of(width))),
    Block("gf_multiplier_f2", lambda width: GfMultiplier(lanes_of(width), 2), flat=(128, 256)),
    Block("gf_multiplier_f4", lambda width: GfMultiplier(lanes_of(width), 4), flat=(128,)),
    Block("hash_subkey", lambda width: HashSubkey(lanes_of(width))),
    Block("sa_commands", lambda width: SaCommands(Features(width=width, sas=SAS))),
    Block("counter_bank", lambda _: CounterBank(), scales=False),
    Block("burst_detector", lambda _: BurstDetector(), scales=False),
    Block("fault_report", lambda _: FaultReport([
        (direction, kept) for direction, memories in SA_MEMORIES.items() for kept in memories]),
          scales=False),
    Block("event_queue", lambda _: EventQueue(EVENT_SOURCES), scales=False),
    Block("frame_gate", lambda width: FrameGate(axi_beat(width, TxDescriptor.size))),
    Block("null_end", lambda width: NullEnd(axi_beat(width, TxDescriptor.size))),
    Block("frames_inside", lambda _: FramesInside(), scales=False),
    Block("registers", lambda width: Registers(Features(width=width, sas=SAS))),
    Block("ghash", lambda width: Ghash(lanes_of(width))),
    Block("sa_usage", lambda _: SaUsage(SAS, SaDirection.RX), scales=False),
    Block("replay_state", lambda _: ReplayState(SAS, Features().replay_window), scales=False),
    Block("sent_numbers", lambda _: SentNumbers(SAS, Features().sent_window), scales=False),
    Block("sa_store", lambda width: SaStore(Features(width=width, sas=SAS))),
    # The paths around the core, which is closed.
    Block("tx_path_no_core", TxPath, without=("gcm.core",)),
    Block("rx_path_no_core", RxPath, without=("core",)),
    # What holds a whole AES pipeline: minutes each, and hours if several lanes were one module.
    # The core of one lane is done both ways, to show what the other way costs.
    Block("aes_pipeline", lambda width: AesPipeline(lanes_of(width)), flat=(128,), kept=(256, 512)),
    Block("gcm_core", GcmCore, flat=(128,), kept=WIDTHS),
    Block("gcm_core_f2", lambda width: GcmCore(width, CipherForm(2)), flat=(128,),
          kept=(128, 256)),
    Block("gcm_core_f4", lambda width: GcmCore(width, CipherForm(4)), flat=(128,), kept=()),
    Block("gcm_core_ram", lambda width: GcmCore(width, CipherForm(block_ram=True)),
          flat=(128,), kept=(128,)),
    Block("gcm_core_f2_ram", lambda width: GcmCore(width, CipherForm(2, block_ram=True)),
          flat=(128,), kept=(128,)),
    Block("gcm_stream", lambda width: GcmStream(width, CRYPTO_DEPTH), flat=(), kept=WIDTHS),
    Block("tx_path", TxPath, flat=(), kept=WIDTHS),
    Block("rx_path", RxPath, flat=(), kept=WIDTHS),
    Block("engine", lambda width: Engine(Features(width=width, sas=SAS)), flat=(), kept=WIDTHS),
    Block("engine_f2", lambda width: Engine(Features(width=width, sas=SAS, fold=2)), flat=(),
          kept=(128, 256)),
    Block("engine_f4", lambda width: Engine(Features(width=width, sas=SAS, fold=4)), flat=(),
          kept=(128,)),
    Block("engine_ram", lambda width: Engine(Features(width=width, sas=SAS, sbox=Sbox.BRAM)),
          flat=(), kept=(128,)),
    Block("engine_f2_ram", lambda width: Engine(Features(
        width=width, sas=SAS, fold=2, sbox=Sbox.BRAM)), flat=(), kept=(128,)),
    _one_direction("engine_no_tx", receive=True, fold=1),
    _one_direction("engine_no_tx_f2", receive=True, fold=2),
    _one_direction("engine_no_tx_f4", receive=True, fold=4),
    _one_direction("engine_no_rx", receive=False, fold=1),
    _one_direction("engine_no_rx_f2", receive=False, fold=2),
    _one_direction("engine_no_rx_f4", receive=False, fold=4),
)
