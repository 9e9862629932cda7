// Intel's multi-buffer library. It is built against the header where the machine has it and opened
// by name at run time; the manager's layout changes between minor versions, so the two must match.
#include "cipher/backends.h"
#include "packet/wire.h"

#if __has_include(<intel-ipsec-mb.h>) && defined(__x86_64__)
#include <dlfcn.h>
#include <intel-ipsec-mb.h>

namespace beam::cipher {
namespace {

using packet::kTagBytes;
using packet::OpenJob;
using packet::SealJob;
using packet::Suite;
using Bytes = std::span<const uint8_t>;

constexpr const char* kLibrary = "libIPSec_MB.so.1";

struct Library {
  decltype(&alloc_mb_mgr) allocate = nullptr;
  decltype(&free_mb_mgr) release = nullptr;
  decltype(&init_mb_mgr_auto) init = nullptr;
  decltype(&imb_get_version) version = nullptr;
};

/** Opened once and never closed: its code may be in use by any engine. */
bool load(Library& library, std::string& reason) {
  void* handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    reason = std::string(kLibrary) + " is not installed";
    return false;
  }
  library.allocate = reinterpret_cast<decltype(library.allocate)>(dlsym(handle, "alloc_mb_mgr"));
  library.release = reinterpret_cast<decltype(library.release)>(dlsym(handle, "free_mb_mgr"));
  library.init = reinterpret_cast<decltype(library.init)>(dlsym(handle, "init_mb_mgr_auto"));
  library.version = reinterpret_cast<decltype(library.version)>(dlsym(handle, "imb_get_version"));
  if (!library.allocate || !library.release || !library.init || !library.version) {
    reason = std::string(kLibrary) + " lacks a function";
    return false;
  }
  if ((library.version() >> 8) != (IMB_VERSION_NUM >> 8)) {
    reason = std::string(kLibrary) + " has another version than " IMB_VERSION_STR;
    return false;
  }
  return true;
}

class IpsecMb final : public packet::CipherBackend {
 public:
  IpsecMb(Library library, IMB_MGR* manager) : library_(library), manager_(manager) {}
  IpsecMb(const IpsecMb&) = delete;
  IpsecMb& operator=(const IpsecMb&) = delete;
  ~IpsecMb() override { library_.release(manager_); }

  const char* name() const override { return "ipsec-mb"; }

  size_t stateBytes(Suite suite) const override {
    return suite == Suite::aes256Gcm ? sizeof(gcm_key_data) : packet::kKeyBytes;
  }

  void expand(Suite suite, std::span<const uint8_t, 32> key, uint8_t* state) override {
    if (suite == Suite::aes256Gcm) {
      manager_->gcm256_pre(key.data(), reinterpret_cast<gcm_key_data*>(state));
    } else {
      std::memcpy(state, key.data(), key.size());
    }
  }

  void seal(Suite suite, const uint8_t* state, std::span<SealJob> jobs) override {
    for (SealJob& job : jobs) {
      sealWith(suite, state, packet::makeNonce(suite, job.counter), {}, job);
    }
  }

  void open(Suite suite, const uint8_t* state, std::span<OpenJob> jobs) override {
    for (OpenJob& job : jobs) {
      openWith(suite, state, packet::makeNonce(suite, job.counter), {}, job);
    }
  }

  void sealWith(Suite suite, const uint8_t* state, const packet::Nonce& nonce, Bytes associated,
                SealJob& job) override {
    uint8_t* tag = job.sealed + job.plainBytes;
    if (suite == Suite::aes256Gcm) {
      manager_->gcm256_enc(reinterpret_cast<const gcm_key_data*>(state), &gcm_, job.sealed,
                           job.plain, job.plainBytes, nonce.data(), pointer(associated, nonce),
                           associated.size(), tag, kTagBytes);
    } else {
      chacha(state, {job.plain, job.plainBytes}, job.sealed, nonce, associated, IMB_DIR_ENCRYPT,
             tag);
    }
  }

  void openWith(Suite suite, const uint8_t* state, const packet::Nonce& nonce, Bytes associated,
                OpenJob& job) override {
    const uint32_t bytes = job.sealedBytes - kTagBytes;
    uint8_t tag[kTagBytes];
    if (suite == Suite::aes256Gcm) {
      manager_->gcm256_dec(reinterpret_cast<const gcm_key_data*>(state), &gcm_, job.sealed,
                           job.sealed, bytes, nonce.data(), pointer(associated, nonce),
                           associated.size(), tag, kTagBytes);
    } else {
      chacha(state, {job.sealed, bytes}, job.sealed, nonce, associated, IMB_DIR_DECRYPT, tag);
    }
    job.opened = sameTag(tag, job.sealed + bytes);
  }

  void forget(const uint8_t*) override {}

 private:
  static bool sameTag(const uint8_t* a, const uint8_t* b) {
    using packet::loadLe64;
    return ((loadLe64(a) ^ loadLe64(b)) | (loadLe64(a + 8) ^ loadLe64(b + 8))) == 0;
  }

  /** The library wants a pointer even to nothing. */
  static const uint8_t* pointer(Bytes bytes, const packet::Nonce& nonce) {
    return bytes.empty() ? nonce.data() : bytes.data();
  }

  void chacha(const uint8_t* key, Bytes from, uint8_t* to, const packet::Nonce& nonce,
              Bytes associated, IMB_CIPHER_DIRECTION direction, uint8_t* tag) {
    IMB_JOB* job = manager_->get_next_job(manager_);
    job->enc_keys = key;
    job->dec_keys = key;
    job->key_len_in_bytes = packet::kKeyBytes;
    job->src = from.data();
    job->dst = to;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = from.size();
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = from.size();
    job->iv = nonce.data();
    job->iv_len_in_bytes = nonce.size();
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = kTagBytes;
    job->u.CHACHA20_POLY1305.aad = pointer(associated, nonce);
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = associated.size();
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = direction;
    job->chain_order =
        direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    // AEAD jobs complete within the call; the loop is for a library that one day batches them.
    IMB_JOB* done = manager_->submit_job_nocheck(manager_);
    while (done == nullptr) done = manager_->flush_job(manager_);
  }

  Library library_;
  IMB_MGR* manager_;
  gcm_context_data gcm_{};
};

}  // namespace

std::unique_ptr<packet::CipherBackend> makeIpsecMb(std::string& reason) {
  Library library;
  if (!load(library, reason)) return nullptr;
  IMB_MGR* manager = library.allocate(0);
  if (manager == nullptr) {
    reason = std::string(kLibrary) + " can't allocate its manager";
    return nullptr;
  }
  IMB_ARCH architecture = IMB_ARCH_NONE;
  library.init(manager, &architecture);
  if (architecture == IMB_ARCH_NONE || architecture == IMB_ARCH_NOAESNI) {
    library.release(manager);
    reason = "the processor has no AES instructions";
    return nullptr;
  }
  return std::make_unique<IpsecMb>(library, manager);
}

}  // namespace beam::cipher

#else

namespace beam::cipher {

std::unique_ptr<packet::CipherBackend> makeIpsecMb(std::string& reason) {
  reason = "built without intel-ipsec-mb.h";
  return nullptr;
}

}  // namespace beam::cipher

#endif
