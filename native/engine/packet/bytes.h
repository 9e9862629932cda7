// Byte order at the edge of the wire: unaligned loads and stores, nothing else.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace beam::packet {

template <typename T>
inline T loadRaw(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void storeRaw(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

static_assert(std::endian::native == std::endian::little, "ported to little-endian machines only");

inline uint16_t loadBe16(const uint8_t* from) { return __builtin_bswap16(loadRaw<uint16_t>(from)); }
inline uint32_t loadBe32(const uint8_t* from) { return __builtin_bswap32(loadRaw<uint32_t>(from)); }
inline uint64_t loadBe64(const uint8_t* from) { return __builtin_bswap64(loadRaw<uint64_t>(from)); }
inline uint32_t loadLe32(const uint8_t* from) { return loadRaw<uint32_t>(from); }
inline uint64_t loadLe64(const uint8_t* from) { return loadRaw<uint64_t>(from); }
inline void storeBe16(uint8_t* to, uint16_t value) { storeRaw(to, __builtin_bswap16(value)); }
inline void storeBe32(uint8_t* to, uint32_t value) { storeRaw(to, __builtin_bswap32(value)); }
inline void storeBe64(uint8_t* to, uint64_t value) { storeRaw(to, __builtin_bswap64(value)); }
inline void storeLe32(uint8_t* to, uint32_t value) { storeRaw(to, value); }
inline void storeLe64(uint8_t* to, uint64_t value) { storeRaw(to, value); }

}  // namespace beam::packet
