// An object under its storage key, in the TPM for the time of one command, with a salted session.
#pragma once

#include "session.h"

namespace beam::tpm {

struct LoadRequest {
  Parent parent;
  TPM2B_PRIVATE secret{};
  TPM2B_PUBLIC area{};
  Wiped<TPM2B_AUTH> auth;
};

/** parent, TPM2B_PRIVATE, TPM2B_PUBLIC, TPM2B_AUTH. */
void readLoad(Reader& request, const Library& library, LoadRequest& wanted) noexcept;

class Loaded {
 public:
  explicit Loaded(Tpm& tpm) noexcept
      : tpm_(tpm),
        parent_(tpm, Resource::Kind::kept),
        object_(tpm, Resource::Kind::flushed),
        session_(tpm, Resource::Kind::flushed) {}

  [[nodiscard]] Failure load(const LoadRequest& wanted) noexcept;
  [[nodiscard]] ESYS_TR parent() const noexcept { return parent_.get(); }
  [[nodiscard]] ESYS_TR object() const noexcept { return object_.get(); }
  /** HMAC, salted to the parent; the first parameter is encrypted in both directions. */
  [[nodiscard]] ESYS_TR session() const noexcept { return session_.get(); }

 private:
  Tpm& tpm_;
  Resource parent_;
  Resource object_;
  Resource session_;
};

}  // namespace beam::tpm
