// Records that TypeScript packs into bytes, beside packet::PathRecord.
#pragma once

#include <cstddef>

namespace beam::binding {

/** Family, length and 16 address bytes. */
inline constexpr size_t kAllowedIpBytes = 18;

}  // namespace beam::binding
