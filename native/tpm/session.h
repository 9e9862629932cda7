// One connection to a TPM and what lives on it. Objects and sessions are flushed when they go, so a
// command that fails half-way leaves no slot of the TPM taken.
#pragma once

#include <utility>

#include "frame.h"
#include "library.h"

namespace beam::tpm {

/** What ended a command, and at which step. */
struct Failure {
  TSS2_RC code = TSS2_RC_SUCCESS;
  /** The function of tpm2-tss, or one of the steps below. */
  const char* step = "";

  [[nodiscard]] bool failed() const noexcept { return code != TSS2_RC_SUCCESS; }
};

// Failures of this binding, in the layer that tpm2-tss leaves to applications. SPEC.md 10.21.
inline constexpr TSS2_RC kOwnLayer = 0xbe0000;
inline constexpr TSS2_RC kBadRequest = kOwnLayer | 1;
inline constexpr TSS2_RC kAnswerTooLong = kOwnLayer | 2;
inline constexpr TSS2_RC kWrongParent = kOwnLayer | 3;

class Tpm {
 public:
  /** `tcti` as tpm2-tss reads it: `device:/dev/tpmrm0`, `swtpm:path=…`. */
  [[nodiscard]] Failure open(const Library& library, const char* tcti) noexcept;
  Tpm() noexcept = default;
  Tpm(const Tpm&) = delete;
  Tpm& operator=(const Tpm&) = delete;
  ~Tpm() { close(); }
  void close() noexcept;

  [[nodiscard]] bool isOpen() const noexcept { return esys_ != nullptr; }
  [[nodiscard]] ESYS_CONTEXT* esys() const noexcept { return esys_; }
  [[nodiscard]] const Library& library() const noexcept { return *library_; }

 private:
  const Library* library_ = nullptr;
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
};

/** An object, session or index of the TPM by tpm2-tss's name for it. */
class Resource {
 public:
  /** `flushed`: takes a slot of the TPM, given back with this. */
  enum class Kind { flushed, kept };

  Resource(Tpm& tpm, Kind kind) noexcept : tpm_(tpm), kind_(kind) {}
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  ~Resource() { release(); }

  /** For a function of tpm2-tss to fill in. */
  [[nodiscard]] ESYS_TR* out() noexcept { return &handle_; }
  [[nodiscard]] ESYS_TR get() const noexcept { return handle_; }
  /** Gives the slot back now, and says how that went. */
  Failure flush() noexcept;

 private:
  void release() noexcept;

  Tpm& tpm_;
  Kind kind_;
  ESYS_TR handle_ = ESYS_TR_NONE;
};

/** What tpm2-tss allocates for an answer: zeroed, then freed. */
template <class T>
class Answer {
 public:
  explicit Answer(const Tpm& tpm) noexcept : tpm_(tpm) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() {
    if (value_ == nullptr) return;
    wipe(value_, sizeof *value_);
    tpm_.library().Esys_Free(value_);
  }

  [[nodiscard]] T** out() noexcept { return &value_; }
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }
  [[nodiscard]] const T* operator->() const noexcept { return value_; }
  [[nodiscard]] const T* get() const noexcept { return value_; }

 private:
  const Tpm& tpm_;
  T* value_ = nullptr;
};

/** A storage key at a persistent handle, and the name that was pinned for it. */
struct Parent {
  TPM2_HANDLE handle = 0;
  std::span<const std::uint8_t> name;
};

/** u32 handle, TPM2B_NAME. */
void readParent(Reader& request, Parent& parent) noexcept;

/** Opens the parent; kWrongParent if the TPM shows another key there than the pinned one. */
[[nodiscard]] Failure openParent(Tpm& tpm, const Parent& parent, Resource& opened) noexcept;

/** A session salted to `key` (ESYS_TR_NONE: not salted), with AES-128-CFB for parameters. */
[[nodiscard]] Failure startSession(Tpm& tpm, ESYS_TR key, TPM2_SE kind, TPMA_SESSION attributes,
                                   Resource& session) noexcept;

}  // namespace beam::tpm

/** Leaves the function with the failure of a call to tpm2-tss: `BEAM_TPM_TRY(tpm, Esys_Load, …)`. */
#define BEAM_TPM_TRY(on, function, ...)                                                   \
  do {                                                                                    \
    const TSS2_RC beamCode = (on).library().function((on).esys(), __VA_ARGS__);           \
    if (beamCode != TSS2_RC_SUCCESS) return ::beam::tpm::Failure{beamCode, #function};    \
  } while (false)

/** Leaves the function with a failure that another function answers. */
#define BEAM_TPM_PASS(call)                                                               \
  do {                                                                                    \
    if (const auto beamFailure = (call); beamFailure.failed()) return beamFailure;        \
  } while (false)
