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

void readParent(Reader& request, const Library& library, Parent& parent) noexcept {
  parent.handle = request.number32();
  parent.name = request.sized();
  request.structure(parent.pinned, library.Tss2_MU_TPM2B_PUBLIC_Unmarshal);
}

namespace {

/** handle, name, kind and the two sizes that tpm2-tss writes around a public area, with room to spare. */
constexpr std::size_t kSerializedExtraBytes = 16;

/**
 * True if the public area that tpm2-tss will salt sessions to is the pinned one. A name alone would
 * not say so: it is what the TPM, or somebody between it and us, claims. tpm2-tss shows the area only
 * as the end of a serialized object, whose length leaves no room for anything else before it.
 */
bool holdsPinned(Tpm& tpm, const Parent& parent, ESYS_TR object) noexcept {
  std::array<std::uint8_t, sizeof(TPM2B_PUBLIC)> area{};
  std::size_t areaBytes = 0;
  if (tpm.library().Tss2_MU_TPM2B_PUBLIC_Marshal(&parent.pinned, area.data(), area.size(),
                                                &areaBytes) != TSS2_RC_SUCCESS) {
    return false;
  }
  std::uint8_t* serialized = nullptr;
  std::size_t serializedBytes = 0;
  if (tpm.library().Esys_TR_Serialize(tpm.esys(), object, &serialized, &serializedBytes) !=
      TSS2_RC_SUCCESS) {
    return false;
  }
  const std::size_t most = areaBytes + parent.name.size() + kSerializedExtraBytes;
  const bool isPinned =
      serializedBytes >= areaBytes && serializedBytes <= most &&
      std::equal(area.begin(), area.begin() + static_cast<std::ptrdiff_t>(areaBytes),
                 serialized + (serializedBytes - areaBytes));
  tpm.library().Esys_Free(serialized);
  return isPinned;
}

}  // namespace

Failure openParent(Tpm& tpm, const Parent& parent, Resource& opened) noexcept {
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, parent.handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               opened.out());
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_TR_GetName, opened.get(), name.out());
  const auto found = std::span(name->name).first(name->size);
  if (!std::ranges::equal(found, parent.name) || !holdsPinned(tpm, parent, opened.get())) {
    return {kWrongParent, "parent"};
  }
  return {};
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
