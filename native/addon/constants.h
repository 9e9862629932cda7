// What TypeScript must agree on (IO_CONSTANTS in src/platform/addon.ts), exported by module.cc.
#pragma once

#include <cstdint>

namespace beam::addon {

/** Raised whenever a function's arguments or meaning change. */
inline constexpr std::uint32_t kIoAbi = 2;
/** Packets a turn of the loop reads from a TUN before UDP has its turn. */
inline constexpr std::uint32_t kTunBatchPackets = 64;
/** Set in udpSend's answer, above any errno. */
inline constexpr std::uint32_t kLocalStaleFlag = 0x10000;

}  // namespace beam::addon
