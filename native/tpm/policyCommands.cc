// What an operator's approval or the endorsement hierarchy opens: sealed objects, credentials.
#include "commands.h"
#include "loaded.h"

namespace beam::tpm {

namespace {

/** What PolicyAuthorize needs: whose signature, over which policy, for which purpose. */
struct Approval {
  TPM2B_PUBLIC approver{};
  TPM2B_DIGEST approvedPolicy{};
  TPM2B_NONCE policyRef{};
  /** SHA-256 of approvedPolicy ‖ policyRef (Part 3, 23.16.1). */
  TPM2B_DIGEST signedDigest{};
  TPMT_SIGNATURE signature{};
};

void readApproval(Reader& request, const Library& library, Approval& approval) noexcept {
  request.structure(approval.approver, library.Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  request.sized(approval.approvedPolicy, approval.approvedPolicy.buffer);
  request.sized(approval.policyRef, approval.policyRef.buffer);
  request.sized(approval.signedDigest, approval.signedDigest.buffer);
  request.structure(approval.signature, library.Tss2_MU_TPMT_SIGNATURE_Unmarshal);
}

/** Lets the TPM check the signature, and puts the approver's policy in place of the approved one. */
Failure authorize(Tpm& tpm, const Approval& approval, ESYS_TR session) noexcept {
  Resource approver(tpm, Resource::Kind::flushed);
  // Owner, not null: the TPM makes no ticket that lasts for keys of the null hierarchy.
  BEAM_TPM_TRY(tpm, Esys_LoadExternal, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr,
               &approval.approver, ESYS_TR_RH_OWNER, approver.out());
  Answer<TPMT_TK_VERIFIED> ticket(tpm);
  BEAM_TPM_TRY(tpm, Esys_VerifySignature, approver.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               &approval.signedDigest, &approval.signature, ticket.out());
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_TR_GetName, approver.get(), name.out());
  BEAM_TPM_TRY(tpm, Esys_PolicyAuthorize, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               &approval.approvedPolicy, &approval.policyRef, name.get(), ticket.get());
  return {};
}

}  // namespace

Failure unseal(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  LoadRequest wanted;
  readLoad(request, tpm.library(), wanted);
  TPML_PCR_SELECTION pcrs{};
  request.structure(pcrs, tpm.library().Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  Approval approval;
  readApproval(request, tpm.library(), approval);
  if (!request.finished()) return {kBadRequest, "unseal"};

  Loaded sealed(tpm);
  BEAM_TPM_PASS(sealed.load(wanted));
  Resource policy(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, sealed.parent(), TPM2_SE_POLICY, 0, policy));
  // The empty digest stands for the values that the registers have now.
  const TPM2B_DIGEST now{};
  BEAM_TPM_TRY(tpm, Esys_PolicyPCR, policy.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &now,
               &pcrs);
  BEAM_TPM_PASS(authorize(tpm, approval, policy.get()));
  // TPM2_Unseal has no parameter that could be encrypted on the way in.
  BEAM_TPM_TRY(tpm, Esys_TRSess_SetAttributes, sealed.session(),
               static_cast<TPMA_SESSION>(TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION), 0xff);
  Answer<TPM2B_SENSITIVE_DATA> secret(tpm);
  BEAM_TPM_TRY(tpm, Esys_Unseal, sealed.object(), policy.get(), sealed.session(), ESYS_TR_NONE,
               secret.out());
  answer.sized(std::span(secret->buffer).first(secret->size));
  return {};
}

Failure activateCredential(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  LoadRequest wanted;
  readLoad(request, tpm.library(), wanted);
  Wiped<TPM2B_AUTH> endorsementAuth;
  request.sized(endorsementAuth.value, endorsementAuth.value.buffer);
  TPM2B_PUBLIC endorsement{};
  request.structure(endorsement, tpm.library().Tss2_MU_TPM2B_PUBLIC_Unmarshal);
  TPM2B_ID_OBJECT credential{};
  request.sized(credential, credential.credential);
  TPM2B_ENCRYPTED_SECRET seed{};
  request.sized(seed, seed.secret);
  if (!request.finished()) return {kBadRequest, "activateCredential"};

  Loaded attester(tpm);
  BEAM_TPM_PASS(attester.load(wanted));
  BEAM_TPM_TRY(tpm, Esys_TR_SetAuth, ESYS_TR_RH_ENDORSEMENT, &endorsementAuth.value);
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION noPcrs{};
  Resource key(tpm, Resource::Kind::flushed);
  BEAM_TPM_TRY(tpm, Esys_CreatePrimary, ESYS_TR_RH_ENDORSEMENT, attester.session(), ESYS_TR_NONE,
               ESYS_TR_NONE, &sensitive, &endorsement, &outside, &noPcrs, key.out(), nullptr, nullptr,
               nullptr, nullptr);
  // The default policy of endorsement keys (TCG EK Credential Profile, B.6.3).
  Resource policy(tpm, Resource::Kind::flushed);
  BEAM_TPM_PASS(startSession(tpm, attester.parent(), TPM2_SE_POLICY, 0, policy));
  const TPM2B_NONCE noNonce{};
  const TPM2B_DIGEST noDigest{};
  BEAM_TPM_TRY(tpm, Esys_PolicySecret, ESYS_TR_RH_ENDORSEMENT, policy.get(), attester.session(),
               ESYS_TR_NONE, ESYS_TR_NONE, &noNonce, &noDigest, &noNonce, 0, nullptr, nullptr);
  Answer<TPM2B_DIGEST> found(tpm);
  BEAM_TPM_TRY(tpm, Esys_ActivateCredential, attester.object(), key.get(), attester.session(),
               policy.get(), ESYS_TR_NONE, &credential, &seed, found.out());
  answer.sized(std::span(found->buffer).first(found->size));
  return {};
}

}  // namespace beam::tpm
