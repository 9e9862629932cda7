#include "packet/checksum.h"

#include "packet/bytes.h"

namespace beam::packet {
namespace {

// A 64-bit sum of 32-bit words can't overflow below 2^32 words, and the plain loop is one that
// compilers turn into vector code.
inline __attribute__((always_inline)) uint64_t sumWords(const uint8_t* at, size_t words) {
  uint64_t sum = 0;
  for (size_t i = 0; i < words; i++) sum += loadRaw<uint32_t>(at + i * 4);
  return sum;
}

uint64_t sumWordsPlain(const uint8_t* at, size_t words) { return sumWords(at, words); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t sumWordsAvx2(const uint8_t* at, size_t words) {
  return sumWords(at, words);
}
const auto sumWordsBest = __builtin_cpu_supports("avx2") ? sumWordsAvx2 : sumWordsPlain;
#else
constexpr auto sumWordsBest = sumWordsPlain;
#endif

}  // namespace

uint64_t checksumAdd(std::span<const uint8_t> bytes, uint64_t sum) {
  const size_t words = bytes.size() / 4;
  const uint64_t whole =
      words >= 16 ? sumWordsBest(bytes.data(), words) : sumWordsPlain(bytes.data(), words);
  uint32_t tail = 0;
  const size_t tailBytes = bytes.size() & 3;
  if (tailBytes != 0) std::memcpy(&tail, bytes.data() + words * 4, tailBytes);
  return sum + whole + tail;
}

uint64_t pseudoHeaderSum(std::span<const uint8_t> addresses, uint8_t protocol, uint32_t l4Bytes) {
  const uint64_t sum = checksumAdd(addresses);
  return sum + __builtin_bswap32(protocol) + __builtin_bswap32(l4Bytes);
}

void storeIpv4Checksum(std::span<uint8_t> header) {
  storeRaw<uint16_t>(header.data() + 10, 0);
  const auto sum = static_cast<uint16_t>(~checksumFold(checksumAdd(header)));
  storeRaw(header.data() + 10, sum);
}

}  // namespace beam::packet
