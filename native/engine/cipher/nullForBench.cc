// No encryption at all: what the engine would do with a cipher that costs nothing. Only the bench
// can ask for it, through its own entry point.
#include "cipher/backends.h"
#include "packet/wire.h"

namespace beam::cipher {
namespace {

class NullForBench final : public packet::CipherBackend {
 public:
  const char* name() const override { return "null-for-bench"; }
  size_t stateBytes(packet::Suite) const override { return packet::kKeyBytes; }
  void expand(packet::Suite, std::span<const uint8_t, 32>, uint8_t*) override {}

  void seal(packet::Suite, const uint8_t*, std::span<packet::SealJob> jobs) override {
    for (const packet::SealJob& job : jobs) {
      std::memcpy(job.sealed, job.plain, job.plainBytes);
      std::memset(job.sealed + job.plainBytes, 0, packet::kTagBytes);
    }
  }

  void open(packet::Suite, const uint8_t*, std::span<packet::OpenJob> jobs) override {
    for (packet::OpenJob& job : jobs) job.opened = true;
  }

  void sealWith(packet::Suite suite, const uint8_t* state, const packet::Nonce&,
                std::span<const uint8_t>, packet::SealJob& job) override {
    seal(suite, state, {&job, 1});
  }

  void openWith(packet::Suite, const uint8_t*, const packet::Nonce&, std::span<const uint8_t>,
                packet::OpenJob& job) override {
    job.opened = true;
  }

  void forget(const uint8_t*) override {}
};

}  // namespace

std::unique_ptr<packet::CipherBackend> makeNullForBench() {
  return std::make_unique<NullForBench>();
}

}  // namespace beam::cipher
