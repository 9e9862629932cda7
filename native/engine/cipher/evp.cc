// OpenSSL's EVP interface. An EVP context keeps its key on OpenSSL's heap, so there is one context
// a suite and direction for the whole engine, keyed for the session used last and freed (OpenSSL
// cleanses it) when that session goes.
#include <openssl/evp.h>

#include "cipher/backends.h"
#include "packet/wire.h"

namespace beam::cipher {
namespace {

using packet::kTagBytes;
using packet::OpenJob;
using packet::SealJob;
using packet::Suite;

struct Context {
  EVP_CIPHER_CTX* evp = nullptr;
  const uint8_t* keyedFor = nullptr;

  void reset() {
    EVP_CIPHER_CTX_free(evp);
    evp = nullptr;
    keyedFor = nullptr;
  }
};

class Evp final : public packet::CipherBackend {
 public:
  Evp() = default;
  Evp(const Evp&) = delete;
  Evp& operator=(const Evp&) = delete;
  ~Evp() override {
    for (Context& context : seal_) context.reset();
    for (Context& context : open_) context.reset();
  }

  const char* name() const override { return "openssl-evp"; }
  size_t stateBytes(Suite) const override { return packet::kKeyBytes; }

  void expand(Suite, std::span<const uint8_t, 32> key, uint8_t* state) override {
    forget(state);
    std::memcpy(state, key.data(), key.size());
  }

  void seal(Suite suite, const uint8_t* state, std::span<SealJob> jobs) override {
    EVP_CIPHER_CTX* evp = prepare(seal_[static_cast<int>(suite)], suite, state, true);
    for (SealJob& job : jobs) sealOne(evp, packet::makeNonce(suite, job.counter), {}, job);
  }

  void open(Suite suite, const uint8_t* state, std::span<OpenJob> jobs) override {
    EVP_CIPHER_CTX* evp = prepare(open_[static_cast<int>(suite)], suite, state, false);
    for (OpenJob& job : jobs) openOne(evp, packet::makeNonce(suite, job.counter), {}, job);
  }

  void sealWith(Suite suite, const uint8_t* state, const packet::Nonce& nonce,
                std::span<const uint8_t> associated, SealJob& job) override {
    sealOne(prepare(seal_[static_cast<int>(suite)], suite, state, true), nonce, associated, job);
  }

  void openWith(Suite suite, const uint8_t* state, const packet::Nonce& nonce,
                std::span<const uint8_t> associated, OpenJob& job) override {
    openOne(prepare(open_[static_cast<int>(suite)], suite, state, false), nonce, associated, job);
  }

  void forget(const uint8_t* state) override {
    for (Context& context : seal_) {
      if (context.keyedFor == state) context.reset();
    }
    for (Context& context : open_) {
      if (context.keyedFor == state) context.reset();
    }
  }

 private:
  static void sealOne(EVP_CIPHER_CTX* evp, const packet::Nonce& nonce,
                      std::span<const uint8_t> associated, SealJob& job) {
    int written = 0;
    uint8_t* tag = job.sealed + job.plainBytes;
    EVP_EncryptInit_ex(evp, nullptr, nullptr, nullptr, nonce.data());
    if (!associated.empty()) {
      EVP_EncryptUpdate(evp, nullptr, &written, associated.data(),
                        static_cast<int>(associated.size()));
    }
    EVP_EncryptUpdate(evp, job.sealed, &written, job.plain, static_cast<int>(job.plainBytes));
    EVP_EncryptFinal_ex(evp, tag, &written);
    EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag);
  }

  static void openOne(EVP_CIPHER_CTX* evp, const packet::Nonce& nonce,
                      std::span<const uint8_t> associated, OpenJob& job) {
    const uint32_t bytes = job.sealedBytes - kTagBytes;
    uint8_t* tag = job.sealed + bytes;
    uint8_t end[16];
    int written = 0;
    job.opened =
        EVP_DecryptInit_ex(evp, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
        EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) == 1 &&
        (associated.empty() ||
         EVP_DecryptUpdate(evp, nullptr, &written, associated.data(),
                           static_cast<int>(associated.size())) == 1) &&
        EVP_DecryptUpdate(evp, job.sealed, &written, job.sealed, static_cast<int>(bytes)) == 1 &&
        EVP_DecryptFinal_ex(evp, end, &written) == 1;
  }

  EVP_CIPHER_CTX* prepare(Context& context, Suite suite, const uint8_t* state, bool sealing) {
    if (context.keyedFor == state) return context.evp;
    if (context.evp == nullptr) {
      context.evp = EVP_CIPHER_CTX_new();
      const EVP_CIPHER* cipher = suite == Suite::chacha20Poly1305 ? EVP_chacha20_poly1305()
                                                                  : EVP_aes_256_gcm();
      EVP_CipherInit_ex(context.evp, cipher, nullptr, nullptr, nullptr, sealing ? 1 : 0);
    }
    EVP_CipherInit_ex(context.evp, nullptr, nullptr, state, nullptr, sealing ? 1 : 0);
    context.keyedFor = state;
    return context.evp;
  }

  Context seal_[packet::kSuites];
  Context open_[packet::kSuites];
};

}  // namespace

std::unique_ptr<packet::CipherBackend> makeEvp() { return std::make_unique<Evp>(); }

}  // namespace beam::cipher
