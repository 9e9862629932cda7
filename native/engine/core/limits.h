// Every limit of the engine; exported to TypeScript, which holds them against its own at load.
#pragma once
#include <cstdint>

namespace beam::core {

/** Raised with every change of what the binding takes or gives. */
inline constexpr uint32_t kAbi = 3;

/** The Linux module's MAX_STAGED_PACKETS, for one peer. */
inline constexpr uint32_t kMaxStagedPackets = 128;
/** Chosen: for all peers together. */
inline constexpr uint64_t kMaxStagedBytes = 32 << 20;
/** ports/dataPlane.ts: how often one peer's need for keys is reported. */
inline constexpr uint64_t kKeysNeededIntervalNs = 100'000'000;
/** Chosen: activity is reported this long after it began; the port allows 50 ms. */
inline constexpr uint64_t kActivityDelayNs = 25'000'000;
/** Chosen: control datagrams that wait for JavaScript. */
inline constexpr uint32_t kMaxQueuedControl = 512;
/** Chosen: commands that wait for the engine's thread before JavaScript has to. */
inline constexpr uint32_t kMaxQueuedCommands = 8192;
/** Chosen: datagrams that one loop may leave for another before it drops them. */
inline constexpr uint32_t kMaxHandedOver = 256;
/** Chosen: TUN queues, each with a loop and sockets of its own. */
inline constexpr uint32_t kMaxQueues = 8;
/** The address families that have a socket each. */
inline constexpr uint8_t kFamilies[] = {4, 6};
/** Chosen: how often the link is asked for where the kernel doesn't tell. */
inline constexpr uint64_t kLinkPollNs = 1'000'000'000;
/** Chosen: how often one peer's sticky source address is held against the routes. */
inline constexpr uint64_t kRouteCheckNs = 1'000'000'000;
/**
 * Chosen: sealed, a super-packet of 62,000 bytes at the usual MTUs is at most one UDP_SEGMENT send
 * (65,507 bytes); one of 65,536 is one and a rest.
 */
inline constexpr uint32_t kSuperPacketBytes = 62'000;
/** Chosen: super-datagrams that a path refuses are tried again after this. */
inline constexpr uint64_t kSegmentRetryNs = 10'000'000'000;

}  // namespace beam::core
