"""Decrypted texts for the benches of the receive checksum, and their sums."""

from amaranth.hdl import Module
from amaranth.lib import wiring

from espnic.hdl.rx.text_end import TextEnd
from espnic.model.interface.codes import ESP_TRAILER_MIN_BYTES

PAD_LENGTH_MAX = 255


class WithTextEnd(wiring.Component):
    """A block whose port ``end`` takes what `TextEnd` reads from the texts at ``port``.

    Members
    -------
    All of the block's but ``end``.
    """

    def __init__(self, block: wiring.Component, port: str):
        self.block = block
        self.port = port
        super().__init__({
            name: member for name, member in block.signature.members.items() if name != "end"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = self.block
        m.submodules.text_end = text_end = TextEnd(block.width)
        for name in self.signature.members:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(block, name))
        texts = getattr(self, self.port)
        m.d.comb += [
            text_end.i.payload.eq(texts.payload),
            text_end.i.valid.eq(texts.valid),
        ]
        wiring.connect(m, text_end.o, block.end)
        return m


def text_of(chance, payload, pad_length):
    """Payload and trailer; the padding holds anything."""
    return payload + chance.randbytes(pad_length) + bytes([pad_length, chance.randrange(256)])


def payload_of(chance, length):
    """Random bytes mostly, else all FFh or all 0, whose sums are the two zeros."""
    return chance.choice((chance.randbytes, chance.randbytes, lambda n: b"\xff" * n, bytes))(length)


def payloads_and_texts(chance, width):
    """Payloads of all lengths up to 3 beats, and every pad length with several payloads."""
    size = width // 8
    cases = [(length, chance.randrange(PAD_LENGTH_MAX + 1)) for length in range(1, 3 * size + 1)]
    cases += [(length, chance.randrange(4)) for length in range(1, 3 * size + 1)]
    cases += [(chance.randrange(1, 3 * size), pad) for pad in range(PAD_LENGTH_MAX + 1)
              for _ in range(3)]
    # The payload ends at each byte of the beat that is farthest from the text's end.
    cases += [(length, PAD_LENGTH_MAX) for length in range(4 * size, 5 * size)]
    chance.shuffle(cases)
    payloads = [payload_of(chance, length) for length, _ in cases]
    return payloads, [text_of(chance, payload, pad)
                      for payload, (_, pad) in zip(payloads, cases, strict=True)]


def too_short_texts(chance, width):
    """Texts whose pad length says more bytes than they have, of 2 bytes to 5 beats."""
    texts = []
    for length in range(2, 5 * width // 8):
        pad = chance.randrange(max(0, length - ESP_TRAILER_MIN_BYTES + 1), PAD_LENGTH_MAX + 1) \
            if length <= PAD_LENGTH_MAX else PAD_LENGTH_MAX
        texts.append(chance.randbytes(length - 2) + bytes([pad, 4]))
    return texts
