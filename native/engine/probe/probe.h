// The pure packet functions behind one call of bytes to bytes: what TypeScript's differential tests
// and the vector tests drive. Formats are in test/unit/nativeEngine/probe.ts.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace beam::probe {

/** Null where the operation is unknown, the input malformed, or the answer "refused". */
std::optional<std::vector<uint8_t>> run(uint32_t operation, std::span<const uint8_t> input);

}  // namespace beam::probe
