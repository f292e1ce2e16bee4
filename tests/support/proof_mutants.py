"""A fault for each proof, for which the solver must find a counterexample.

It is a change of one expression in the block's source, as in ``sim.mutate.source``.
"""

from espnic.sim.mutate.source import Mutant

PROOF_MUTANTS = {
    # flow
    "flow/beat_store/stream": Mutant(
        "offers nothing while a command comes",
        "wiring.connect(m, ahead.o, wiring.flipped(self.o))",
        "m.d.comb += [self.o.payload.eq(ahead.o.payload), ahead.o.ready.eq(self.o.ready), "
        "self.o.valid.eq(ahead.o.valid & ~self.command.valid)]"),
    "flow/beat_store/order": Mutant(
        "forgets a beat too many", "self._behind(head, beats)",
        "self._behind(head, beats + 1)"),
    "flow/delay_line/delay": Mutant(
        "gives values a clock too late", "now - (self.clocks - 1)", "now - self.clocks"),
    "flow/fan_out/whole": Mutant(
        "gives an order to one target before the other can take it",
        "target.valid.eq(go & condition)", "target.valid.eq(source.valid & condition)"),
    "flow/frame_gate/stream": Mutant(
        "takes an offer back to stop", "& ~(self.o.valid & ~self.o.ready)", ""),
    "flow/frame_gate/frames": Mutant(
        "stops within a frame", "self.stop & ~within_next", "self.stop"),
    "flow/frame_ingress/stream": Mutant(
        "offers what is ready to be taken", "self.o.valid.eq(self.i.valid & ~swallow)",
        "self.o.valid.eq(self.i.valid & ~swallow & self.o.ready | (index == 0))"),
    "flow/frame_ingress/length": Mutant(
        "ends a frame a beat too late", "FRAME_BYTES_MAX // beat_bytes - 1",
        "FRAME_BYTES_MAX // beat_bytes"),
    "flow/null_end/stream": Mutant(
        "takes the next beat while one waits", "empties.eq(~holds | self.o.valid & self.o.ready)",
        "empties.eq(~holds | self.o.valid)"),
    "flow/null_end/frames": Mutant(
        "keeps a beat without bytes", "self.i.valid & ~drops", "self.i.valid"),
    "flow/null_end/last_bit": Mutant(
        "keeps the bit of the beat before", "Mux(drops, i.tuser[bit], held.tuser[bit])",
        "held.tuser[bit]"),
    "flow/queue/stream": Mutant(
        "takes an offer back", "self.o.valid.eq(ring.readable |",
        "self.o.valid.eq(ring.readable & ~self.i.valid |"),
    "flow/queue/stream_through": Mutant(
        "takes for read what waits", "passes = self.through & ~ring.readable & self.o.ready",
        "passes = self.through & ~ring.readable"),
    "flow/queue/stream_block": Mutant(
        "shows what comes while an entry waits", "self.o.payload.eq(read_port.data)",
        "self.o.payload.eq(read_port.data ^ write_port.data)"),
    "flow/queue/order": Mutant(
        "writes into a full queue", "writable.eq(level != rows - 1)", "writable.eq(1)"),
    "flow/queue/order_through": Mutant(
        "keeps what has passed", "enters.eq(comes & ~passes)", "enters.eq(comes)"),
    "flow/queue/order_block": Mutant(
        "reads an entry without being asked",
        "leaves.eq(ring.readable & (~self.o.valid | self.o.ready))",
        "leaves.eq(ring.readable)"),
    "flow/skid/stream": Mutant(
        "forgets that it waits", "full.eq(self.o.valid & ~self.o.ready)",
        "full.eq(self.i.valid & ~self.o.ready)"),
    "flow/skid/order": Mutant(
        "keeps the next entry in place of the one that waits", "with m.If(~full)",
        "with m.If(1)"),
    "flow/register_slice/stream": Mutant(
        "takes the next entry while one waits", "~valid | self.o.ready", "1"),
    "flow/register_slice/order": Mutant(
        "gives what comes before what is kept", "Mux(full, kept, self.i.payload)",
        "self.i.payload"),
    "flow/registered_queue/order": Mutant(
        "holds an entry too many", "self.depth - _SLICE_ENTRIES", "self.depth - 1"),
    "flow/registered_queue/order_block": Mutant(
        "lets an entry pass by the one that comes out of the block RAM",
        "empty.eq(inside == 1)", "empty.eq(1)"),
    "flow/stage/stream": Mutant(
        "takes an entry while one waits", "~valid | self.o.ready", "1"),
    "flow/stage/order": Mutant(
        "says that it has room and takes nothing", "self.i.ready.eq(~valid | self.o.ready)",
        "self.i.ready.eq(1)"),
    # frame
    "frame/frame_build/stream": Mutant(
        "goes on to the next beat while one waits", "go.eq(o.valid & o.ready)",
        "go.eq(o.valid)"),
    "frame/header_split/stream": Mutant(
        "offers the text of a frame again", "here & enable & ~text_taken",
        "here & enable & ~text_taken & self.headers.ready"),
    "frame/text_extract/stream": Mutant(
        "shows the next frame's bytes at the end of a text", "Mux(held.last, 0, "
        "self.i.payload.data)", "self.i.payload.data"),
    "frame/text_restore/apart": Mutant(
        "puts a text into a frame that is to have none",
        "reached.eq(self.place.payload.enable & (", "reached.eq(("),
    "frame/text_restore/stream": Mutant(
        "counts beats that wait", "with m.If(go)", "with m.If(self.o.valid)"),
    # host
    "host/axi_lite/stable": Mutant(
        "answers the next read while an answer waits",
        "self.read.valid.eq(settled & ~bus.rvalid)", "self.read.valid.eq(settled)"),
    "host/axi_lite/answers": Mutant(
        "writes without waiting for the data", "have_address & have_data & ~bus.bvalid",
        "have_address & ~bus.bvalid"),
    "host/axi_lite/cleared": Mutant(
        "keeps what was written", "self.write.payload.data.eq(0),", ""),
    "host/registers/silent": Mutant(
        "lets secrets be read", "if register.access != Access.WRITE",
        "if register.access != Access.WRITE or registers is table.SA_PARAMETERS"),
    # lso
    "lso/header_replay/stream": Mutant(
        "takes the next beat while one waits", "move.eq(~self.o.valid | self.o.ready)",
        "move.eq(~self.o.valid | self.o.ready | self.again.valid)"),
    "lso/ingress_sums/counted": Mutant(
        "counts the sums that there was no room for", "Mux(one.last, 0, given + gives)",
        "Mux(one.last, 0, given + one.payload)"),
    "lso/ingress_sums/lined_up": Mutant(
        "forgets what ends while something waits",
        "Mux(waits, at_border | at_end, at_border & at_end)", "at_border & at_end"),
    "lso/segment_sums/stream": Mutant(
        "offers nothing while a request comes",
        "wiring.connect(m, ahead.o, wiring.flipped(self.o))",
        "m.d.comb += [self.o.payload.eq(ahead.o.payload), ahead.o.ready.eq(self.o.ready), "
        "self.o.valid.eq(ahead.o.valid & ~self.kept.valid)]"),
    "lso/segment_sums/ring": Mutant(
        "keeps the sums of refused requests", "taken.eq(Mux(skipping, left, fetch))",
        "taken.eq(fetch)"),
    # rx
    "rx/icv_split/stream": Mutant(
        "takes a beat while its text waits", "(self.o.ready | ~has_text)", "1"),
    "rx/verdict/stream": Mutant(
        "gives the next order while one waits", "ready.eq(~self.o.valid | self.o.ready)",
        "ready.eq(1)"),
    "rx/verdict/tag": Mutant(
        "finds an ICV wrong only when every bit is",
        "word, TAG_WORD_BITS)).any()", "word, TAG_WORD_BITS)).all()"),
    "rx/verdict/refusals": Mutant(
        "lets a frame in again", "seen.eq(frame.record.windowed & self.window.payload.seen)",
        "seen.eq(0)"),
    # sa
    "sa/commands/silent": Mutant(
        "tells the salt", "self.window_write.payload.sequence.eq(command.sequence)",
        "self.window_write.payload.sequence.eq(command.salt)"),
    "sa/contexts/context_rx": Mutant(
        "hits with the serial of another SA", "serial == context.serial", "serial == serial"),
    "sa/contexts/context_tx": Mutant(
        "hits a row that is not in use", "hit.eq(candidate & context.valid & same)",
        "hit.eq(candidate & same)"),
    "sa/contexts/secrets_rx": Mutant(
        "writes secrets that are not to be written", "self.write.valid & row.secret",
        "self.write.valid"),
    "sa/contexts/secrets_tx": Mutant(
        "reads secrets in every clock", "secret.en.eq(self.secrets.read)", "secret.en.eq(1)"),
    "sa/parity_memory/rows": Mutant(
        "reads in clocks in which it is not asked", "look.en.eq(reader.en)", "look.en.eq(1)"),
    "sa/sent_numbers/once": Mutant(
        "does not see what the number before has written",
        "new_row = run.marks & same_row", "new_row = run.marks & ~run.marks"),
    "sa/usage/limit": Mutant(
        "forgets what was counted just after a row had been read",
        "fetched.newer.eq(looking.newer | looked)", "fetched.newer.eq(looked)"),
    # tx
    "tx/check/stream": Mutant(
        "gives the next request while one waits", "ready.eq(~self.o.valid | self.o.ready)",
        "ready.eq(1)"),
    "tx/check/sealed": Mutant(
        "lets a request with a number that was used leave in clear",
        "looked.clear | seal, status", "looked.clear | unused, status"),
    "tx/check/refused": Mutant(
        "seals with wrong numbers", "usage.fault | numbers.fault", "usage.fault"),
    "tx/esp_header/stream": Mutant(
        "counts beats that wait", "go.eq(self.o.valid & self.o.ready)", "go.eq(self.o.valid)"),
    "tx/icv_append/stream": Mutant(
        "takes the tag before the end", "self.tag.ready.eq(ends)", "self.tag.ready.eq(1)"),
    "tx/trailer/stream": Mutant(
        "takes the request before the end", "self.request.ready.eq(ends)",
        "self.request.ready.eq(1)"),
    "tx/dispatch/stream": Mutant(
        "takes an offer back when a context comes",
        "self.segment.valid & (self.context.valid | ~one.seal)",
        "self.segment.valid & (self.context.valid ^ ~one.seal)"),
    "tx/dispatch/orders": Mutant(
        "seals the first segment alone", "job.place.enable.eq(one.seal)",
        "job.place.enable.eq(one.seal & one.first)"),
}
"""By the name of the proof: the block, and the proof's own name."""

DEEP = {"flow/frame_ingress/length", "sa/commands/silent"}
"""Proofs whose mutant shows after more clocks than a solver tries from the start: there the
induction fails."""
