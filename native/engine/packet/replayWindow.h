// Replay protection as RFC 6479 has it: a ring of 64-bit blocks, so that moving the window clears
// whole blocks instead of shifting bits.
#pragma once
#include <array>
#include <cstdint>

namespace beam::packet {

class ReplayWindow {
 public:
  static constexpr uint32_t kBits = 8192;
  static constexpr uint32_t kBlockBits = 64;
  static constexpr uint32_t kBlocks = kBits / kBlockBits;
  /** One block of the ring is always being filled, so the usable window is shorter by it. */
  static constexpr uint32_t kWindow = kBits - kBlockBits;

  /** True if the counter is new; marks it seen. False if seen before or left of the window. */
  bool accept(uint64_t counter);
  /** As `accept`, but changes nothing. */
  bool wouldAccept(uint64_t counter) const;

 private:
  // One past the greatest counter accepted; 0 before the first. Counters stay below 2^64 - 2^13.
  uint64_t next_ = 0;
  std::array<uint64_t, kBlocks> blocks_{};
};

}  // namespace beam::packet
