// What happens to datagrams that are not transport messages before JavaScript is bothered: known
// type and exact size, mac1, then rates. A flood costs one keyed BLAKE2s a datagram at most.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/blake2s.h"
#include "packet/ip.h"
#include "packet/tokenBucket.h"

namespace beam::packet {

class ControlGate {
 public:
  /** Chosen: above what one JavaScript thread can answer, so only a flood meets it. */
  static constexpr uint64_t kPerSecond = 10'000;
  static constexpr uint64_t kBurst = 1'000;
  /** Chosen: for one source (IPv4 /32, IPv6 /64) while more than half the queue is taken. */
  static constexpr uint64_t kSourcePerSecond = 50;
  static constexpr uint64_t kSourceBurst = 10;
  static constexpr uint32_t kSourceBuckets = 4096;

  enum class Verdict { pass, malformed, forged, overflow };

  /** Seeds the hash that spreads sources over buckets. */
  explicit ControlGate(uint64_t seed);

  void setKey(const std::optional<Mac1Key>& key) { key_ = key; }
  /** `underLoad`: the queue to JavaScript is more than half full. */
  Verdict check(std::span<const uint8_t> datagram, uint8_t sourceVersion, AddressBits source,
                uint64_t nowNs, bool underLoad);

 private:
  std::optional<Mac1Key> key_;
  uint64_t seed_;
  TokenBucket all_{kPerSecond, kBurst};
  std::vector<TokenBucket> sources_;
};

}  // namespace beam::packet
