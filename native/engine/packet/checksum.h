// The internet checksum (RFC 1071), kept as an unfolded ones'-complement sum until it is stored.
#pragma once
#include <cstdint>
#include <span>

namespace beam::packet {

/**
 * Sum of the 16-bit words as they stand in memory, an odd last byte padded with zero. At most
 * 2^17 bytes. Ones'-complement sums commute with a byte swap, so no word is ever swapped.
 */
uint64_t checksumAdd(std::span<const uint8_t> bytes, uint64_t sum = 0);

/** Folds to 16 bits, in memory order, not complemented. */
inline uint16_t checksumFold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/** Pseudo-header of TCP or UDP: addresses (8 or 32 bytes), protocol, length. */
uint64_t pseudoHeaderSum(std::span<const uint8_t> addresses, uint8_t protocol, uint32_t l4Bytes);

/** Recomputes an IPv4 header's checksum in place; `header` is 20 to 60 bytes. */
void storeIpv4Checksum(std::span<uint8_t> header);

}  // namespace beam::packet
