// tpm2-tss, opened at run time: a machine without it loads this addon all the same and is told why
// there is no TPM. Only what is listed here is called.
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

namespace beam::tpm {

#define BEAM_TPM_ESYS(X)        \
  X(Esys_Initialize)            \
  X(Esys_Finalize)              \
  X(Esys_Free)                  \
  X(Esys_TR_FromTPMPublic)      \
  X(Esys_TR_GetName)            \
  X(Esys_TR_SetAuth)            \
  X(Esys_TR_Close)              \
  X(Esys_TRSess_SetAttributes)  \
  X(Esys_StartAuthSession)      \
  X(Esys_FlushContext)          \
  X(Esys_GetCapability)         \
  X(Esys_ReadPublic)            \
  X(Esys_CreatePrimary)         \
  X(Esys_EvictControl)          \
  X(Esys_Create)                \
  X(Esys_Load)                  \
  X(Esys_LoadExternal)          \
  X(Esys_Sign)                  \
  X(Esys_VerifySignature)       \
  X(Esys_PolicyPCR)             \
  X(Esys_PolicyAuthorize)       \
  X(Esys_PolicySecret)          \
  X(Esys_Unseal)                \
  X(Esys_PCR_Read)              \
  X(Esys_PCR_Extend)            \
  X(Esys_NV_DefineSpace)        \
  X(Esys_NV_Increment)          \
  X(Esys_NV_Read)               \
  X(Esys_NV_ReadPublic)         \
  X(Esys_NV_UndefineSpace)      \
  X(Esys_Quote)                 \
  X(Esys_ActivateCredential)

#define BEAM_TPM_MU(X)                    \
  X(Tss2_MU_TPM2B_PUBLIC_Marshal)         \
  X(Tss2_MU_TPM2B_PUBLIC_Unmarshal)       \
  X(Tss2_MU_TPM2B_NV_PUBLIC_Marshal)      \
  X(Tss2_MU_TPM2B_NV_PUBLIC_Unmarshal)    \
  X(Tss2_MU_TPML_PCR_SELECTION_Marshal)   \
  X(Tss2_MU_TPML_PCR_SELECTION_Unmarshal) \
  X(Tss2_MU_TPML_DIGEST_Marshal)          \
  X(Tss2_MU_TPMT_SIGNATURE_Marshal)       \
  X(Tss2_MU_TPMT_SIGNATURE_Unmarshal)     \
  X(Tss2_MU_TPMS_CAPABILITY_DATA_Marshal)

#define BEAM_TPM_TCTI(X)     \
  X(Tss2_TctiLdr_Initialize) \
  X(Tss2_TctiLdr_Finalize)

#define BEAM_TPM_RC(X) X(Tss2_RC_Decode)

/** The functions, under the names that tpm2-tss gives them. */
struct Library {
#define BEAM_TPM_DECLARE(name) decltype(&::name) name = nullptr;
  BEAM_TPM_ESYS(BEAM_TPM_DECLARE)
  BEAM_TPM_MU(BEAM_TPM_DECLARE)
  BEAM_TPM_TCTI(BEAM_TPM_DECLARE)
  BEAM_TPM_RC(BEAM_TPM_DECLARE)
#undef BEAM_TPM_DECLARE
};

struct LibraryLoad {
  /** Null where something is missing. */
  const Library* library;
  /** What is missing; empty where nothing is. */
  const char* reason;
};

/** Opened once and kept to the end of the process. */
LibraryLoad loadLibrary() noexcept;

}  // namespace beam::tpm
