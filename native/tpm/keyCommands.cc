// Keys and sealed objects under a storage key.
#include "commands.h"
#include "loaded.h"

namespace beam::tpm {

namespace {

/** Not a storage hierarchy: nobody's authorization, nobody's primary keys. */
ESYS_TR hierarchyOf(TPM2_HANDLE handle) noexcept {
  switch (handle) {
    case TPM2_RH_OWNER:
      return ESYS_TR_RH_OWNER;
    case TPM2_RH_ENDORSEMENT:
      return ESYS_TR_RH_ENDORSEMENT;
    default:
      return ESYS_TR_NONE;
  }
}

}  // namespace

Failure createPrimary(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  const ESYS_TR hierarchy = hierarchyOf(request.number32());
  Wiped<TPM2B_AUTH> hierarchyAuth;
  request.sized(hierarchyAuth.value, hierarchyAuth.value.buffer);
  TPM2B_PUBLIC wanted{};
  request.structure(wanted, tpm.library().Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  const TPM2_HANDLE persistent = request.number32();
  if (!request.finished() || hierarchy == ESYS_TR_NONE) return {kBadRequest, "createPrimary"};

  // Not salted: there is no key yet that could be trusted. The hierarchy's authorization is the key
  // of the session's HMAC and doesn't travel.
  Resource session(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, ESYS_TR_NONE, TPM2_SE_HMAC, 0, session));
  BEAM_TPM_TRY(tpm, Esys_TR_SetAuth, hierarchy, &hierarchyAuth.value);
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION noPcrs{};
  Resource key(tpm, Resource::Kind::flushed);
  Answer<TPM2B_PUBLIC> area(tpm);
  BEAM_TPM_TRY(tpm, Esys_CreatePrimary, hierarchy, session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
               &sensitive, &wanted, &outside, &noPcrs, key.out(), area.out(), nullptr, nullptr,
               nullptr);
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_TR_GetName, key.get(), name.out());
  if (persistent != 0) {
    Resource kept(tpm, Resource::Kind::kept);
    BEAM_TPM_TRY(tpm, Esys_EvictControl, hierarchy, key.get(), session.get(), ESYS_TR_NONE,
                 ESYS_TR_NONE, persistent, kept.out());
  }
  answer.structure(*area, tpm.library().Tss2_MU_TPM2B_PUBLIC_Marshal);
  answer.sized(std::span(name->name).first(name->size));
  return {};
}

Failure create(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  Parent parent;
  readParent(request, parent);
  Wiped<TPM2B_SENSITIVE_CREATE> sensitive;
  auto& [auth, secret] = sensitive.value.sensitive;
  request.sized(auth, auth.buffer);
  request.sized(secret, secret.buffer);
  TPM2B_PUBLIC wanted{};
  request.structure(wanted, tpm.library().Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  if (!request.finished()) return {kBadRequest, "create"};

  Resource storage(tpm, Resource::Kind::kept);
  BEAM_TPM_PASS(openParent(tpm, parent, storage));
  Resource session(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, storage.get(), TPM2_SE_HMAC,
                             TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT, session));
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION noPcrs{};
  Answer<TPM2B_PRIVATE> made(tpm);
  Answer<TPM2B_PUBLIC> area(tpm);
  BEAM_TPM_TRY(tpm, Esys_Create, storage.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
               &sensitive.value, &wanted, &outside, &noPcrs, made.out(), area.out(), nullptr, nullptr,
               nullptr);
  answer.sized(std::span(made->buffer).first(made->size));
  answer.structure(*area, tpm.library().Tss2_MU_TPM2B_PUBLIC_Marshal);
  return {};
}

Failure sign(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  LoadRequest wanted;
  readLoad(request, tpm.library(), wanted);
  TPM2B_DIGEST digest{};
  request.sized(digest, digest.buffer);
  if (!request.finished()) return {kBadRequest, "sign"};

  Loaded key(tpm);
  BEAM_TPM_PASS(key.load(wanted));
  // The key's own scheme is used, and no ticket is needed: it is not a restricted key.
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  TPMT_TK_HASHCHECK noTicket{};
  noTicket.tag = TPM2_ST_HASHCHECK;
  noTicket.hierarchy = TPM2_RH_NULL;
  Answer<TPMT_SIGNATURE> signature(tpm);
  BEAM_TPM_TRY(tpm, Esys_Sign, key.object(), key.session(), ESYS_TR_NONE, ESYS_TR_NONE, &digest,
               &scheme, &noTicket, signature.out());
  answer.structure(*signature, tpm.library().Tss2_MU_TPMT_SIGNATURE_Marshal);
  return {};
}

}  // namespace beam::tpm
