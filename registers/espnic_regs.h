/* SPDX-License-Identifier: Apache-2.0 */
/* Made from model/interface/registers.py by make docs. */
#ifndef ESPNIC_REGS_H
#define ESPNIC_REGS_H

/* What TYPE, VERSION and SIZE read. */
#define ESPNIC_MAP_TYPE 0x4553504eu
#define ESPNIC_MAP_VERSION 2u
#define ESPNIC_MAP_SIZE 0x1000u

/* R: Magic number of this kind of block. */
#define ESPNIC_TYPE 0x000u

/* R: Version of this map. */
#define ESPNIC_VERSION 0x004u

/* R: Address space of the block. */
#define ESPNIC_SIZE 0x008u

/* R: What the engine can do. */
#define ESPNIC_CAPABILITIES 0x00cu
#define ESPNIC_CAPABILITIES_WIDTH_SHIFT 0
#define ESPNIC_CAPABILITIES_WIDTH_MASK 0x000003ffu
#define ESPNIC_CAPABILITIES_KEY_SIZES_SHIFT 12
#define ESPNIC_CAPABILITIES_KEY_SIZES_MASK 0x00007000u
#define ESPNIC_CAPABILITIES_ICV_SIZES_SHIFT 16
#define ESPNIC_CAPABILITIES_ICV_SIZES_MASK 0x00070000u
#define ESPNIC_CAPABILITIES_HAS_ESN_SHIFT 20
#define ESPNIC_CAPABILITIES_HAS_ESN_MASK 0x00100000u
#define ESPNIC_CAPABILITIES_HAS_IPV6_SHIFT 21
#define ESPNIC_CAPABILITIES_HAS_IPV6_MASK 0x00200000u
#define ESPNIC_CAPABILITIES_HAS_UDP_SHIFT 22
#define ESPNIC_CAPABILITIES_HAS_UDP_MASK 0x00400000u
#define ESPNIC_CAPABILITIES_HAS_RECEIVE_SHIFT 23
#define ESPNIC_CAPABILITIES_HAS_RECEIVE_MASK 0x00800000u
#define ESPNIC_CAPABILITIES_HAS_TRANSMIT_SHIFT 24
#define ESPNIC_CAPABILITIES_HAS_TRANSMIT_MASK 0x01000000u
#define ESPNIC_CAPABILITIES_HAS_CHECKSUM_SHIFT 25
#define ESPNIC_CAPABILITIES_HAS_CHECKSUM_MASK 0x02000000u
#define ESPNIC_CAPABILITIES_HAS_LSO_SHIFT 26
#define ESPNIC_CAPABILITIES_HAS_LSO_MASK 0x04000000u
#define ESPNIC_CAPABILITIES_HAS_LIFETIME_SHIFT 27
#define ESPNIC_CAPABILITIES_HAS_LIFETIME_MASK 0x08000000u
#define ESPNIC_CAPABILITIES_REPLAY_WINDOW_MAX_SHIFT 28
#define ESPNIC_CAPABILITIES_REPLAY_WINDOW_MAX_MASK 0x70000000u

/* R: Size of the SA tables. */
#define ESPNIC_SAS 0x010u
#define ESPNIC_SAS_SAS_SHIFT 0
#define ESPNIC_SAS_SAS_MASK 0x0001ffffu

/* R: Longest frame. */
#define ESPNIC_FRAME_BYTES_MAX 0x014u
#define ESPNIC_FRAME_BYTES_MAX_FRAME_BYTES_MAX_SHIFT 0
#define ESPNIC_FRAME_BYTES_MAX_FRAME_BYTES_MAX_MASK 0x0000ffffu

/* R: Longest super-frame. */
#define ESPNIC_SUPER_FRAME_BYTES_MAX 0x018u
#define ESPNIC_SUPER_FRAME_BYTES_MAX_SUPER_FRAME_BYTES_MAX_SHIFT 0
#define ESPNIC_SUPER_FRAME_BYTES_MAX_SUPER_FRAME_BYTES_MAX_MASK 0x0001ffffu

/* R: Events that the queue holds. */
#define ESPNIC_EVENT_QUEUE_DEPTH 0x01cu
#define ESPNIC_EVENT_QUEUE_DEPTH_EVENT_QUEUE_DEPTH_SHIFT 0
#define ESPNIC_EVENT_QUEUE_DEPTH_EVENT_QUEUE_DEPTH_MASK 0x000000ffu

/* RW1C: What has happened since its bit was cleared. */
#define ESPNIC_IRQ_STATUS 0x020u
#define ESPNIC_IRQ_STATUS_COMMAND_DONE_SHIFT 0
#define ESPNIC_IRQ_STATUS_COMMAND_DONE_MASK 0x00000001u
#define ESPNIC_IRQ_STATUS_EVENT_PRESENT_SHIFT 1
#define ESPNIC_IRQ_STATUS_EVENT_PRESENT_MASK 0x00000002u
#define ESPNIC_IRQ_STATUS_EVENTS_LOST_SHIFT 2
#define ESPNIC_IRQ_STATUS_EVENTS_LOST_MASK 0x00000004u

/* RW: What raises irq. */
#define ESPNIC_IRQ_ENABLE 0x024u
#define ESPNIC_IRQ_ENABLE_COMMAND_DONE_ENABLE_SHIFT 0
#define ESPNIC_IRQ_ENABLE_COMMAND_DONE_ENABLE_MASK 0x00000001u
#define ESPNIC_IRQ_ENABLE_EVENT_PRESENT_ENABLE_SHIFT 1
#define ESPNIC_IRQ_ENABLE_EVENT_PRESENT_ENABLE_MASK 0x00000002u
#define ESPNIC_IRQ_ENABLE_EVENTS_LOST_ENABLE_SHIFT 2
#define ESPNIC_IRQ_ENABLE_EVENTS_LOST_ENABLE_MASK 0x00000004u

/* RW: Stops and starts the datapath, at frame boundaries. */
#define ESPNIC_CONTROL 0x028u
#define ESPNIC_CONTROL_QUIESCE_SHIFT 0
#define ESPNIC_CONTROL_QUIESCE_MASK 0x00000001u

/* R: State of the datapath; when it is stopped and idle, nothing of a frame is in it. */
#define ESPNIC_STATUS 0x02cu
#define ESPNIC_STATUS_RX_STOPPED_SHIFT 0
#define ESPNIC_STATUS_RX_STOPPED_MASK 0x00000001u
#define ESPNIC_STATUS_TX_STOPPED_SHIFT 1
#define ESPNIC_STATUS_TX_STOPPED_MASK 0x00000002u
#define ESPNIC_STATUS_RX_IDLE_SHIFT 8
#define ESPNIC_STATUS_RX_IDLE_MASK 0x00000100u
#define ESPNIC_STATUS_TX_IDLE_SHIFT 9
#define ESPNIC_STATUS_TX_IDLE_MASK 0x00000200u

/* RW: Frames with status AUTH_FAILED that make an AUTH_BURST event. */
#define ESPNIC_BURST_THRESHOLD 0x030u
#define ESPNIC_BURST_THRESHOLD_BURST_THRESHOLD_SHIFT 0
#define ESPNIC_BURST_THRESHOLD_BURST_THRESHOLD_MASK 0x0000ffffu

/* RW: Length of the window in which they must come, from the first on. */
#define ESPNIC_BURST_CLOCKS 0x034u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY0 0x040u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY1 0x044u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY2 0x048u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY3 0x04cu

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY4 0x050u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY5 0x054u

/* R: The oldest event; 0 when there is none. */
#define ESPNIC_EVENT 0x060u
#define ESPNIC_EVENT_KIND_SHIFT 0
#define ESPNIC_EVENT_KIND_MASK 0x00000003u
#define ESPNIC_EVENT_DIRECTION_SHIFT 4
#define ESPNIC_EVENT_DIRECTION_MASK 0x00000010u
#define ESPNIC_EVENT_EVENT_VALID_SHIFT 8
#define ESPNIC_EVENT_EVENT_VALID_MASK 0x00000100u
#define ESPNIC_EVENT_SA_SHIFT 16
#define ESPNIC_EVENT_SA_MASK 0xffff0000u

/* R: sequence number of the frame that caused the event, that of the last segment of a request; 0 when the event is of no single frame. */
#define ESPNIC_EVENT_SEQUENCE_0 0x064u

/* R: sequence number of the frame that caused the event, that of the last segment of a request; 0 when the event is of no single frame. */
#define ESPNIC_EVENT_SEQUENCE_1 0x068u

/* R: Events in the queue. */
#define ESPNIC_EVENT_COUNT 0x06cu
#define ESPNIC_EVENT_COUNT_EVENT_COUNT_SHIFT 0
#define ESPNIC_EVENT_COUNT_EVENT_COUNT_MASK 0x000000ffu

/* W: Takes an event off the queue; SLVERR when there is none. */
#define ESPNIC_EVENT_POP 0x070u
#define ESPNIC_EVENT_POP_EVENT_POP_SHIFT 0
#define ESPNIC_EVENT_POP_EVENT_POP_MASK 0x00000001u

/* W: Starts an SA command with the registers below; SLVERR while one runs. */
#define ESPNIC_SA_DOORBELL 0x080u
#define ESPNIC_SA_DOORBELL_OPERATION_SHIFT 0
#define ESPNIC_SA_DOORBELL_OPERATION_MASK 0x00000007u
#define ESPNIC_SA_DOORBELL_SELECT_SHIFT 4
#define ESPNIC_SA_DOORBELL_SELECT_MASK 0x00000070u
#define ESPNIC_SA_DOORBELL_DIRECTION_SHIFT 8
#define ESPNIC_SA_DOORBELL_DIRECTION_MASK 0x00000100u
#define ESPNIC_SA_DOORBELL_SA_SHIFT 16
#define ESPNIC_SA_DOORBELL_SA_MASK 0xffff0000u

/* R: State of the SA command. */
#define ESPNIC_SA_STATUS 0x084u
#define ESPNIC_SA_STATUS_BUSY_SHIFT 0
#define ESPNIC_SA_STATUS_BUSY_MASK 0x00000001u
#define ESPNIC_SA_STATUS_DONE_SHIFT 1
#define ESPNIC_SA_STATUS_DONE_MASK 0x00000002u
#define ESPNIC_SA_STATUS_RESULT_SHIFT 8
#define ESPNIC_SA_STATUS_RESULT_MASK 0x00000700u
#define ESPNIC_SA_STATUS_RX_EMPTY_SHIFT 16
#define ESPNIC_SA_STATUS_RX_EMPTY_MASK 0x00010000u

/* RW: Sizes and flags of the SA. */
#define ESPNIC_SA_ATTRIBUTES 0x088u
#define ESPNIC_SA_ATTRIBUTES_KEY_SIZE_SHIFT 0
#define ESPNIC_SA_ATTRIBUTES_KEY_SIZE_MASK 0x00000003u
#define ESPNIC_SA_ATTRIBUTES_ICV_SIZE_SHIFT 4
#define ESPNIC_SA_ATTRIBUTES_ICV_SIZE_MASK 0x00000030u
#define ESPNIC_SA_ATTRIBUTES_ESN_SHIFT 8
#define ESPNIC_SA_ATTRIBUTES_ESN_MASK 0x00000100u
#define ESPNIC_SA_ATTRIBUTES_ESN_OVERLAP_SHIFT 9
#define ESPNIC_SA_ATTRIBUTES_ESN_OVERLAP_MASK 0x00000200u
#define ESPNIC_SA_ATTRIBUTES_REPLAY_WINDOW_SHIFT 12
#define ESPNIC_SA_ATTRIBUTES_REPLAY_WINDOW_MASK 0x00007000u
#define ESPNIC_SA_ATTRIBUTES_IPV6_SHIFT 16
#define ESPNIC_SA_ATTRIBUTES_IPV6_MASK 0x00010000u
#define ESPNIC_SA_ATTRIBUTES_ENCAPSULATION_SHIFT 17
#define ESPNIC_SA_ATTRIBUTES_ENCAPSULATION_MASK 0x00020000u

/* RW: High half of the sequence number. */
#define ESPNIC_SA_ESN_HIGH 0x08cu

/* RW: SPI. */
#define ESPNIC_SA_SPI 0x090u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION0 0x094u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION1 0x098u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION2 0x09cu

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION3 0x0a0u

/* W: salt of RFC 4106, first byte in bits 31:24. */
#define ESPNIC_SA_SALT 0x0a4u

/* W: transmit: salt of the IV, first byte in bits 63:56. */
#define ESPNIC_SA_SEQIV_SALT0 0x0a8u

/* W: transmit: salt of the IV, first byte in bits 63:56. */
#define ESPNIC_SA_SEQIV_SALT1 0x0acu

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY0 0x0b0u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY1 0x0b4u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY2 0x0b8u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY3 0x0bcu

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY4 0x0c0u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY5 0x0c4u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY6 0x0c8u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY7 0x0ccu

/* RW: receive, with a replay window: the highest sequence number that counts as received. */
#define ESPNIC_SA_SEQUENCE_0 0x0d0u

/* RW: receive, with a replay window: the highest sequence number that counts as received. */
#define ESPNIC_SA_SEQUENCE_1 0x0d4u

/* RW: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_PACKETS_0 0x0d8u

/* RW: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_PACKETS_1 0x0dcu

/* RW: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_BYTES_0 0x0e0u

/* RW: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_BYTES_1 0x0e4u

/* RW: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_PACKETS_0 0x0e8u

/* RW: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_PACKETS_1 0x0ecu

/* RW: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_BYTES_0 0x0f0u

/* RW: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_BYTES_1 0x0f4u

/* R: Sizes and flags of the SA. */
#define ESPNIC_READ_ATTRIBUTES 0x100u
#define ESPNIC_READ_ATTRIBUTES_KEY_SIZE_SHIFT 0
#define ESPNIC_READ_ATTRIBUTES_KEY_SIZE_MASK 0x00000003u
#define ESPNIC_READ_ATTRIBUTES_ICV_SIZE_SHIFT 4
#define ESPNIC_READ_ATTRIBUTES_ICV_SIZE_MASK 0x00000030u
#define ESPNIC_READ_ATTRIBUTES_ESN_SHIFT 8
#define ESPNIC_READ_ATTRIBUTES_ESN_MASK 0x00000100u
#define ESPNIC_READ_ATTRIBUTES_ESN_OVERLAP_SHIFT 9
#define ESPNIC_READ_ATTRIBUTES_ESN_OVERLAP_MASK 0x00000200u
#define ESPNIC_READ_ATTRIBUTES_REPLAY_WINDOW_SHIFT 12
#define ESPNIC_READ_ATTRIBUTES_REPLAY_WINDOW_MASK 0x00007000u
#define ESPNIC_READ_ATTRIBUTES_IPV6_SHIFT 16
#define ESPNIC_READ_ATTRIBUTES_IPV6_MASK 0x00010000u
#define ESPNIC_READ_ATTRIBUTES_ENCAPSULATION_SHIFT 17
#define ESPNIC_READ_ATTRIBUTES_ENCAPSULATION_MASK 0x00020000u

/* R: High half of the sequence number. */
#define ESPNIC_READ_ESN_HIGH 0x104u

/* R: SPI. */
#define ESPNIC_READ_SPI 0x108u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION0 0x10cu

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION1 0x110u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION2 0x114u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION3 0x118u

/* R: receive, with a replay window: the highest sequence number received. */
#define ESPNIC_READ_SEQUENCE_0 0x120u

/* R: receive, with a replay window: the highest sequence number received. */
#define ESPNIC_READ_SEQUENCE_1 0x124u

/* R: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_PACKETS_0 0x128u

/* R: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_PACKETS_1 0x12cu

/* R: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_BYTES_0 0x130u

/* R: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_BYTES_1 0x134u

/* R: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_PACKETS_0 0x138u

/* R: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_PACKETS_1 0x13cu

/* R: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_BYTES_0 0x140u

/* R: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_BYTES_1 0x144u

/* R: packets sealed or opened. */
#define ESPNIC_READ_PACKETS_0 0x148u

/* R: packets sealed or opened. */
#define ESPNIC_READ_PACKETS_1 0x14cu

/* R: bytes of their text. */
#define ESPNIC_READ_BYTES_0 0x150u

/* R: bytes of their text. */
#define ESPNIC_READ_BYTES_1 0x154u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_OK_LOW 0x200u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_OK_HIGH 0x204u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_AUTH_FAILED_LOW 0x208u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_AUTH_FAILED_HIGH 0x20cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_TRAILER_LOW 0x210u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_TRAILER_HIGH 0x214u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_SYNTAX_LOW 0x218u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_SYNTAX_HIGH 0x21cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_TRUNCATED_LOW 0x220u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_TRUNCATED_HIGH 0x224u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NOT_IP_LOW 0x228u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NOT_IP_HIGH 0x22cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_HEADER_LOW 0x230u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_HEADER_HIGH 0x234u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_IP_OPTIONS_LOW 0x238u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_IP_OPTIONS_HIGH 0x23cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_FRAGMENT_LOW 0x240u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_FRAGMENT_HIGH 0x244u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_EXT_HEADER_LOW 0x248u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_EXT_HEADER_HIGH 0x24cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NOT_ESP_LOW 0x250u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NOT_ESP_HIGH 0x254u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_KEEPALIVE_LOW 0x258u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_KEEPALIVE_HIGH 0x25cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NON_ESP_MARKER_LOW 0x260u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NON_ESP_MARKER_HIGH 0x264u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NO_SA_LOW 0x268u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NO_SA_HIGH 0x26cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_OVERSIZE_LOW 0x270u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_OVERSIZE_HIGH 0x274u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_LATE_LOW 0x278u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_LATE_HIGH 0x27cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_REPLAYED_LOW 0x280u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_REPLAYED_HIGH 0x284u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_EXPIRED_LOW 0x288u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_EXPIRED_HIGH 0x28cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_SEALED_LOW 0x300u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_SEALED_HIGH 0x304u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYPASSED_LOW 0x308u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYPASSED_HIGH 0x30cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_NO_SA_LOW 0x310u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_NO_SA_HIGH 0x314u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SPI_LOW 0x318u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SPI_HIGH 0x31cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SEQUENCE_LOW 0x320u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SEQUENCE_HIGH 0x324u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SYNTAX_LOW 0x328u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SYNTAX_HIGH 0x32cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_OVERSIZE_LOW 0x330u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_OVERSIZE_HIGH 0x334u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_TRAILER_LOW 0x338u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_TRAILER_HIGH 0x33cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_OFFSETS_LOW 0x340u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_OFFSETS_HIGH 0x344u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_OVERSIZE_LOW 0x348u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_OVERSIZE_HIGH 0x34cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_PROTOCOL_LOW 0x350u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_PROTOCOL_HIGH 0x354u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_HEADER_LOW 0x358u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_HEADER_HIGH 0x35cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_PAYLOAD_LOW 0x360u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_PAYLOAD_HIGH 0x364u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_MSS_LOW 0x368u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_MSS_HIGH 0x36cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_SEQUENCE_LOW 0x370u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_SEQUENCE_HIGH 0x374u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_EXPIRED_LOW 0x378u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_EXPIRED_HIGH 0x37cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_UNSUPPORTED_LOW 0x380u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_UNSUPPORTED_HIGH 0x384u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_PACKETS_IN_LOW 0x400u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_PACKETS_IN_HIGH 0x404u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_PACKETS_OUT_LOW 0x408u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_PACKETS_OUT_HIGH 0x40cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_IN_LOW 0x410u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_IN_HIGH 0x414u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_OUT_LOW 0x418u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_OUT_HIGH 0x41cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_PACKETS_IN_LOW 0x420u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_PACKETS_IN_HIGH 0x424u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_PACKETS_OUT_LOW 0x428u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_PACKETS_OUT_HIGH 0x42cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_IN_LOW 0x430u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_IN_HIGH 0x434u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_OUT_LOW 0x438u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_OUT_HIGH 0x43cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_OPENED_LOW 0x440u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_OPENED_HIGH 0x444u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_SEALED_LOW 0x448u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_SEALED_HIGH 0x44cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_DROPPED_LOW 0x450u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_DROPPED_HIGH 0x454u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_ADD_SUCCESS_LOW 0x458u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_ADD_SUCCESS_HIGH 0x45cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_ADD_FAIL_LOW 0x460u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_ADD_FAIL_HIGH 0x464u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_DELETE_SUCCESS_LOW 0x468u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_DELETE_SUCCESS_HIGH 0x46cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_DELETE_FAIL_LOW 0x470u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_DELETE_FAIL_HIGH 0x474u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_COMMAND_DROPPED_LOW 0x478u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_COMMAND_DROPPED_HIGH 0x47cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_EVENTS_LOST_LOW 0x480u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_EVENTS_LOST_HIGH 0x484u

enum espnic_rx_status {
	ESPNIC_RX_STATUS_OK = 0,
	ESPNIC_RX_STATUS_AUTH_FAILED = 1,
	ESPNIC_RX_STATUS_BAD_TRAILER = 2,
	ESPNIC_RX_STATUS_SYNTAX = 3,
	ESPNIC_RX_STATUS_TRUNCATED = 4,
	ESPNIC_RX_STATUS_NOT_IP = 5,
	ESPNIC_RX_STATUS_BAD_HEADER = 6,
	ESPNIC_RX_STATUS_IP_OPTIONS = 7,
	ESPNIC_RX_STATUS_FRAGMENT = 8,
	ESPNIC_RX_STATUS_EXT_HEADER = 9,
	ESPNIC_RX_STATUS_NOT_ESP = 10,
	ESPNIC_RX_STATUS_KEEPALIVE = 11,
	ESPNIC_RX_STATUS_NON_ESP_MARKER = 12,
	ESPNIC_RX_STATUS_NO_SA = 13,
	ESPNIC_RX_STATUS_OVERSIZE = 14,
	ESPNIC_RX_STATUS_LATE = 15,
	ESPNIC_RX_STATUS_REPLAYED = 16,
	ESPNIC_RX_STATUS_EXPIRED = 17
};

enum espnic_tx_status {
	ESPNIC_TX_STATUS_SEALED = 0,
	ESPNIC_TX_STATUS_BYPASSED = 1,
	ESPNIC_TX_STATUS_DROP_NO_SA = 2,
	ESPNIC_TX_STATUS_DROP_SPI = 3,
	ESPNIC_TX_STATUS_DROP_SEQUENCE = 4,
	ESPNIC_TX_STATUS_DROP_SYNTAX = 5,
	ESPNIC_TX_STATUS_DROP_OVERSIZE = 6,
	ESPNIC_TX_STATUS_DROP_TRAILER = 7,
	ESPNIC_TX_STATUS_DROP_OFFSETS = 8,
	ESPNIC_TX_STATUS_DROP_LSO_OVERSIZE = 9,
	ESPNIC_TX_STATUS_DROP_LSO_PROTOCOL = 10,
	ESPNIC_TX_STATUS_DROP_LSO_HEADER = 11,
	ESPNIC_TX_STATUS_DROP_LSO_PAYLOAD = 12,
	ESPNIC_TX_STATUS_DROP_LSO_MSS = 13,
	ESPNIC_TX_STATUS_DROP_LSO_SEQUENCE = 14,
	ESPNIC_TX_STATUS_DROP_EXPIRED = 15,
	ESPNIC_TX_STATUS_DROP_UNSUPPORTED = 16
};

enum espnic_rx_checksum {
	ESPNIC_RX_CHECKSUM_NONE = 0,
	ESPNIC_RX_CHECKSUM_GOOD = 1,
	ESPNIC_RX_CHECKSUM_BAD = 2
};

enum espnic_tx_operation {
	ESPNIC_TX_OPERATION_BYPASS = 0,
	ESPNIC_TX_OPERATION_ENCRYPT = 1
};

enum espnic_sa_operation {
	ESPNIC_SA_OPERATION_ADD = 1,
	ESPNIC_SA_OPERATION_DELETE = 2,
	ESPNIC_SA_OPERATION_MODIFY = 3,
	ESPNIC_SA_OPERATION_READ = 4,
	ESPNIC_SA_OPERATION_FREE = 5,
	ESPNIC_SA_OPERATION_FLUSH = 6
};

enum espnic_sa_select {
	ESPNIC_SA_SELECT_NOTHING = 0,
	ESPNIC_SA_SELECT_ESN = 1,
	ESPNIC_SA_SELECT_SOFT = 2,
	ESPNIC_SA_SELECT_HARD = 4
};

enum espnic_sa_result {
	ESPNIC_SA_RESULT_OK = 0,
	ESPNIC_SA_RESULT_EINVAL = 1,
	ESPNIC_SA_RESULT_EEXIST = 2,
	ESPNIC_SA_RESULT_ENOSPC = 3,
	ESPNIC_SA_RESULT_ENOENT = 4,
	ESPNIC_SA_RESULT_EBUSY = 5,
	ESPNIC_SA_RESULT_EOPNOTSUPP = 6
};

enum espnic_sa_direction {
	ESPNIC_SA_DIRECTION_RX = 0,
	ESPNIC_SA_DIRECTION_TX = 1
};

enum espnic_key_size {
	ESPNIC_KEY_SIZE_AES128 = 0,
	ESPNIC_KEY_SIZE_AES192 = 1,
	ESPNIC_KEY_SIZE_AES256 = 2
};

enum espnic_icv_size {
	ESPNIC_ICV_SIZE_ICV8 = 0,
	ESPNIC_ICV_SIZE_ICV12 = 1,
	ESPNIC_ICV_SIZE_ICV16 = 2
};

enum espnic_replay_window {
	ESPNIC_REPLAY_WINDOW_NONE = 0,
	ESPNIC_REPLAY_WINDOW_W32 = 1,
	ESPNIC_REPLAY_WINDOW_W64 = 2,
	ESPNIC_REPLAY_WINDOW_W128 = 3,
	ESPNIC_REPLAY_WINDOW_W256 = 4,
	ESPNIC_REPLAY_WINDOW_W512 = 5,
	ESPNIC_REPLAY_WINDOW_W1024 = 6
};

enum espnic_encapsulation {
	ESPNIC_ENCAPSULATION_NONE = 0,
	ESPNIC_ENCAPSULATION_UDP = 1
};

enum espnic_event_kind {
	ESPNIC_EVENT_KIND_SOFT_LIMIT = 0,
	ESPNIC_EVENT_KIND_HARD_LIMIT = 1,
	ESPNIC_EVENT_KIND_ESN_HALF = 2,
	ESPNIC_EVENT_KIND_AUTH_BURST = 3
};

/* Bits of tx_descriptor in tuser. */
#define ESPNIC_TX_DESCRIPTOR_BITS 172
#define ESPNIC_TX_DESCRIPTOR_OPERATION_LOW 0
#define ESPNIC_TX_DESCRIPTOR_OPERATION_BITS 1
#define ESPNIC_TX_DESCRIPTOR_TRAILER_LOW 1
#define ESPNIC_TX_DESCRIPTOR_TRAILER_BITS 1
#define ESPNIC_TX_DESCRIPTOR_SA_LOW 2
#define ESPNIC_TX_DESCRIPTOR_SA_BITS 16
#define ESPNIC_TX_DESCRIPTOR_SEQUENCE_LOW 18
#define ESPNIC_TX_DESCRIPTOR_SEQUENCE_BITS 64
#define ESPNIC_TX_DESCRIPTOR_ESP_OFFSET_LOW 82
#define ESPNIC_TX_DESCRIPTOR_ESP_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_NEXT_HEADER_LOW 90
#define ESPNIC_TX_DESCRIPTOR_NEXT_HEADER_BITS 8
#define ESPNIC_TX_DESCRIPTOR_CHECKSUM_LOW 98
#define ESPNIC_TX_DESCRIPTOR_CHECKSUM_BITS 1
#define ESPNIC_TX_DESCRIPTOR_LSO_LOW 99
#define ESPNIC_TX_DESCRIPTOR_LSO_BITS 1
#define ESPNIC_TX_DESCRIPTOR_OUTER_OFFSET_LOW 100
#define ESPNIC_TX_DESCRIPTOR_OUTER_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L3_OFFSET_LOW 108
#define ESPNIC_TX_DESCRIPTOR_L3_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_OUTER_IPV6_LOW 116
#define ESPNIC_TX_DESCRIPTOR_OUTER_IPV6_BITS 1
#define ESPNIC_TX_DESCRIPTOR_IPV6_LOW 117
#define ESPNIC_TX_DESCRIPTOR_IPV6_BITS 1
#define ESPNIC_TX_DESCRIPTOR_ENCAPSULATION_LOW 118
#define ESPNIC_TX_DESCRIPTOR_ENCAPSULATION_BITS 1
#define ESPNIC_TX_DESCRIPTOR_OUTER_ID_FIXED_LOW 119
#define ESPNIC_TX_DESCRIPTOR_OUTER_ID_FIXED_BITS 1
#define ESPNIC_TX_DESCRIPTOR_L4_OFFSET_LOW 120
#define ESPNIC_TX_DESCRIPTOR_L4_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L4_PROTOCOL_LOW 128
#define ESPNIC_TX_DESCRIPTOR_L4_PROTOCOL_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L4_BYTES_LOW 136
#define ESPNIC_TX_DESCRIPTOR_L4_BYTES_BITS 14
#define ESPNIC_TX_DESCRIPTOR_HEADER_BYTES_LOW 150
#define ESPNIC_TX_DESCRIPTOR_HEADER_BYTES_BITS 8
#define ESPNIC_TX_DESCRIPTOR_MSS_LOW 158
#define ESPNIC_TX_DESCRIPTOR_MSS_BITS 14

/* Bits of rx_completion in tuser. */
#define ESPNIC_RX_COMPLETION_BITS 64
#define ESPNIC_RX_COMPLETION_STATUS_LOW 0
#define ESPNIC_RX_COMPLETION_STATUS_BITS 5
#define ESPNIC_RX_COMPLETION_SA_LOW 5
#define ESPNIC_RX_COMPLETION_SA_BITS 16
#define ESPNIC_RX_COMPLETION_ESP_OFFSET_LOW 21
#define ESPNIC_RX_COMPLETION_ESP_OFFSET_BITS 8
#define ESPNIC_RX_COMPLETION_NEXT_HEADER_LOW 29
#define ESPNIC_RX_COMPLETION_NEXT_HEADER_BITS 8
#define ESPNIC_RX_COMPLETION_TRAILER_BYTES_LOW 37
#define ESPNIC_RX_COMPLETION_TRAILER_BYTES_BITS 9
#define ESPNIC_RX_COMPLETION_CHECKSUM_LOW 46
#define ESPNIC_RX_COMPLETION_CHECKSUM_BITS 16
#define ESPNIC_RX_COMPLETION_CHECKSUM_STATUS_LOW 62
#define ESPNIC_RX_COMPLETION_CHECKSUM_STATUS_BITS 2

#endif
