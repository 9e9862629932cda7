// A token bucket over nanoseconds told from outside.
#pragma once
#include <algorithm>
#include <cstdint>

namespace beam::packet {

class TokenBucket {
 public:
  constexpr TokenBucket(uint64_t perSecond, uint64_t burst)
      : costNs_(1'000'000'000 / perSecond), capacityNs_(costNs_ * burst), levelNs_(capacityNs_) {}

  /** Takes one token; false if there is none. Time that steps back adds none. */
  bool take(uint64_t nowNs) {
    if (nowNs > filledAtNs_) {
      const uint64_t passedNs = nowNs - filledAtNs_;
      levelNs_ = std::min(capacityNs_, levelNs_ + std::min(capacityNs_, passedNs));
      filledAtNs_ = nowNs;
    }
    if (levelNs_ < costNs_) return false;
    levelNs_ -= costNs_;
    return true;
  }

 private:
  uint64_t costNs_;
  uint64_t capacityNs_;
  uint64_t levelNs_;
  uint64_t filledAtNs_ = 0;
};

}  // namespace beam::packet
