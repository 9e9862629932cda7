#include "session.h"

#include <algorithm>

namespace beam::tpm {

Failure Tpm::open(const Library& library, const char* tcti) noexcept {
  library_ = &library;
  if (const TSS2_RC code = library.Tss2_TctiLdr_Initialize(tcti, &tcti_)) {
    tcti_ = nullptr;
    return {code, "Tss2_TctiLdr_Initialize"};
  }
  if (const TSS2_RC code = library.Esys_Initialize(&esys_, tcti_, nullptr)) {
    esys_ = nullptr;
    close();
    return {code, "Esys_Initialize"};
  }
  return {};
}

void Tpm::close() noexcept {
  if (esys_ != nullptr) library_->Esys_Finalize(&esys_);
  if (tcti_ != nullptr) library_->Tss2_TctiLdr_Finalize(&tcti_);
  esys_ = nullptr;
  tcti_ = nullptr;
}

Failure Resource::flush() noexcept {
  const ESYS_TR handle = std::exchange(handle_, ESYS_TR_NONE);
  if (handle == ESYS_TR_NONE) return {};
  return {tpm_.library().Esys_FlushContext(tpm_.esys(), handle), "Esys_FlushContext"};
}

void Resource::release() noexcept {
  if (handle_ == ESYS_TR_NONE || !tpm_.isOpen()) return;
  if (kind_ == Kind::flushed) {
    // Nothing can be done about a TPM that refuses; a session that it ended already is refused too.
    (void)flush();
  } else {
    (void)tpm_.library().Esys_TR_Close(tpm_.esys(), &handle_);
  }
}

void readParent(Reader& request, Parent& parent) noexcept {
  parent.handle = request.number32();
  parent.name = request.sized();
}

Failure openParent(Tpm& tpm, const Parent& parent, Resource& opened) noexcept {
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, parent.handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               opened.out());
  // tpm2-tss computes the name from the public area that it will salt sessions to; what the TPM, or
  // somebody in between, says the name is doesn't count.
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_TR_GetName, opened.get(), name.out());
  const auto found = std::span(name->name).first(name->size);
  return std::ranges::equal(found, parent.name) ? Failure{} : Failure{kWrongParent, "parent"};
}

Failure startSession(Tpm& tpm, ESYS_TR key, TPM2_SE kind, TPMA_SESSION attributes,
                     Resource& session) noexcept {
  // TPM 2.0 Library, Part 1, 19.6: parameters are encrypted in CFB mode.
  TPMT_SYM_DEF cipher{};
  cipher.algorithm = TPM2_ALG_AES;
  cipher.keyBits.aes = 128;
  cipher.mode.aes = TPM2_ALG_CFB;
  BEAM_TPM_TRY(tpm, Esys_StartAuthSession, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               ESYS_TR_NONE, nullptr, kind, &cipher, TPM2_ALG_SHA256, session.out());
  BEAM_TPM_TRY(tpm, Esys_TRSess_SetAttributes, session.get(),
               static_cast<TPMA_SESSION>(attributes | TPMA_SESSION_CONTINUESESSION), 0xff);
  return {};
}

}  // namespace beam::tpm
