#include "loaded.h"

namespace beam::tpm {

void readLoad(Reader& request, const Library& library, LoadRequest& wanted) noexcept {
  readParent(request, wanted.parent);
  request.sized(wanted.secret, wanted.secret.buffer);
  request.structure(wanted.area, library.Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  request.sized(wanted.auth.value, wanted.auth.value.buffer);
}

Failure Loaded::load(const LoadRequest& wanted) noexcept {
  BEAM_TPM_PASS(openParent(tpm_, wanted.parent, parent_));
  // TPM2_Load has no parameter to encrypt in its answer that matters: the private area is encrypted.
  BEAM_TPM_PASS(startSession(tpm_, parent_.get(), TPM2_SE_HMAC,
                             TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT, session_));
  BEAM_TPM_TRY(tpm_, Esys_Load, parent_.get(), session_.get(), ESYS_TR_NONE, ESYS_TR_NONE,
               &wanted.secret, &wanted.area, object_.out());
  BEAM_TPM_TRY(tpm_, Esys_TR_SetAuth, object_.get(), &wanted.auth.value);
  return {};
}

}  // namespace beam::tpm
