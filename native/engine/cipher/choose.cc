#include <cstdlib>
#include <vector>

#include "cipher/backends.h"
#include "packet/wire.h"

namespace beam::cipher {
namespace {

using packet::kTagBytes;
using packet::OpenJob;
using packet::SealJob;
using packet::Suite;

// Key 00 01 .. 1f, counter 0x0102030405060708, plaintext byte i = 7 i mod 256; computed with
// node:crypto and with @noble/ciphers.
constexpr uint64_t kCounter = 0x0102030405060708;
constexpr uint32_t kLongBytes = 300;
struct KnownAnswer {
  Suite suite;
  uint32_t plainBytes;
  uint8_t tag[kTagBytes];
};
constexpr KnownAnswer kAnswers[] = {
    {Suite::chacha20Poly1305, kLongBytes,
     {0x9f, 0x5b, 0x88, 0x7b, 0x30, 0xf9, 0xfb, 0x38, 0x07, 0xca, 0x0e, 0x64, 0xf7, 0xe0, 0xf4,
      0xbb}},
    {Suite::chacha20Poly1305, 0,
     {0x27, 0x52, 0xc3, 0x9e, 0x5b, 0x6b, 0x57, 0xe6, 0xb8, 0xf9, 0x24, 0xdb, 0x36, 0x98, 0xb1,
      0xba}},
    {Suite::aes256Gcm, kLongBytes,
     {0xb9, 0x0b, 0x14, 0x5c, 0x12, 0x57, 0x4b, 0xd6, 0xa3, 0xf1, 0x7b, 0x66, 0x5a, 0x03, 0xd5,
      0x6b}},
    {Suite::aes256Gcm, 0,
     {0x4f, 0x2e, 0xe1, 0xcb, 0x89, 0xce, 0xf0, 0xa8, 0x99, 0xac, 0x0c, 0x62, 0xda, 0xa4, 0xd4,
      0x43}},
};

struct FreeAligned {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};

bool answers(packet::CipherBackend& backend, const KnownAnswer& known) {
  uint8_t key[packet::kKeyBytes];
  for (int i = 0; i < 32; i++) key[i] = static_cast<uint8_t>(i);
  std::vector<uint8_t> plain(known.plainBytes);
  for (uint32_t i = 0; i < known.plainBytes; i++) plain[i] = static_cast<uint8_t>(i * 7);
  std::vector<uint8_t> sealed(known.plainBytes + kTagBytes);
  const size_t stateBytes = (backend.stateBytes(known.suite) + 63) & ~size_t{63};
  const std::unique_ptr<uint8_t, FreeAligned> state(
      static_cast<uint8_t*>(std::aligned_alloc(64, stateBytes)));
  backend.expand(known.suite, std::span<const uint8_t, 32>(key), state.get());

  SealJob seal{plain.data(), known.plainBytes, sealed.data(), kCounter};
  backend.seal(known.suite, state.get(), {&seal, 1});
  bool right = std::memcmp(sealed.data() + known.plainBytes, known.tag, kTagBytes) == 0;
  std::vector<uint8_t> tampered = sealed;
  tampered[0] ^= 1;
  OpenJob open[2] = {{sealed.data(), known.plainBytes + kTagBytes, kCounter, false},
                     {tampered.data(), known.plainBytes + kTagBytes, kCounter, true}};
  backend.open(known.suite, state.get(), open);
  right = right && open[0].opened && !open[1].opened;
  right = right && (plain.empty() || std::memcmp(sealed.data(), plain.data(), plain.size()) == 0);
  backend.forget(state.get());
  return right;
}

Chosen checked(std::unique_ptr<packet::CipherBackend> backend, std::string note) {
  if (backend == nullptr) return {nullptr, std::move(note)};
  if (!selfCheck(*backend)) {
    return {nullptr, std::string(backend->name()) + " gives wrong answers"};
  }
  return {std::move(backend), std::move(note)};
}

}  // namespace

bool selfCheck(packet::CipherBackend& backend) {
  for (const KnownAnswer& known : kAnswers) {
    if (!answers(backend, known)) return false;
  }
  return true;
}

Chosen choose(Choice choice) {
  std::string reason;
  switch (choice) {
    case Choice::nullForBench:
      return {makeNullForBench(), ""};
    case Choice::evp:
      return checked(makeEvp(), "");
    case Choice::ipsecMb: {
      auto backend = makeIpsecMb(reason);
      return checked(std::move(backend), reason);
    }
    case Choice::best:
      break;
  }
  auto fast = makeIpsecMb(reason);
  Chosen best = checked(std::move(fast), reason);
  return best.backend ? std::move(best) : checked(makeEvp(), best.note);
}

}  // namespace beam::cipher
