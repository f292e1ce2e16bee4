"""A stand-in for the RTL: shows an outcome as the engine's ports and taps would."""

from ipaddress import ip_address

from espnic.model.interface.codes import ESP_TEXT_OFFSET, RxStatus, TxStatus
from espnic.model.interface.layouts import (
    RX_COMPLETION,
    RX_LOOKED_UP,
    RX_PARSED,
    TX_SEQIV,
    TX_VERDICT,
)
from espnic.sim.rig.taps import TAP_NAMES, Observed
from espnic.sim.traffic.steps import Outcome


def observe(outcome: Outcome, width: int = 128) -> Observed:
    """Observations of an engine that gives this outcome."""
    taps: dict[str, list[int]] = {name: [] for name in TAP_NAMES}
    frame_bytes = esp_offset = 0
    last_verdicts = {record.packet: record for record in outcome.trace
                     if record.point == "tx.verdict"}
    for record in outcome.trace:
        name = record.point.replace(".", "_")
        if name == "rx_in":
            frame_bytes = len(record.fields["frame"]) // 2
        if name == "rx_parse":
            esp_offset = record.fields.get("esp_offset", 0)
        if name in taps:
            last = record is last_verdicts.get(record.packet)
            taps[name] += _payloads(name, record.fields, width, last)
        if name == "rx_verdict" and record.fields["status"] == "TRUNCATED" and (
                record.fields["sa"] and frame_bytes >= esp_offset + ESP_TEXT_OFFSET):
            # The RTL has opened what there was before the end came.
            taps["rx_open"] += _beats(b"rubbish", width)
            taps["rx_icv"].append(0)
    return Observed(
        results=[int(result) for result in outcome.results],
        to_host=[
            (RX_COMPLETION.pack(item.completion), item.frame.hex()) for item in outcome.received
        ],
        to_wire=[frame.hex() for frame in outcome.sent],
        sidebands=outcome.sidebands,
        taps=taps,
        counters=dict(outcome.counters),
        clocks=1000,
    )


def _payloads(name: str, fields: dict, width: int, last: bool) -> list[int]:
    match name:
        case "rx_parse":
            values = fields | {"status": RxStatus[fields["status"]]}
            if "destination" in fields:
                values["destination"] = int(ip_address(fields["destination"]))
            return [RX_PARSED.pack(values)]
        case "rx_lookup":
            return [RX_LOOKED_UP.pack(fields)]
        case "rx_verdict":
            return [RX_COMPLETION.pack(fields | {"status": RxStatus[fields["status"]]})]
        case "tx_verdict":
            return [TX_VERDICT.pack(
                fields | {"status": TxStatus[fields["status"]], "last": last})]
        case "tx_seqiv":
            return [TX_SEQIV.pack(fields | {"iv": int(fields["iv"], 16)})]
        case "rx_icv" | "tx_icv":
            return [int.from_bytes(bytes.fromhex(fields["tag"]), "little")]
        case "tx_segment":
            return _beats(bytes.fromhex(fields["frame"]), width)
    return _beats(bytes.fromhex(fields["text"]), width)


def _beats(text: bytes, width: int) -> list[int]:
    size = width // 8
    count_bits = size.bit_length()
    beats = []
    for start in range(0, len(text), size):
        piece = text[start:start + size]
        first, last = start == 0, start + size >= len(text)
        word = int.from_bytes(piece, "little") | len(piece) << width
        beats.append(word | first << width + count_bits | last << width + count_bits + 1)
    return beats
