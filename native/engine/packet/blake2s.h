// BLAKE2s (RFC 7693), keyed and unkeyed, for mac1 only: handshake messages are checked before
// JavaScript sees them.
#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace beam::packet {

/** `out` is 1 to 32 bytes, `key` 0 to 32. */
void blake2s(std::span<uint8_t> out, std::span<const uint8_t> key,
             std::span<const uint8_t> message);

using Mac1Key = std::array<uint8_t, 32>;
/** HASH("mac1----" || public key of the receiver). */
Mac1Key mac1Key(std::span<const uint8_t, 32> publicKey);

/** True if the 16 bytes after `covered` bytes of the message are its mac1. Constant time. */
bool mac1Valid(const Mac1Key& key, std::span<const uint8_t> message, size_t covered);

}  // namespace beam::packet
