/* SPDX-License-Identifier: Apache-2.0 */
/* Made from model/interface/registers.py by make docs. */
#ifndef ESPNIC_REGS_H
#define ESPNIC_REGS_H

/* What TYPE, VERSION and SIZE read. */
#define ESPNIC_MAP_TYPE 0x4553504eu
#define ESPNIC_MAP_VERSION 3u
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
#define ESPNIC_CAPABILITIES_REPLAY_WINDOW_MAX_MASK 0xf0000000u

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

/* R: Numbers, from the highest sealed down, of which the engine knows whether it sealed them. */
#define ESPNIC_SENT_WINDOW 0x020u
#define ESPNIC_SENT_WINDOW_SENT_WINDOW_SHIFT 0
#define ESPNIC_SENT_WINDOW_SENT_WINDOW_MASK 0x0000ffffu

/* RW1C: What has happened since its bit was cleared. */
#define ESPNIC_IRQ_STATUS 0x030u
#define ESPNIC_IRQ_STATUS_COMMAND_DONE_SHIFT 0
#define ESPNIC_IRQ_STATUS_COMMAND_DONE_MASK 0x00000001u
#define ESPNIC_IRQ_STATUS_EVENT_PRESENT_SHIFT 1
#define ESPNIC_IRQ_STATUS_EVENT_PRESENT_MASK 0x00000002u
#define ESPNIC_IRQ_STATUS_EVENTS_LOST_SHIFT 2
#define ESPNIC_IRQ_STATUS_EVENTS_LOST_MASK 0x00000004u

/* RW: What raises irq. */
#define ESPNIC_IRQ_ENABLE 0x034u
#define ESPNIC_IRQ_ENABLE_COMMAND_DONE_ENABLE_SHIFT 0
#define ESPNIC_IRQ_ENABLE_COMMAND_DONE_ENABLE_MASK 0x00000001u
#define ESPNIC_IRQ_ENABLE_EVENT_PRESENT_ENABLE_SHIFT 1
#define ESPNIC_IRQ_ENABLE_EVENT_PRESENT_ENABLE_MASK 0x00000002u
#define ESPNIC_IRQ_ENABLE_EVENTS_LOST_ENABLE_SHIFT 2
#define ESPNIC_IRQ_ENABLE_EVENTS_LOST_ENABLE_MASK 0x00000004u

/* RW: Stops and starts the datapath, at frame boundaries, and tests the ciphers. */
#define ESPNIC_CONTROL 0x038u
#define ESPNIC_CONTROL_QUIESCE_SHIFT 0
#define ESPNIC_CONTROL_QUIESCE_MASK 0x00000001u
#define ESPNIC_CONTROL_SELF_TEST_SHIFT 1
#define ESPNIC_CONTROL_SELF_TEST_MASK 0x00000002u

/* R: State of the datapath; when it is stopped and idle, nothing of a frame is in it. */
#define ESPNIC_STATUS 0x03cu
#define ESPNIC_STATUS_RX_STOPPED_SHIFT 0
#define ESPNIC_STATUS_RX_STOPPED_MASK 0x00000001u
#define ESPNIC_STATUS_TX_STOPPED_SHIFT 1
#define ESPNIC_STATUS_TX_STOPPED_MASK 0x00000002u
#define ESPNIC_STATUS_RX_IDLE_SHIFT 8
#define ESPNIC_STATUS_RX_IDLE_MASK 0x00000100u
#define ESPNIC_STATUS_TX_IDLE_SHIFT 9
#define ESPNIC_STATUS_TX_IDLE_MASK 0x00000200u
#define ESPNIC_STATUS_RX_FAILED_SHIFT 16
#define ESPNIC_STATUS_RX_FAILED_MASK 0x00010000u
#define ESPNIC_STATUS_TX_FAILED_SHIFT 17
#define ESPNIC_STATUS_TX_FAILED_MASK 0x00020000u
#define ESPNIC_STATUS_SELF_TESTING_SHIFT 24
#define ESPNIC_STATUS_SELF_TESTING_MASK 0x01000000u

/* RW: Frames with status AUTH_FAILED that make an AUTH_BURST event. */
#define ESPNIC_BURST_THRESHOLD 0x040u
#define ESPNIC_BURST_THRESHOLD_BURST_THRESHOLD_SHIFT 0
#define ESPNIC_BURST_THRESHOLD_BURST_THRESHOLD_MASK 0x0000ffffu

/* RW: Length of the window in which they must come, from the first on. */
#define ESPNIC_BURST_CLOCKS 0x044u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY0 0x048u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY1 0x04cu

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY2 0x050u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY3 0x054u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY4 0x058u

/* W: secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs. */
#define ESPNIC_TABLE_KEY5 0x05cu

/* R: The oldest event; 0 when there is none. */
#define ESPNIC_EVENT 0x060u
#define ESPNIC_EVENT_KIND_SHIFT 0
#define ESPNIC_EVENT_KIND_MASK 0x0000000fu
#define ESPNIC_EVENT_DIRECTION_SHIFT 4
#define ESPNIC_EVENT_DIRECTION_MASK 0x00000010u
#define ESPNIC_EVENT_EVENT_VALID_SHIFT 8
#define ESPNIC_EVENT_EVENT_VALID_MASK 0x00000100u
#define ESPNIC_EVENT_SA_SHIFT 16
#define ESPNIC_EVENT_SA_MASK 0xffff0000u

/* R: sequence number of the frame that caused the event, that of the last segment of a request; the SaMemory of a MEMORY_FAULT; 0 when the event is of no single frame. */
#define ESPNIC_EVENT_SEQUENCE_0 0x064u

/* R: sequence number of the frame that caused the event, that of the last segment of a request; the SaMemory of a MEMORY_FAULT; 0 when the event is of no single frame. */
#define ESPNIC_EVENT_SEQUENCE_1 0x068u

/* R: Events in the queue. */
#define ESPNIC_EVENT_COUNT 0x06cu
#define ESPNIC_EVENT_COUNT_EVENT_COUNT_SHIFT 0
#define ESPNIC_EVENT_COUNT_EVENT_COUNT_MASK 0x000000ffu

/* W: Takes an event off the queue; SLVERR when there is none. */
#define ESPNIC_EVENT_POP 0x070u
#define ESPNIC_EVENT_POP_EVENT_POP_SHIFT 0
#define ESPNIC_EVENT_POP_EVENT_POP_MASK 0x00000001u

/* RW: Ports to which ESP in UDP is received, for frames whose headers come after the write. */
#define ESPNIC_ESP_PORTS0 0x080u
#define ESPNIC_ESP_PORTS0_ESP_PORT0_SHIFT 0
#define ESPNIC_ESP_PORTS0_ESP_PORT0_MASK 0x0000ffffu
#define ESPNIC_ESP_PORTS0_ESP_PORT1_SHIFT 16
#define ESPNIC_ESP_PORTS0_ESP_PORT1_MASK 0xffff0000u

/* RW: Ports to which ESP in UDP is received, for frames whose headers come after the write. */
#define ESPNIC_ESP_PORTS1 0x084u
#define ESPNIC_ESP_PORTS1_ESP_PORT2_SHIFT 0
#define ESPNIC_ESP_PORTS1_ESP_PORT2_MASK 0x0000ffffu
#define ESPNIC_ESP_PORTS1_ESP_PORT3_SHIFT 16
#define ESPNIC_ESP_PORTS1_ESP_PORT3_MASK 0xffff0000u

/* W: Starts an SA command with the registers below; SLVERR while one runs. */
#define ESPNIC_SA_DOORBELL 0x100u
#define ESPNIC_SA_DOORBELL_OPERATION_SHIFT 0
#define ESPNIC_SA_DOORBELL_OPERATION_MASK 0x0000000fu
#define ESPNIC_SA_DOORBELL_SELECT_SHIFT 4
#define ESPNIC_SA_DOORBELL_SELECT_MASK 0x000000f0u
#define ESPNIC_SA_DOORBELL_DIRECTION_SHIFT 8
#define ESPNIC_SA_DOORBELL_DIRECTION_MASK 0x00000100u
#define ESPNIC_SA_DOORBELL_SA_SHIFT 16
#define ESPNIC_SA_DOORBELL_SA_MASK 0xffff0000u

/* R: State of the SA command. */
#define ESPNIC_SA_STATUS 0x104u
#define ESPNIC_SA_STATUS_BUSY_SHIFT 0
#define ESPNIC_SA_STATUS_BUSY_MASK 0x00000001u
#define ESPNIC_SA_STATUS_DONE_SHIFT 1
#define ESPNIC_SA_STATUS_DONE_MASK 0x00000002u
#define ESPNIC_SA_STATUS_RESULT_SHIFT 8
#define ESPNIC_SA_STATUS_RESULT_MASK 0x00000f00u
#define ESPNIC_SA_STATUS_RX_EMPTY_SHIFT 16
#define ESPNIC_SA_STATUS_RX_EMPTY_MASK 0x00010000u

/* RW: Sizes and flags of the SA. */
#define ESPNIC_SA_ATTRIBUTES 0x108u
#define ESPNIC_SA_ATTRIBUTES_KEY_SIZE_SHIFT 0
#define ESPNIC_SA_ATTRIBUTES_KEY_SIZE_MASK 0x00000003u
#define ESPNIC_SA_ATTRIBUTES_ICV_SIZE_SHIFT 4
#define ESPNIC_SA_ATTRIBUTES_ICV_SIZE_MASK 0x00000030u
#define ESPNIC_SA_ATTRIBUTES_ESN_SHIFT 8
#define ESPNIC_SA_ATTRIBUTES_ESN_MASK 0x00000100u
#define ESPNIC_SA_ATTRIBUTES_ESN_OVERLAP_SHIFT 9
#define ESPNIC_SA_ATTRIBUTES_ESN_OVERLAP_MASK 0x00000200u
#define ESPNIC_SA_ATTRIBUTES_UNGUARDED_SHIFT 10
#define ESPNIC_SA_ATTRIBUTES_UNGUARDED_MASK 0x00000400u
#define ESPNIC_SA_ATTRIBUTES_REPLAY_WINDOW_SHIFT 12
#define ESPNIC_SA_ATTRIBUTES_REPLAY_WINDOW_MASK 0x0000f000u
#define ESPNIC_SA_ATTRIBUTES_IPV6_SHIFT 16
#define ESPNIC_SA_ATTRIBUTES_IPV6_MASK 0x00010000u
#define ESPNIC_SA_ATTRIBUTES_ENCAPSULATION_SHIFT 17
#define ESPNIC_SA_ATTRIBUTES_ENCAPSULATION_MASK 0x00020000u

/* RW: High half of the sequence number. */
#define ESPNIC_SA_ESN_HIGH 0x10cu

/* RW: SPI. */
#define ESPNIC_SA_SPI 0x110u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION0 0x114u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION1 0x118u

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION2 0x11cu

/* RW: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_SA_DESTINATION3 0x120u

/* RW: receive, with a replay window: the highest sequence number that counts as received; transmit: the highest that counts as sealed. */
#define ESPNIC_SA_SEQUENCE_0 0x128u

/* RW: receive, with a replay window: the highest sequence number that counts as received; transmit: the highest that counts as sealed. */
#define ESPNIC_SA_SEQUENCE_1 0x12cu

/* RW: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_PACKETS_0 0x130u

/* RW: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_PACKETS_1 0x134u

/* RW: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_BYTES_0 0x138u

/* RW: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_SA_SOFT_BYTES_1 0x13cu

/* RW: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_PACKETS_0 0x140u

/* RW: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_PACKETS_1 0x144u

/* RW: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_BYTES_0 0x148u

/* RW: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_SA_HARD_BYTES_1 0x14cu

/* W: salt of RFC 4106, first byte in bits 31:24. */
#define ESPNIC_SA_SALT 0x150u

/* W: transmit: salt of the IV, first byte in bits 63:56. */
#define ESPNIC_SA_SEQIV_SALT0 0x160u

/* W: transmit: salt of the IV, first byte in bits 63:56. */
#define ESPNIC_SA_SEQIV_SALT1 0x164u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY0 0x170u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY1 0x174u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY2 0x178u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY3 0x17cu

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY4 0x180u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY5 0x184u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY6 0x188u

/* W: AES key, first byte in bits 7:0; a short key leaves the top unused. */
#define ESPNIC_SA_KEY7 0x18cu

/* R: Sizes and flags of the SA. */
#define ESPNIC_READ_ATTRIBUTES 0x208u
#define ESPNIC_READ_ATTRIBUTES_KEY_SIZE_SHIFT 0
#define ESPNIC_READ_ATTRIBUTES_KEY_SIZE_MASK 0x00000003u
#define ESPNIC_READ_ATTRIBUTES_ICV_SIZE_SHIFT 4
#define ESPNIC_READ_ATTRIBUTES_ICV_SIZE_MASK 0x00000030u
#define ESPNIC_READ_ATTRIBUTES_ESN_SHIFT 8
#define ESPNIC_READ_ATTRIBUTES_ESN_MASK 0x00000100u
#define ESPNIC_READ_ATTRIBUTES_ESN_OVERLAP_SHIFT 9
#define ESPNIC_READ_ATTRIBUTES_ESN_OVERLAP_MASK 0x00000200u
#define ESPNIC_READ_ATTRIBUTES_UNGUARDED_SHIFT 10
#define ESPNIC_READ_ATTRIBUTES_UNGUARDED_MASK 0x00000400u
#define ESPNIC_READ_ATTRIBUTES_REPLAY_WINDOW_SHIFT 12
#define ESPNIC_READ_ATTRIBUTES_REPLAY_WINDOW_MASK 0x0000f000u
#define ESPNIC_READ_ATTRIBUTES_IPV6_SHIFT 16
#define ESPNIC_READ_ATTRIBUTES_IPV6_MASK 0x00010000u
#define ESPNIC_READ_ATTRIBUTES_ENCAPSULATION_SHIFT 17
#define ESPNIC_READ_ATTRIBUTES_ENCAPSULATION_MASK 0x00020000u

/* R: High half of the sequence number. */
#define ESPNIC_READ_ESN_HIGH 0x20cu

/* R: SPI. */
#define ESPNIC_READ_SPI 0x210u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION0 0x214u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION1 0x218u

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION2 0x21cu

/* R: outer destination, first byte on the wire in bits 127:120; an IPv4 address in bits 31:0, the rest 0. */
#define ESPNIC_READ_DESTINATION3 0x220u

/* R: receive, with a replay window: the highest sequence number received; transmit: the highest sealed. */
#define ESPNIC_READ_SEQUENCE_0 0x228u

/* R: receive, with a replay window: the highest sequence number received; transmit: the highest sealed. */
#define ESPNIC_READ_SEQUENCE_1 0x22cu

/* R: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_PACKETS_0 0x230u

/* R: packets after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_PACKETS_1 0x234u

/* R: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_BYTES_0 0x238u

/* R: bytes of text after which the device sends an event; 0: no limit. */
#define ESPNIC_READ_SOFT_BYTES_1 0x23cu

/* R: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_PACKETS_0 0x240u

/* R: packets after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_PACKETS_1 0x244u

/* R: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_BYTES_0 0x248u

/* R: bytes of text after which the SA serves no more; 0: no limit. */
#define ESPNIC_READ_HARD_BYTES_1 0x24cu

/* R: packets sealed or opened. */
#define ESPNIC_READ_PACKETS_0 0x250u

/* R: packets sealed or opened. */
#define ESPNIC_READ_PACKETS_1 0x254u

/* R: bytes of their text. */
#define ESPNIC_READ_BYTES_0 0x258u

/* R: bytes of their text. */
#define ESPNIC_READ_BYTES_1 0x25cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_OK_LOW 0x400u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_OK_HIGH 0x404u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_AUTH_FAILED_LOW 0x408u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_AUTH_FAILED_HIGH 0x40cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_TRAILER_LOW 0x410u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_TRAILER_HIGH 0x414u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_SYNTAX_LOW 0x418u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_SYNTAX_HIGH 0x41cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_TRUNCATED_LOW 0x420u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_TRUNCATED_HIGH 0x424u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NOT_IP_LOW 0x428u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NOT_IP_HIGH 0x42cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_HEADER_LOW 0x430u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_HEADER_HIGH 0x434u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_IP_OPTIONS_LOW 0x438u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_IP_OPTIONS_HIGH 0x43cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_FRAGMENT_LOW 0x440u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_FRAGMENT_HIGH 0x444u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_EXT_HEADER_LOW 0x448u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_EXT_HEADER_HIGH 0x44cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NOT_ESP_LOW 0x450u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NOT_ESP_HIGH 0x454u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_KEEPALIVE_LOW 0x458u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_KEEPALIVE_HIGH 0x45cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NON_ESP_MARKER_LOW 0x460u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NON_ESP_MARKER_HIGH 0x464u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_NO_SA_LOW 0x468u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_NO_SA_HIGH 0x46cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_OVERSIZE_LOW 0x470u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_OVERSIZE_HIGH 0x474u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_LATE_LOW 0x478u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_LATE_HIGH 0x47cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_REPLAYED_LOW 0x480u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_REPLAYED_HIGH 0x484u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_EXPIRED_LOW 0x488u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_EXPIRED_HIGH 0x48cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_UDP_CHECKSUM_LOW 0x490u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_UDP_CHECKSUM_HIGH 0x494u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_SA_GONE_LOW 0x498u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_SA_GONE_HIGH 0x49cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_FAULT_LOW 0x4a0u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_FAULT_HIGH 0x4a4u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BAD_FRAME_LOW 0x4a8u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BAD_FRAME_HIGH 0x4acu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_SEALED_LOW 0x500u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_SEALED_HIGH 0x504u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYPASSED_LOW 0x508u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYPASSED_HIGH 0x50cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_NO_SA_LOW 0x510u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_NO_SA_HIGH 0x514u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SPI_LOW 0x518u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SPI_HIGH 0x51cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SEQUENCE_LOW 0x520u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SEQUENCE_HIGH 0x524u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SYNTAX_LOW 0x528u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SYNTAX_HIGH 0x52cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_OVERSIZE_LOW 0x530u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_OVERSIZE_HIGH 0x534u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_TRAILER_LOW 0x538u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_TRAILER_HIGH 0x53cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_OFFSETS_LOW 0x540u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_OFFSETS_HIGH 0x544u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_OVERSIZE_LOW 0x548u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_OVERSIZE_HIGH 0x54cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_PROTOCOL_LOW 0x550u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_PROTOCOL_HIGH 0x554u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_HEADER_LOW 0x558u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_HEADER_HIGH 0x55cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_PAYLOAD_LOW 0x560u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_PAYLOAD_HIGH 0x564u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_MSS_LOW 0x568u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_MSS_HIGH 0x56cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LSO_SEQUENCE_LOW 0x570u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LSO_SEQUENCE_HIGH 0x574u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_EXPIRED_LOW 0x578u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_EXPIRED_HIGH 0x57cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_UNSUPPORTED_LOW 0x580u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_UNSUPPORTED_HIGH 0x584u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_OPERATION_LOW 0x588u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_OPERATION_HIGH 0x58cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_RESERVED_LOW 0x590u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_RESERVED_HIGH 0x594u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_LATE_LOW 0x598u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_LATE_HIGH 0x59cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_REPEATED_LOW 0x5a0u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_REPEATED_HIGH 0x5a4u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_SA_GONE_LOW 0x5a8u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_SA_GONE_HIGH 0x5acu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_DROP_FAULT_LOW 0x5b0u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_DROP_FAULT_HIGH 0x5b4u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_PACKETS_IN_LOW 0x600u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_PACKETS_IN_HIGH 0x604u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_PACKETS_OUT_LOW 0x608u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_PACKETS_OUT_HIGH 0x60cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_IN_LOW 0x610u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_IN_HIGH 0x614u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_OUT_LOW 0x618u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_OUT_HIGH 0x61cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_PACKETS_IN_LOW 0x620u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_PACKETS_IN_HIGH 0x624u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_PACKETS_OUT_LOW 0x628u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_PACKETS_OUT_HIGH 0x62cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_IN_LOW 0x630u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_IN_HIGH 0x634u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_OUT_LOW 0x638u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_OUT_HIGH 0x63cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_RX_BYTES_OPENED_LOW 0x640u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_RX_BYTES_OPENED_HIGH 0x644u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_SEALED_LOW 0x648u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_SEALED_HIGH 0x64cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_TX_BYTES_DROPPED_LOW 0x650u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_TX_BYTES_DROPPED_HIGH 0x654u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_ADD_SUCCESS_LOW 0x658u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_ADD_SUCCESS_HIGH 0x65cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_ADD_FAIL_LOW 0x660u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_ADD_FAIL_HIGH 0x664u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_DELETE_SUCCESS_LOW 0x668u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_DELETE_SUCCESS_HIGH 0x66cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_DELETE_FAIL_LOW 0x670u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_DELETE_FAIL_HIGH 0x674u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_SA_COMMAND_DROPPED_LOW 0x678u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_SA_COMMAND_DROPPED_HIGH 0x67cu

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_EVENTS_LOST_LOW 0x680u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_EVENTS_LOST_HIGH 0x684u

/* R: Low word; reading it keeps the high word for a read after it. */
#define ESPNIC_MEMORY_FAULTS_LOW 0x688u

/* R: High word as it was when a low word was read last. */
#define ESPNIC_MEMORY_FAULTS_HIGH 0x68cu

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
	ESPNIC_RX_STATUS_EXPIRED = 17,
	ESPNIC_RX_STATUS_BAD_UDP_CHECKSUM = 18,
	ESPNIC_RX_STATUS_SA_GONE = 19,
	ESPNIC_RX_STATUS_FAULT = 20,
	ESPNIC_RX_STATUS_BAD_FRAME = 21
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
	ESPNIC_TX_STATUS_DROP_UNSUPPORTED = 16,
	ESPNIC_TX_STATUS_DROP_OPERATION = 17,
	ESPNIC_TX_STATUS_DROP_RESERVED = 18,
	ESPNIC_TX_STATUS_DROP_LATE = 19,
	ESPNIC_TX_STATUS_DROP_REPEATED = 20,
	ESPNIC_TX_STATUS_DROP_SA_GONE = 21,
	ESPNIC_TX_STATUS_DROP_FAULT = 22
};

enum espnic_rx_checksum {
	ESPNIC_RX_CHECKSUM_NONE = 0,
	ESPNIC_RX_CHECKSUM_GOOD = 1,
	ESPNIC_RX_CHECKSUM_BAD = 2
};

enum espnic_tx_operation {
	ESPNIC_TX_OPERATION_BYPASS = 5,
	ESPNIC_TX_OPERATION_ENCRYPT = 10
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
	ESPNIC_SA_RESULT_EOPNOTSUPP = 6,
	ESPNIC_SA_RESULT_EIO = 7
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
	ESPNIC_REPLAY_WINDOW_W1024 = 6,
	ESPNIC_REPLAY_WINDOW_W2048 = 7,
	ESPNIC_REPLAY_WINDOW_W4096 = 8
};

enum espnic_encapsulation {
	ESPNIC_ENCAPSULATION_NONE = 0,
	ESPNIC_ENCAPSULATION_UDP = 1
};

enum espnic_event_kind {
	ESPNIC_EVENT_KIND_SOFT_LIMIT = 0,
	ESPNIC_EVENT_KIND_HARD_LIMIT = 1,
	ESPNIC_EVENT_KIND_ESN_HALF = 2,
	ESPNIC_EVENT_KIND_AUTH_BURST = 3,
	ESPNIC_EVENT_KIND_REPEATED = 4,
	ESPNIC_EVENT_KIND_MEMORY_FAULT = 5,
	ESPNIC_EVENT_KIND_SELF_TEST_FAILED = 6
};

enum espnic_sa_memory {
	ESPNIC_SA_MEMORY_STATE = 0,
	ESPNIC_SA_MEMORY_SECRET = 1,
	ESPNIC_SA_MEMORY_RECORD = 2,
	ESPNIC_SA_MEMORY_LOOKUP = 3,
	ESPNIC_SA_MEMORY_USAGE = 4,
	ESPNIC_SA_MEMORY_REPLAY = 5,
	ESPNIC_SA_MEMORY_SENT = 6
};

/* Bits of tx_descriptor in tuser. */
#define ESPNIC_TX_DESCRIPTOR_BITS 256
#define ESPNIC_TX_DESCRIPTOR_OPERATION_LOW 0
#define ESPNIC_TX_DESCRIPTOR_OPERATION_BITS 4
#define ESPNIC_TX_DESCRIPTOR_TRAILER_LOW 4
#define ESPNIC_TX_DESCRIPTOR_TRAILER_BITS 1
#define ESPNIC_TX_DESCRIPTOR_CHECKSUM_LOW 5
#define ESPNIC_TX_DESCRIPTOR_CHECKSUM_BITS 1
#define ESPNIC_TX_DESCRIPTOR_LSO_LOW 6
#define ESPNIC_TX_DESCRIPTOR_LSO_BITS 1
#define ESPNIC_TX_DESCRIPTOR_ENCAPSULATION_LOW 7
#define ESPNIC_TX_DESCRIPTOR_ENCAPSULATION_BITS 1
#define ESPNIC_TX_DESCRIPTOR_OUTER_IPV6_LOW 8
#define ESPNIC_TX_DESCRIPTOR_OUTER_IPV6_BITS 1
#define ESPNIC_TX_DESCRIPTOR_IPV6_LOW 9
#define ESPNIC_TX_DESCRIPTOR_IPV6_BITS 1
#define ESPNIC_TX_DESCRIPTOR_OUTER_ID_FIXED_LOW 10
#define ESPNIC_TX_DESCRIPTOR_OUTER_ID_FIXED_BITS 1
#define ESPNIC_TX_DESCRIPTOR_SA_LOW 16
#define ESPNIC_TX_DESCRIPTOR_SA_BITS 16
#define ESPNIC_TX_DESCRIPTOR_SEQUENCE_LOW 32
#define ESPNIC_TX_DESCRIPTOR_SEQUENCE_BITS 64
#define ESPNIC_TX_DESCRIPTOR_ESP_OFFSET_LOW 96
#define ESPNIC_TX_DESCRIPTOR_ESP_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_NEXT_HEADER_LOW 104
#define ESPNIC_TX_DESCRIPTOR_NEXT_HEADER_BITS 8
#define ESPNIC_TX_DESCRIPTOR_OUTER_OFFSET_LOW 112
#define ESPNIC_TX_DESCRIPTOR_OUTER_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L3_OFFSET_LOW 120
#define ESPNIC_TX_DESCRIPTOR_L3_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L4_OFFSET_LOW 128
#define ESPNIC_TX_DESCRIPTOR_L4_OFFSET_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L4_PROTOCOL_LOW 136
#define ESPNIC_TX_DESCRIPTOR_L4_PROTOCOL_BITS 8
#define ESPNIC_TX_DESCRIPTOR_HEADER_BYTES_LOW 144
#define ESPNIC_TX_DESCRIPTOR_HEADER_BYTES_BITS 8
#define ESPNIC_TX_DESCRIPTOR_L4_BYTES_LOW 160
#define ESPNIC_TX_DESCRIPTOR_L4_BYTES_BITS 14
#define ESPNIC_TX_DESCRIPTOR_MSS_LOW 176
#define ESPNIC_TX_DESCRIPTOR_MSS_BITS 14

/* Bits of rx_completion in tuser. */
#define ESPNIC_RX_COMPLETION_BITS 160
#define ESPNIC_RX_COMPLETION_STATUS_LOW 0
#define ESPNIC_RX_COMPLETION_STATUS_BITS 5
#define ESPNIC_RX_COMPLETION_CHECKSUM_STATUS_LOW 8
#define ESPNIC_RX_COMPLETION_CHECKSUM_STATUS_BITS 2
#define ESPNIC_RX_COMPLETION_OUTER_CHECKSUM_LOW 10
#define ESPNIC_RX_COMPLETION_OUTER_CHECKSUM_BITS 2
#define ESPNIC_RX_COMPLETION_SA_LOW 16
#define ESPNIC_RX_COMPLETION_SA_BITS 16
#define ESPNIC_RX_COMPLETION_ESP_OFFSET_LOW 32
#define ESPNIC_RX_COMPLETION_ESP_OFFSET_BITS 8
#define ESPNIC_RX_COMPLETION_NEXT_HEADER_LOW 40
#define ESPNIC_RX_COMPLETION_NEXT_HEADER_BITS 8
#define ESPNIC_RX_COMPLETION_TRAILER_BYTES_LOW 48
#define ESPNIC_RX_COMPLETION_TRAILER_BYTES_BITS 9
#define ESPNIC_RX_COMPLETION_CHECKSUM_LOW 64
#define ESPNIC_RX_COMPLETION_CHECKSUM_BITS 16
#define ESPNIC_RX_COMPLETION_FRAME_CHECKSUM_LOW 80
#define ESPNIC_RX_COMPLETION_FRAME_CHECKSUM_BITS 16

#endif
