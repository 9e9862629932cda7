#include "packet/blake2s.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "packet/bytes.h"
#include "packet/wire.h"

namespace beam::packet {
namespace {

constexpr size_t kBlockBytes = 64;
// RFC 7693 2.6: the IV is SHA-256's.
constexpr std::array<uint32_t, 8> kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
// RFC 7693 2.7.
constexpr uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

using State = std::array<uint32_t, 8>;

// RFC 7693 3.1.
void mix(std::array<uint32_t, 16>& v, int a, int b, int c, int d, uint32_t x, uint32_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 7);
}

// RFC 7693 3.2.
void compress(State& h, const uint8_t* block, uint64_t totalBytes, bool last) {
  std::array<uint32_t, 16> m;
  for (int i = 0; i < 16; i++) m[i] = loadLe32(block + i * 4);
  std::array<uint32_t, 16> v;
  std::copy(h.begin(), h.end(), v.begin());
  std::copy(kIv.begin(), kIv.end(), v.begin() + 8);
  v[12] ^= static_cast<uint32_t>(totalBytes);
  v[13] ^= static_cast<uint32_t>(totalBytes >> 32);
  if (last) v[14] = ~v[14];
  for (const auto& s : kSigma) {
    mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
    mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
    mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
    mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
    mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
    mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
    mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
    mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

}  // namespace

void blake2s(std::span<uint8_t> out, std::span<const uint8_t> key,
             std::span<const uint8_t> message) {
  State h = kIv;
  h[0] ^= 0x01010000 ^ (static_cast<uint32_t>(key.size()) << 8) ^ static_cast<uint32_t>(out.size());
  uint8_t block[kBlockBytes] = {};
  uint64_t done = 0;
  if (!key.empty()) {
    std::memcpy(block, key.data(), key.size());
    done = kBlockBytes;
    compress(h, block, done, message.empty());
  }
  while (!message.empty() || done == 0) {
    const size_t take = std::min(message.size(), kBlockBytes);
    std::memset(block, 0, sizeof block);
    if (take > 0) std::memcpy(block, message.data(), take);
    message = message.subspan(take);
    done += take;
    compress(h, block, done, message.empty());
    if (message.empty()) break;
  }
  uint8_t whole[32];
  for (int i = 0; i < 8; i++) storeLe32(whole + i * 4, h[i]);
  std::memcpy(out.data(), whole, out.size());
}

Mac1Key mac1Key(std::span<const uint8_t, 32> publicKey) {
  std::array<uint8_t, 40> input;
  std::memcpy(input.data(), "mac1----", 8);
  std::memcpy(input.data() + 8, publicKey.data(), 32);
  Mac1Key key;
  blake2s(key, {}, input);
  return key;
}

bool mac1Valid(const Mac1Key& key, std::span<const uint8_t> message, size_t covered) {
  uint8_t mac[kMacBytes];
  blake2s(mac, key, message.first(covered));
  uint8_t difference = 0;
  for (size_t i = 0; i < kMacBytes; i++) difference = static_cast<uint8_t>(difference | (mac[i] ^ message[covered + i]));
  return difference == 0;
}

}  // namespace beam::packet
