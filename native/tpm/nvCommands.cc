// An index in the TPM's non-volatile memory.
#include "commands.h"
#include "session.h"

namespace beam::tpm {

namespace {

/** An index with a session salted to the storage key, so that its answers can't be made up. */
class Index {
 public:
  explicit Index(Tpm& tpm) noexcept
      : tpm_(tpm),
        parent_(tpm, Resource::Kind::kept),
        index_(tpm, Resource::Kind::kept),
        session_(tpm, Resource::Kind::flushed) {}

  [[nodiscard]] Failure open(const Parent& parent, TPM2_HANDLE handle, TPMA_SESSION attributes,
                             const TPM2B_AUTH& auth) noexcept {
    BEAM_TPM_PASS(openParent(tpm_, parent, parent_));
    BEAM_TPM_TRY(tpm_, Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                 index_.out());
    BEAM_TPM_TRY(tpm_, Esys_TR_SetAuth, index_.get(), &auth);
    return startSession(tpm_, parent_.get(), TPM2_SE_HMAC, attributes, session_);
  }
  [[nodiscard]] ESYS_TR get() const noexcept { return index_.get(); }
  [[nodiscard]] ESYS_TR session() const noexcept { return session_.get(); }

 private:
  Tpm& tpm_;
  Resource parent_;
  Resource index_;
  Resource session_;
};

}  // namespace

Failure nvDefine(Tpm& tpm, Reader& request, Writer&) noexcept {
  Parent parent;
  readParent(request, parent);
  Wiped<TPM2B_AUTH> ownerAuth;
  request.sized(ownerAuth.value, ownerAuth.value.buffer);
  Wiped<TPM2B_AUTH> indexAuth;
  request.sized(indexAuth.value, indexAuth.value.buffer);
  TPM2B_NV_PUBLIC wanted{};
  request.structure(wanted, tpm.library().Tss2_MU_TPM2B_NV_PUBLIC_Unmarshal);
  if (!request.finished()) return {kBadRequest, "nvDefine"};

  Resource storage(tpm, Resource::Kind::kept);
  BEAM_TPM_PASS(openParent(tpm, parent, storage));
  Resource session(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, storage.get(), TPM2_SE_HMAC, TPMA_SESSION_DECRYPT, session));
  BEAM_TPM_TRY(tpm, Esys_TR_SetAuth, ESYS_TR_RH_OWNER, &ownerAuth.value);
  Resource index(tpm, Resource::Kind::kept);
  BEAM_TPM_TRY(tpm, Esys_NV_DefineSpace, ESYS_TR_RH_OWNER, session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
               &indexAuth.value, &wanted, index.out());
  return {};
}

Failure nvReadPublic(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  const TPM2_HANDLE handle = request.number32();
  if (!request.finished()) return {kBadRequest, "nvReadPublic"};
  Resource index(tpm, Resource::Kind::kept);
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               index.out());
  Answer<TPM2B_NV_PUBLIC> area(tpm);
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_NV_ReadPublic, index.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               area.out(), name.out());
  answer.structure(*area, tpm.library().Tss2_MU_TPM2B_NV_PUBLIC_Marshal);
  answer.sized(std::span(name->name).first(name->size));
  return {};
}

Failure nvRead(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  Parent parent;
  readParent(request, parent);
  const TPM2_HANDLE handle = request.number32();
  Wiped<TPM2B_AUTH> auth;
  request.sized(auth.value, auth.value.buffer);
  const std::uint16_t size = request.number16();
  if (!request.finished()) return {kBadRequest, "nvRead"};
  Index index(tpm);
  BEAM_TPM_PASS(index.open(parent, handle, TPMA_SESSION_ENCRYPT, auth.value));
  Answer<TPM2B_MAX_NV_BUFFER> found(tpm);
  BEAM_TPM_TRY(tpm, Esys_NV_Read, index.get(), index.get(), index.session(), ESYS_TR_NONE,
               ESYS_TR_NONE, size, 0, found.out());
  answer.sized(std::span(found->buffer).first(found->size));
  return {};
}

Failure nvIncrement(Tpm& tpm, Reader& request, Writer&) noexcept {
  Parent parent;
  readParent(request, parent);
  const TPM2_HANDLE handle = request.number32();
  Wiped<TPM2B_AUTH> auth;
  request.sized(auth.value, auth.value.buffer);
  if (!request.finished()) return {kBadRequest, "nvIncrement"};
  Index index(tpm);
  BEAM_TPM_PASS(index.open(parent, handle, 0, auth.value));
  BEAM_TPM_TRY(tpm, Esys_NV_Increment, index.get(), index.get(), index.session(), ESYS_TR_NONE,
               ESYS_TR_NONE);
  return {};
}

Failure nvUndefine(Tpm& tpm, Reader& request, Writer&) noexcept {
  const TPM2_HANDLE handle = request.number32();
  Wiped<TPM2B_AUTH> ownerAuth;
  request.sized(ownerAuth.value, ownerAuth.value.buffer);
  if (!request.finished()) return {kBadRequest, "nvUndefine"};
  Resource index(tpm, Resource::Kind::kept);
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               index.out());
  Resource session(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, ESYS_TR_NONE, TPM2_SE_HMAC, 0, session));
  BEAM_TPM_TRY(tpm, Esys_TR_SetAuth, ESYS_TR_RH_OWNER, &ownerAuth.value);
  BEAM_TPM_TRY(tpm, Esys_NV_UndefineSpace, ESYS_TR_RH_OWNER, index.get(), session.get(), ESYS_TR_NONE,
               ESYS_TR_NONE);
  return {};
}

}  // namespace beam::tpm
