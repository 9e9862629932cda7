#include "packet/controlGate.h"

#include "packet/bytes.h"
#include "packet/wire.h"

namespace beam::packet {
namespace {

/** Exact size of a control message; 0 for an unknown type. */
uint32_t controlBytes(uint32_t type) {
  switch (type) {
    case kMessageInitiation:
      return kInitiationBytes;
    case kMessageResponse:
      return kResponseBytes;
    case kMessageCookieReply:
      return kCookieReplyBytes;
    default:
      return 0;
  }
}

uint64_t spread(uint64_t value) {
  value *= 0x9e3779b97f4a7c15;
  return value ^ (value >> 29);
}

}  // namespace

ControlGate::ControlGate(uint64_t seed)
    : seed_(seed), sources_(kSourceBuckets, TokenBucket{kSourcePerSecond, kSourceBurst}) {}

ControlGate::Verdict ControlGate::check(std::span<const uint8_t> datagram, uint8_t sourceVersion,
                                        AddressBits source, uint64_t nowNs, bool underLoad) {
  if (datagram.size() < 4) return Verdict::malformed;
  const uint32_t type = loadLe32(datagram.data());
  const uint32_t expectedBytes = controlBytes(type);
  if (expectedBytes == 0 || datagram.size() != expectedBytes) return Verdict::malformed;
  // mac2 follows mac1 in the two messages that have them.
  if (key_ && type != kMessageCookieReply &&
      !mac1Valid(*key_, datagram, datagram.size() - 2 * kMacBytes)) {
    return Verdict::forged;
  }
  if (underLoad) {
    const uint64_t network = sourceVersion == 4 ? source.high >> 32 : source.high;
    const uint64_t bucket = spread(spread(network ^ seed_) + sourceVersion) >> 40;
    if (!sources_[bucket % kSourceBuckets].take(nowNs)) return Verdict::overflow;
  }
  return all_.take(nowNs) ? Verdict::pass : Verdict::overflow;
}

}  // namespace beam::packet
