// What is asked about the TPM itself and the objects in it.
#include "commands.h"

#include <cstring>

namespace beam::tpm {

const Command* findCommand(const char* name) noexcept {
  for (const Command& command : kCommands) {
    if (std::strcmp(command.name, name) == 0) return &command;
  }
  return nullptr;
}

Failure runCommand(Tpm& tpm, const Command& command, const Frame& request, Frame& answer) noexcept {
  Reader reader(request.bytes());
  Writer writer(answer);
  BEAM_TPM_PASS(command.run(tpm, reader, writer));
  return writer.ok() ? Failure{} : Failure{kAnswerTooLong, command.name};
}

Failure capability(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  const TPM2_CAP kind = request.number32();
  const std::uint32_t property = request.number32();
  const std::uint32_t count = request.number32();
  if (!request.finished()) return {kBadRequest, "capability"};
  TPMI_YES_NO more = 0;
  Answer<TPMS_CAPABILITY_DATA> found(tpm);
  BEAM_TPM_TRY(tpm, Esys_GetCapability, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, kind, property,
               count, &more, found.out());
  answer.number8(more);
  answer.structure(*found, tpm.library().Tss2_MU_TPMS_CAPABILITY_DATA_Marshal);
  return {};
}

Failure readPublic(Tpm& tpm, Reader& request, Writer& answer) noexcept {
  const TPM2_HANDLE handle = request.number32();
  if (!request.finished()) return {kBadRequest, "readPublic"};
  Resource object(tpm, Resource::Kind::kept);
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               object.out());
  Answer<TPM2B_PUBLIC> area(tpm);
  Answer<TPM2B_NAME> name(tpm);
  BEAM_TPM_TRY(tpm, Esys_ReadPublic, object.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               area.out(), name.out(), nullptr);
  answer.structure(*area, tpm.library().Tss2_MU_TPM2B_PUBLIC_Marshal);
  answer.sized(std::span(name->name).first(name->size));
  return {};
}

Failure flush(Tpm& tpm, Reader& request, Writer&) noexcept {
  const TPM2_HANDLE handle = request.number32();
  if (!request.finished()) return {kBadRequest, "flush"};
  Resource object(tpm, Resource::Kind::flushed);
  BEAM_TPM_TRY(tpm, Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
               object.out());
  return object.flush();
}

}  // namespace beam::tpm
