// What was dropped and why; each loop has its own, read and written on its thread only.
#pragma once
#include <array>
#include <cstdint>

namespace beam::core {

/** DROP_REASONS of ports/dataPlane.ts, in its order; TypeScript compares `kDropReasonNames`. */
enum class Drop : uint8_t {
  malformed,
  noPeer,
  noEndpoint,
  noSession,
  expired,
  forged,
  replayed,
  wrongSource,
  stagedOverflow,
  sendFailed,
  tunWriteFailed,
  controlOverflow,
};
inline constexpr const char* kDropReasonNames[] = {
    "malformed", "noPeer",      "noEndpoint",     "noSession",  "expired",        "forged",
    "replayed",  "wrongSource", "stagedOverflow", "sendFailed", "tunWriteFailed", "controlOverflow",
};
inline constexpr size_t kDropReasons = sizeof kDropReasonNames / sizeof *kDropReasonNames;
static_assert(kDropReasons == static_cast<size_t>(Drop::controlOverflow) + 1);

/** Errno 0 stands for ENOSOCK: that family isn't open. */
inline constexpr size_t kErrnos = 134;

struct Counters {
  std::array<uint64_t, kDropReasons> drops{};
  std::array<uint64_t, kErrnos> sendErrors{};

  void drop(Drop reason, uint64_t packets = 1) { drops[static_cast<size_t>(reason)] += packets; }

  void add(const Counters& other) {
    for (size_t i = 0; i < kDropReasons; i++) drops[i] += other.drops[i];
    for (size_t i = 0; i < kErrnos; i++) sendErrors[i] += other.sendErrors[i];
  }
};

}  // namespace beam::core
