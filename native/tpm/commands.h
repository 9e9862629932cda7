// What can be asked of a TPM. Each command reads its request from bytes, writes its answer as bytes,
// and leaves nothing of its own in the TPM but what it was asked to make. SPEC.md 10.21.
#pragma once

#include <cstdint>
#include <span>

#include "frame.h"
#include "session.h"

namespace beam::tpm {

using CommandFunction = Failure (*)(Tpm& tpm, Reader& request, Writer& answer) noexcept;

struct Command {
  const char* name;
  CommandFunction run;
};

Failure capability(Tpm&, Reader&, Writer&) noexcept;
Failure readPublic(Tpm&, Reader&, Writer&) noexcept;
Failure flush(Tpm&, Reader&, Writer&) noexcept;

Failure createPrimary(Tpm&, Reader&, Writer&) noexcept;
Failure create(Tpm&, Reader&, Writer&) noexcept;
Failure sign(Tpm&, Reader&, Writer&) noexcept;
Failure unseal(Tpm&, Reader&, Writer&) noexcept;

Failure pcrRead(Tpm&, Reader&, Writer&) noexcept;
Failure pcrExtend(Tpm&, Reader&, Writer&) noexcept;
Failure quote(Tpm&, Reader&, Writer&) noexcept;
Failure activateCredential(Tpm&, Reader&, Writer&) noexcept;

Failure nvDefine(Tpm&, Reader&, Writer&) noexcept;
Failure nvReadPublic(Tpm&, Reader&, Writer&) noexcept;
Failure nvRead(Tpm&, Reader&, Writer&) noexcept;
Failure nvIncrement(Tpm&, Reader&, Writer&) noexcept;
Failure nvUndefine(Tpm&, Reader&, Writer&) noexcept;

/** In no order; TypeScript finds each by its name. */
inline constexpr Command kCommands[] = {
    {"capability", capability},
    {"readPublic", readPublic},
    {"flush", flush},
    {"createPrimary", createPrimary},
    {"create", create},
    {"sign", sign},
    {"unseal", unseal},
    {"pcrRead", pcrRead},
    {"pcrExtend", pcrExtend},
    {"quote", quote},
    {"activateCredential", activateCredential},
    {"nvDefine", nvDefine},
    {"nvReadPublic", nvReadPublic},
    {"nvRead", nvRead},
    {"nvIncrement", nvIncrement},
    {"nvUndefine", nvUndefine},
};

/** Null for a name that is none. */
const Command* findCommand(const char* name) noexcept;

/** Runs one command, from the request to the answer or the failure. */
Failure runCommand(Tpm& tpm, const Command& command, const Frame& request, Frame& answer) noexcept;

}  // namespace beam::tpm
