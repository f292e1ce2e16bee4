"""Known-answer test of the GCM core of a path."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.rfc4106 import GcmOrder, joins
from espnic.hdl.layouts import BLOCK_BITS, beat
from espnic.model.interface.known_answers import KNOWN_ANSWERS, KnownAnswer

ANSWER_CLOCKS = 48
"""Clocks in which the answer must come, times those of a slot of the core: more than the latency of
read, feed, core and queue, and the beats of the longest text."""

_GROUP_BITS = 32
"""Bits of an answer whose difference is one bit in the clock after it has come."""

SelfTestPort = wiring.Signature({
    "go": Out(1),
    "answer": Out(range(len(KNOWN_ANSWERS))),
    "ended": In(1),
    "passed": In(1),
})
"""Port that asks for a test: ``go`` with the number of the answer, until ``ended``. With ``ended``
comes whether it has ``passed``."""

KnownOrder = data.StructLayout({"gcm": GcmOrder, "sequence": 64, "iv": 64})
"""The packet of a test, without anything secret; ``iv`` has its first byte in bits 63:56."""


def answer_clocks(fold: int) -> int:
    """Clocks in which the answer of a core that takes ``fold`` clocks a slot must come."""
    return ANSWER_CLOCKS * fold


class SelfTest(wiring.Component):
    """Gives the core of a path a packet whose answer is known, and says whether it comes.

    ::

        order ── read of the secrets ──┐
        text_i ── or the test's text ─ text_o ─ feed ─ core ─┬─ result_i ─ result_o
                                                             └─ tag_i ─ tag_o

    When asked it holds back new frames until the path is still, for as long as that takes. Then it
    is ``active`` for ``answer_clocks`` + 1 clocks: it gives an order and a text, and hides all
    that the core gives from what follows. The test has passed if the core gives the text and the
    tag that are known, each once and nothing else, in all of the ``answer_clocks`` but the last.

    The secrets of the packet are not here: who asks has put them where the order reads them.

    With ``failed`` too all that comes from the core is hidden. So nothing that a core gives too
    late, or too often, comes between the answers of later frames.

    Latency 0 clocks for what passes, a beat each clock; ``ended`` comes ``answer_clocks`` + 1
    clocks after ``still`` has been seen. Errors of the core are what this is for; there are no
    others. Source: FIPS 140-3 by way of ISO/IEC 19790, 7.10 (self-tests).

    Parameters
    ----------
    width : int
        Bits of a beat.
    decrypt : bool
        The core opens; else it seals.
    fold : int
        Clocks of a slot of the core.

    Members
    -------
    run : In(SelfTestPort)
        The request.
    failed : In(1)
        The core has failed a test.
    hold : Out(1)
        No new frame may come into the path.
    still : In(1)
        No frame is in the path and none comes.
    active : Out(1)
        What passes is the test's.
    order : Out(stream.Signature(KnownOrder))
        The packet.
    text_i : In(stream.Signature(beat(width)))
        Texts of frames.
    text_o : Out(stream.Signature(beat(width)))
        They, or the text of the packet.
    result_i : In(stream.Signature(beat(width)))
        Texts from the core.
    result_o : Out(stream.Signature(beat(width)))
        Those that are not hidden.
    tag_i : In(stream.Signature(128))
        Tags from the core.
    tag_o : Out(stream.Signature(128))
        Those that are not hidden.
    """

    def __init__(self, width: int, decrypt: bool, fold: int = 1):
        self.width = width
        self.decrypt = decrypt
        self.answer_clocks = answer_clocks(fold)
        super().__init__({
            "run": In(SelfTestPort),
            "failed": In(1),
            "hold": Out(1),
            "still": In(1),
            "active": Out(1),
            "order": Out(stream.Signature(KnownOrder)),
            "text_i": In(stream.Signature(beat(width))),
            "text_o": Out(stream.Signature(beat(width))),
            "result_i": In(stream.Signature(beat(width))),
            "result_o": Out(stream.Signature(beat(width))),
            "tag_i": In(stream.Signature(BLOCK_BITS)),
            "tag_o": Out(stream.Signature(BLOCK_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        ended = Signal()
        active = Signal()
        left = Signal(range(self.answer_clocks))
        with m.FSM() as fsm:
            m.d.comb += [
                self.hold.eq(~fsm.ongoing("Idle")),
                self.active.eq(active),
                ended.eq(fsm.ongoing("End")),
            ]
            with m.State("Idle"), m.If(self.run.go):
                m.next = "Drain"
            with m.State("Drain"):
                m.d.sync += left.eq(self.answer_clocks - 1)
                with m.If(self.still):
                    m.d.sync += active.eq(1)
                    m.next = "Test"
            with m.State("Test"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.next = "End"
            with m.State("End"):
                m.d.sync += active.eq(0)
                m.next = "Idle"
        asks = fsm.ongoing("Test")
        self._give_order(m, asks)
        self._give_text(m, asks)
        passed = self._compare(m, asks)
        m.d.comb += [self.run.ended.eq(ended), self.run.passed.eq(passed)]
        return m

    def _give_order(self, m: Module, asks: Value) -> None:
        """Give the order once."""
        given = Signal()
        m.d.sync += given.eq(asks & (given | self.order.ready))
        m.d.comb += self.order.valid.eq(asks & ~given)
        with m.Switch(self.run.answer):
            for number, answer in enumerate(KNOWN_ANSWERS):
                with m.Case(number):
                    m.d.comb += self.order.payload.eq(KnownOrder.const(_order(answer)))

    def _give_text(self, m: Module, asks: Value) -> None:
        """Give the beats of the text, every other clock, or let those of frames pass.

        A beat is read from its table a clock before it is given.
        """
        place = Signal(range(_beats_max(self.width)))
        given = Signal()
        loaded = Signal()
        takes = Signal()
        known = Signal(beat(self.width))
        with m.Switch(Cat(place, self.run.answer)):
            for number, answer in enumerate(KNOWN_ANSWERS):
                text = answer.ciphertext if self.decrypt else answer.text
                for index, word in enumerate(_words(text, self.width)):
                    with m.Case(index | number << len(place)):
                        m.d.sync += known.eq(word)
        m.d.comb += [
            self.text_o.payload.eq(Mux(self.active, known, self.text_i.payload)),
            self.text_o.valid.eq(Mux(self.active, loaded & ~given, self.text_i.valid)),
            self.text_i.ready.eq(self.text_o.ready & ~self.active),
            takes.eq(loaded & ~given & self.text_o.ready),
        ]
        m.d.sync += loaded.eq(asks & ~takes)
        with m.If(~asks):
            m.d.sync += [place.eq(0), given.eq(0)]
        with m.Elif(takes):
            m.d.sync += [place.eq(place + 1), given.eq(known.last)]

    def _compare(self, m: Module, asks: Value) -> Value:
        """Hide the answer and compare it; give whether it is the known one.

        A clock finds the groups of bits that differ, and the next one counts what has come.
        """
        hidden = Signal()
        text_came = Signal()
        tag_came = Signal()
        m.d.comb += [
            hidden.eq(self.active | self.failed),
            text_came.eq(asks & self.result_i.valid),
            tag_came.eq(asks & self.tag_i.valid),
        ]
        for source, target in ((self.result_i, self.result_o), (self.tag_i, self.tag_o)):
            m.d.comb += [
                target.payload.eq(source.payload),
                target.valid.eq(source.valid & ~hidden),
                source.ready.eq(target.ready | hidden),
            ]
        place = Signal(range(_beats_max(self.width) + 1))
        text, tag, beats = self._known(m, place, text_came)
        differs = Cat(_differences(m, text_came, self.result_i.payload, text),
                      _differences(m, tag_came, self.tag_i.payload, tag))
        compared = Signal()
        tag_compared = Signal()
        texts = Signal.like(place)
        tagged = Signal()
        wrong = Signal()
        m.d.sync += [
            place.eq(Mux(asks, place + text_came, 0)),
            compared.eq(text_came),
            tag_compared.eq(tag_came),
            texts.eq(Mux(asks, texts + compared, 0)),
            tagged.eq(asks & (tagged | tag_compared)),
            wrong.eq(asks & (wrong | differs.any() | tagged & tag_compared)),
        ]
        return ~wrong & tagged & (texts == beats)

    def _known(self, m: Module, place: Value, came: Value) -> tuple[Signal, Signal, Signal]:
        """Give the beat of the known text at ``place``, the tag, and the number of beats.

        All are registers; ``came``: the place moves on. Behind the last beat it gives one that no
        core gives.
        """
        text = Signal(beat(self.width))
        tag = Signal(BLOCK_BITS)
        beats = Signal.like(place)
        with m.Switch(self.run.answer):
            for number, answer in enumerate(KNOWN_ANSWERS):
                with m.Case(number):
                    m.d.sync += [
                        tag.eq(_number(answer.tag)),
                        beats.eq(len(_words(self._result(answer), self.width)))]
        here, after = (self._beat_of(m, name, place, ahead) for name, ahead in (
            ("known_here", 0), ("known_after", 1)))
        m.d.sync += text.eq(Mux(came, after, here))
        return text, tag, beats

    def _beat_of(self, m: Module, name: str, place: Value, ahead: int) -> Signal:
        """The beat of the known text so many ``ahead`` of ``place``."""
        text = Signal(beat(self.width), name=name)
        with m.Switch(Cat(place, self.run.answer)):
            for number, answer in enumerate(KNOWN_ANSWERS):
                for index, word in enumerate(_words(self._result(answer), self.width)[ahead:]):
                    with m.Case(index | number << len(place)):
                        m.d.comb += text.eq(word)
            with m.Default():
                m.d.comb += Value.cast(text).eq(~0)
        return text

    def _result(self, answer: KnownAnswer) -> bytes:
        """The text that the core gives."""
        return answer.text if self.decrypt else answer.ciphertext


def join_orders(m: Module, test: SelfTest, source, target, known: Value) -> None:
    """Give ``target`` the orders of frames from ``source``, or ``known`` while a test is active.

    Both are streams; ``known`` is the order of ``test`` as the path's orders are laid out.
    """
    m.d.comb += [
        target.payload.eq(source.payload),
        target.valid.eq(source.valid),
        source.ready.eq(target.ready & ~test.active),
        test.order.ready.eq(target.ready),
    ]
    with m.If(test.active):
        m.d.comb += [target.payload.eq(known), target.valid.eq(test.order.valid)]


def _differences(m: Module, came: Value, got: Value, known: Value) -> Signal:
    """Say one clock later in which groups of bits what came is not what is known."""
    different = Value.cast(got) ^ Value.cast(known)
    differs = Signal(-(-len(different) // _GROUP_BITS))
    m.d.sync += differs.eq(came.replicate(len(differs)) & Cat(
        different[low:low + _GROUP_BITS].any()
        for low in range(0, len(different), _GROUP_BITS)))
    return differs


def _beats_max(width: int) -> int:
    """Beats of the longest text."""
    return max(len(_words(answer.text, width)) for answer in KNOWN_ANSWERS)


def _words(text: bytes, width: int) -> list[data.Const]:
    """The beats of a text."""
    size = width // 8
    starts = range(0, len(text), size)
    return [beat(width).const({
        "data": _number(text[start:start + size]),
        "count": len(text[start:start + size]),
        "first": start == starts[0],
        "last": start == starts[-1],
    }) for start in starts]


def _order(answer: KnownAnswer) -> dict:
    """The order for a packet."""
    return {
        "gcm": {
            "key_size": answer.key_size,
            "aad": _number(answer.aad),
            "aad_bytes": len(answer.aad),
            "text_bytes": len(answer.text),
            "joins": joins(len(answer.text)),
        },
        "sequence": answer.sequence,
        "iv": int.from_bytes(answer.iv, "big"),
    }


def _number(octets: bytes) -> int:
    """A byte string as it lies in a word: first byte in bits 7:0."""
    return int.from_bytes(octets, "little")
