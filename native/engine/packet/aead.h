// The cipher layer: an array of packets in, an array out. Implementations are in cipher/.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "packet/bytes.h"

namespace beam::packet {

enum class Suite : uint8_t { chacha20Poly1305 = 0, aes256Gcm = 1 };
inline constexpr int kSuites = 2;
inline constexpr size_t kNonceBytes = 12;

struct SealJob {
  const uint8_t* plain;
  uint32_t plainBytes;
  /** Takes plainBytes + 16. Must not overlap `plain`. */
  uint8_t* sealed;
  uint64_t counter;
};

struct OpenJob {
  /** Ciphertext and tag; opened in place. */
  uint8_t* sealed;
  /** At least 16. */
  uint32_t sealedBytes;
  uint64_t counter;
  /** Result. The bytes are undefined where it is false. */
  bool opened;
};

using Nonce = std::array<uint8_t, kNonceBytes>;

/**
 * A cipher implementation for one thread. Keys are expanded into memory that the caller owns
 * (locked, zeroed by the caller); an implementation keeps none, except as `forget` says.
 */
class CipherBackend {
 public:
  virtual ~CipherBackend() = default;
  virtual const char* name() const = 0;
  /** Bytes of one direction's expanded key; aligned to 64. */
  virtual size_t stateBytes(Suite suite) const = 0;
  virtual void expand(Suite suite, std::span<const uint8_t, 32> key, uint8_t* state) = 0;
  virtual void seal(Suite suite, const uint8_t* state, std::span<SealJob> jobs) = 0;
  virtual void open(Suite suite, const uint8_t* state, std::span<OpenJob> jobs) = 0;
  /**
   * One packet as `seal` and `open` do it, with any nonce and associated data: what published
   * vectors have and transport messages don't.
   */
  virtual void sealWith(Suite suite, const uint8_t* state, const Nonce& nonce,
                        std::span<const uint8_t> associated, SealJob& job) = 0;
  virtual void openWith(Suite suite, const uint8_t* state, const Nonce& nonce,
                        std::span<const uint8_t> associated, OpenJob& job) = 0;
  /** Drops whatever the implementation holds of a key that is going away. */
  virtual void forget(const uint8_t* state) = 0;
};

/** Noise 12.3 and 12.4: 4 zero bytes and the counter, little-endian for ChaCha, big for GCM. */
inline Nonce makeNonce(Suite suite, uint64_t counter) {
  Nonce nonce{};
  if (suite == Suite::chacha20Poly1305) {
    storeLe64(nonce.data() + 4, counter);
  } else {
    storeBe64(nonce.data() + 4, counter);
  }
  return nonce;
}

}  // namespace beam::packet
