"""A fault for each block, which the quick bench of the block must find.

A mutant is a change of one expression in the source of the block: ``sim.mutate.source``.
"""

from espnic.sim.mutate.source import Mutant

MUTANTS = {
    "engine": Mutant(
        "counts no frame that is sent", "wiring.connect(m, tx.event, registers.tx_event)", "pass"),
    # flow
    "flow/beat_store": Mutant("gives a beat again and again", "self._behind(head, 1)", "head"),
    "flow/delay_line": Mutant(
        "gives values a clock too late", "now - (self.clocks - 1)", "now - self.clocks"),
    "flow/null_end": Mutant(
        "keeps a beat without bytes", "self.i.valid & ~drops", "self.i.valid"),
    "flow/frame_gate": Mutant(
        "stops while it offers a beat", "& ~(self.o.valid & ~self.o.ready)", ""),
    "flow/frames_inside": Mutant(
        "forgets the frames that will leave", "+ self.leaves", ""),
    "flow/frame_ingress": Mutant(
        "takes the lowest byte for the last one", "keep & ~Cat(keep[1:], Const(0, 1))",
        "keep & ~Cat(Const(0, 1), keep[:-1])"),
    "flow/ones_sum": Mutant(
        "adds the sum of the packet before", "begins.eq(last)", "begins.eq(0)"),
    "flow/queue": Mutant(
        "wraps round a place early", "tail == rows - 1", "tail == rows - 2"),
    "flow/skid": Mutant(
        "gives the next entry in place of the one that waits",
        "Mux(full, kept, self.i.payload)", "self.i.payload"),
    "flow/stage": Mutant(
        "takes an entry while one waits", "~valid | self.o.ready", "1"),
    "flow/registered_queue": Mutant(
        "holds an entry too many", "self.depth - _SLICE_ENTRIES", "self.depth - 1"),
    "flow/register_slice": Mutant(
        "forgets the entry that is kept", "valid.eq(full | self.i.valid)",
        "valid.eq(self.i.valid)"),
    # frame
    "frame/frame_build": Mutant(
        "carries the wrong half of the text into the next beat",
        "carry.eq(shifted[self.width:])", "carry.eq(shifted[:self.width])"),
    "frame/frame_hold": Mutant(
        "lets a frame go a clock early", "Signal(self.clocks - 1)", "Signal(self.clocks - 2)"),
    "frame/header_split": Mutant(
        "takes a frame without text for one", "here & enable & ~text_taken", "here & ~text_taken"),
    "frame/text_extract": Mutant(
        "loses the text that lies in the next beat",
        "Mux(held.last, 0, self.i.payload.data)", "0"),
    "frame/text_restore": Mutant(
        "carries the wrong half of the text into the next beat",
        "carry.eq(shifted[self.width:])", "carry.eq(shifted[:self.width])"),
    # lso
    "lso/header_patch": Mutant(
        "writes words with their bytes swapped", "bytes_of(patch.value)", "patch.value"),
    "lso/header_probe": Mutant(
        "sums the words that are to be left out", "& ~hits", ""),
    "lso/header_replay": Mutant(
        "gives the input while it repeats", "self.o.payload.eq(source)",
        "self.o.payload.eq(self.i.payload)"),
    "lso/ingress_sums": Mutant(
        "swaps the halves of every sum", "Mux(half.odd, sum_, Cat(sum_[8:], sum_[:8]))",
        "Cat(sum_[8:], sum_[:8])"),
    "lso/patch_path": Mutant(
        "shows the frames that were not edited, and no others",
        "(marks.i, order.edited, 1)", "(marks.i, ~order.edited, 1)"),
    "lso/segment_path": Mutant(
        "shows the frames that were not edited, and no others",
        "(marks.i, order.edited, 1)", "(marks.i, ~order.edited, 1)"),
    "lso/segment_sums": Mutant(
        "gives the sums of refused requests to the next", "taken.eq(Mux(skipping, left, fetch))",
        "taken.eq(fetch)"),
    "lso/segmenter": Mutant(
        "skips every second sequence number",
        "next_sequence.eq(sequence + 1)", "next_sequence.eq(sequence + 2)"),
    "lso/slice_plan": Mutant(
        "marks the end of a payload's last slice alone", "o.last.eq(last)", "o.last.eq(ends)"),
    "lso/slicer": Mutant(
        "shifts by whole large steps", "middle.fine.eq(piece.offset)", "middle.fine.eq(0)"),
    # gcm
    "gcm/aes_key_step": Mutant(
        "takes the first round constant for every round",
        "ROUND_CONSTANTS[word // key_words(key_size)]", "ROUND_CONSTANTS[1]"),
    "gcm/aes_pipeline": Mutant(
        "skips no round of a short key", "self._skip(stage, held.key_size)", "Const(0)"),
    "gcm/aes_round": Mutant(
        "forgets the round key", "mix_columns(m, moved) ^ self.key", "mix_columns(m, moved)"),
    "gcm/core": Mutant(
        "gives the hash unmasked as the tag", "ghash.o.payload ^ masks.o.payload",
        "ghash.o.payload"),
    "gcm/feed": Mutant(
        "marks the text in place of the AAD", "o.aad.eq(~text & ~joined)", "o.aad.eq(text)"),
    "gcm/gf_multiplier": Mutant(
        "leaves a product out of the middle", "both ^ low ^ high", "both ^ low"),
    "gcm/ghash": Mutant(
        "feeds back an old sum instead of the one just made",
        "Mux(just_made, product, waiting)", "waiting"),
    "gcm/hash_subkey": Mutant(
        "keeps the first round constant",
        "constant.eq(times_x(constant))", "constant.eq(constant)"),
    "gcm/self_test": Mutant(
        "takes a second tag for no fault", "| tagged & tag_compared", ""),
    "gcm/stallable_core": Mutant(
        "lets text in without room for it",
        "text_room & tag_room", "tag_room"),
    # sa
    "sa/commands": Mutant(
        "writes no powers of the hash subkey",
        "powers.eq(hash_subkey.o.payload), )", "powers.eq(0), )"),
    "sa/contexts": Mutant(
        "hits with the serial of another SA", "serial == context.serial", "serial == serial"),
    "sa/fault_report": Mutant(
        "tells the same SA again and again", "& ~(told & (sa == last))", ""),
    "sa/lookup": Mutant(
        "gives half the handle", "chosen[SERIAL_BITS:]", "chosen[SERIAL_BITS + 1:]"),
    "sa/lookup_control": Mutant(
        "forgets the serial of a new entry",
        "hand.serial.eq(request.serial)", "hand.serial.eq(0)"),
    "sa/parity_memory": Mutant(
        "checks the first group only", "wrong_groups(stored, row_bits, copied).any()",
        "wrong_groups(stored, row_bits, copied)[0]"),
    "sa/replay_windows": Mutant(
        "moves the window a number too little",
        "first.sequence - (_packets(first.window, self.window) - 1)",
        "first.sequence - _packets(first.window, self.window)"),
    "sa/secret_read": Mutant(
        "takes the secrets of another SA for those of its packet",
        "~row.present | (row.serial != packet.serial)", "~row.present"),
    "sa/sent_numbers": Mutant(
        "forgets what a row held when a burst ends in it",
        "Mux(run.one_row, run.new_row, run.last_row)", "Mux(run.one_row, run.new_row, 0)"),
    "sa/store": Mutant(
        "finds an SA under handles beyond the table",
        "(self.tx_i.payload < self.features.sas)", "1"),
    "sa/toeplitz": Mutant(
        "leaves all but the first products out of the hash",
        "self.o.payload[bit].eq(partial.xor())", "self.o.payload[bit].eq(partial[0])"),
    "sa/usage": Mutant(
        "tells the events of the other direction", "event.direction.eq(self.direction)",
        "event.direction.eq(1 - self.direction)"),
    # host
    "host/axi_lite": Mutant(
        "writes all bytes of a word, whatever the strobes say",
        "strobe.eq(bus.wstrb)", "strobe.eq(15)"),
    "host/burst_detector": Mutant(
        "keeps its window open a clock too long",
        "elapsed < self.clocks", "elapsed <= self.clocks"),
    "host/event_queue": Mutant(
        "serves the highest input first",
        "for place in reversed(range(self.inputs)):", "for place in range(self.inputs):"),
    "host/registers": Mutant(
        "never says that an event waits", 'interrupts["event_present"].eq(events.o.valid)',
        'interrupts["event_present"].eq(0)'),
    "host/counter_bank": Mutant(
        "counts each received frame twice",
        '"rx_packets_in": (1, received)', '"rx_packets_in": (2, received)'),
    "host/counters": Mutant(
        "counts by twos", "old.data, 0) + 1", "old.data, 0) + 2"),
    # rx
    "rx/checksum": Mutant(
        "sums what lies behind a frame in its last beat",
        'valid_bytes(m, "frame_bytes", item.count, beat_bytes) & behind_ethernet',
        "behind_ethernet"),
    "rx/dispatch": Mutant(
        "goes on to the next high half too soon", "context.esn_overlap & ~low[-1]",
        "context.esn_overlap"),
    "rx/icv_split": Mutant(
        "forgets where in a block the ICV begins",
        "caught.rotation.eq(rotation)", "caught.rotation.eq(0)"),
    "rx/l4_check": Mutant(
        "judges UDP that has no checksum", "fields.udp & fields.udp_sum_given", "fields.udp"),
    "rx/parser": Mutant(
        "takes extension headers for options",
        '(ipv6 & f["extension"], RxStatus.EXT_HEADER)',
        '(ipv6 & f["extension"], RxStatus.IP_OPTIONS)'),
    "rx/path": Mutant(
        "counts a byte too many of each frame",
        "self.event.payload.bytes.eq(judgements.o.payload.bytes)",
        "self.event.payload.bytes.eq(judgements.o.payload.bytes + 1)"),
    "rx/text_end": Mutant(
        "counts the beats of all texts together",
        "beats.eq(Mux(i.last, 0, beats + 1))", "beats.eq(beats + 1)"),
    "rx/text_sum": Mutant(
        "adds the text before", "Mux(lasts[-1], 0, following)", "following"),
    "rx/verdict": Mutant(
        "finds an ICV wrong only when every bit is",
        "word, TAG_WORD_BITS)).any()", "word, TAG_WORD_BITS)).all()"),
    # tx
    "tx/check": Mutant(
        "counts a segment too few for the lifetime of the SA",
        "commit.packets.eq(last_segment + 1)", "commit.packets.eq(last_segment)"),
    "tx/segment_count": Mutant(
        "counts a segment without payload after the last one",
        "self.i.payload.payload_bytes - 1", "self.i.payload.payload_bytes"),
    "tx/dispatch": Mutant(
        "counts the bytes of dropped frames as sent",
        "Mux(one.keep, one.bytes_out, 0)", "one.bytes_out"),
    "tx/esp_header": Mutant(
        "writes the low half of the IV twice",
        "bytes_of(request.iv[32:])", "bytes_of(request.iv[:32])"),
    "tx/icv_append": Mutant(
        "puts the ICV half as far", "<< Cat(Const(0, 5), words)", "<< Cat(Const(0, 4), words)"),
    "tx/pad_capture": Mutant(
        "forgets the beat before",
        "before.eq(Cat(starts[beat_words - max(back):]))", "before.eq(0)"),
    "tx/path": Mutant(
        "takes the first bytes of a frame for its SPI", "spi.esp_offset.eq(descriptor.esp_offset)",
        "spi.esp_offset.eq(0)"),
    "tx/seqiv": Mutant(
        "sets every bit that number or salt has",
        "self.sequence ^ self.salt", "self.sequence | self.salt"),
    "tx/spi_capture": Mutant(
        "counts on from the frame before",
        "next_beat(index, i.last)", "next_beat(index, 0)"),
    "tx/trailer": Mutant(
        "numbers the padding from 0", "Const(1 + index, 8)", "Const(index, 8)"),
    "tx/unlock": Mutant(
        "counts a frame that is swallowed as sealed",
        "done.event.status.eq(status)", "done.event.status.eq(TxStatus.SEALED)"),
}
"""By the block's file in ``hdl``, without its ending."""
