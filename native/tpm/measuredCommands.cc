// Platform configuration registers, and statements about them.
#include "commands.h"
#include "loaded.h"

namespace beam::tpm {

Failure pcrRead(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  TPML_PCR_SELECTION wanted{};
  request.structure(wanted, tpm.library().Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  if (!request.finished()) return {kBadRequest, "pcrRead"};
  std::uint32_t updates = 0;
  Answer<TPML_PCR_SELECTION> read(tpm);
  Answer<TPML_DIGEST> values(tpm);
  BEAM_TPM_TRY(tpm, Esys_PCR_Read, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &updates,
               read.out(), values.out());
  answer.number32(updates);
  answer.structure(*read, tpm.library().Tss2_MU_TPML_PCR_SELECTION_Marshal);
  answer.structure(*values, tpm.library().Tss2_MU_TPML_DIGEST_Marshal);
  return {};
}

Failure pcrExtend(Tpm& tpm, Reader& request, Writer&) noexcept {
  const std::uint32_t index = request.number32();
  const auto digest = request.sized();
  if (!request.finished() || index >= TPM2_MAX_PCRS || digest.size() != TPM2_SHA256_DIGEST_SIZE) {
    return {kBadRequest, "pcrExtend"};
  }
  TPML_DIGEST_VALUES digests{};
  digests.count = 1;
  digests.digests[0].hashAlg = TPM2_ALG_SHA256;
  std::memcpy(digests.digests[0].digest.sha256, digest.data(), digest.size());
  // Registers have handles of their own numbers, and no authorization.
  BEAM_TPM_TRY(tpm, Esys_PCR_Extend, static_cast<ESYS_TR>(ESYS_TR_PCR0 + index), ESYS_TR_PASSWORD,
               ESYS_TR_NONE, ESYS_TR_NONE, &digests);
  return {};
}

Failure quote(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  LoadRequest wanted;
  readLoad(request, tpm.library(), wanted);
  TPM2B_DATA nonce{};
  request.sized(nonce, nonce.buffer);
  TPML_PCR_SELECTION pcrs{};
  request.structure(pcrs, tpm.library().Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  if (!request.finished()) return {kBadRequest, "quote"};

  Loaded attester(tpm);
  BEAM_TPM_PASS(attester.load(wanted));
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  Answer<TPM2B_ATTEST> statement(tpm);
  Answer<TPMT_SIGNATURE> signature(tpm);
  BEAM_TPM_TRY(tpm, Esys_Quote, attester.object(), attester.session(), ESYS_TR_NONE, ESYS_TR_NONE,
               &nonce, &scheme, &pcrs, statement.out(), signature.out());
  answer.sized(std::span(statement->attestationData).first(statement->size));
  answer.structure(*signature, tpm.library().Tss2_MU_TPMT_SIGNATURE_Marshal);
  return {};
}

}  // namespace beam::tpm
