// The cipher implementations against each other, and against what must not open.
#include <algorithm>

#include "cipher/backends.h"
#include "packet/wire.h"
#include "test/check.h"

using namespace beam;
using namespace beam::packet;
using beam::test::Random;

namespace {

struct Keyed {
  Keyed(CipherBackend& cipher, Suite suite, const std::vector<uint8_t>& key) : cipher_(cipher) {
    CHECK(cipher.stateBytes(suite) <= sizeof state);
    cipher.expand(suite, std::span<const uint8_t, 32>(key), state);
  }
  ~Keyed() { cipher_.forget(state); }
  CipherBackend& cipher_;
  alignas(64) uint8_t state[4096];
};

TEST(knownAnswers, "every cipher implementation gives the known answers") {
  CHECK(cipher::selfCheck(*cipher::makeEvp()));
  std::string reason;
  if (const auto fast = cipher::makeIpsecMb(reason)) {
    CHECK(cipher::selfCheck(*fast));
  } else {
    std::printf("skipped: ipsec-mb: %s\n", reason.c_str());
  }
  CHECK(!cipher::selfCheck(*cipher::makeNullForBench()));
}

TEST(agree, "the implementations agree at every length, in batches") {
  Random random(21);
  std::string reason;
  auto evp = cipher::makeEvp();
  auto fast = cipher::makeIpsecMb(reason);
  if (fast == nullptr) return;
  for (const Suite suite : {Suite::chacha20Poly1305, Suite::aes256Gcm}) {
    const auto key = random.bytes(32);
    Keyed a(*evp, suite, key);
    Keyed b(*fast, suite, key);
    for (uint32_t round = 0; round < 60; round++) {
      const uint32_t count = 1 + random.below(64);
      std::vector<std::vector<uint8_t>> plain, sealedA(count), sealedB(count);
      std::vector<SealJob> jobsA, jobsB;
      for (uint32_t i = 0; i < count; i++) {
        plain.push_back(random.bytes(round < 30 ? random.below(130) : random.below(9000)));
        sealedA[i].resize(plain[i].size() + 16);
        sealedB[i].resize(plain[i].size() + 16);
      }
      const uint64_t first = random.next();
      for (uint32_t i = 0; i < count; i++) {
        const auto bytes = static_cast<uint32_t>(plain[i].size());
        jobsA.push_back({plain[i].data(), bytes, sealedA[i].data(), first + i});
        jobsB.push_back({plain[i].data(), bytes, sealedB[i].data(), first + i});
      }
      evp->seal(suite, a.state, jobsA);
      fast->seal(suite, b.state, jobsB);
      CHECK(sealedA == sealedB);
      std::vector<OpenJob> open;
      for (uint32_t i = 0; i < count; i++) {
        if (i % 3 == 1) sealedA[i][random.below(static_cast<uint32_t>(sealedA[i].size()))] ^= 4;
        open.push_back({sealedA[i].data(), static_cast<uint32_t>(sealedA[i].size()),
                        first + i + (i % 3 == 2), false});
      }
      const bool byEvp = random.chance(50);
      (byEvp ? *evp : *fast).open(suite, byEvp ? a.state : b.state, open);
      for (uint32_t i = 0; i < count; i++) {
        CHECK(open[i].opened == (i % 3 == 0));
        if (i % 3 == 0) CHECK(std::equal(plain[i].begin(), plain[i].end(), sealedA[i].begin()));
      }
    }
  }
}

TEST(rekey, "a key that is forgotten is not used for the next at the same place") {
  Random random(22);
  auto evp = cipher::makeEvp();
  const auto plain = random.bytes(100);
  std::vector<uint8_t> first(116), second(116);
  alignas(64) uint8_t state[64];
  for (auto* out : {&first, &second}) {
    const auto key = random.bytes(32);
    evp->expand(Suite::aes256Gcm, std::span<const uint8_t, 32>(key), state);
    SealJob job{plain.data(), 100, out->data(), 1};
    evp->seal(Suite::aes256Gcm, state, {&job, 1});
    evp->forget(state);
  }
  CHECK(first != second);
}

}  // namespace
