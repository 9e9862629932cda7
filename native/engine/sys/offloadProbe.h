// Are the offloads that the kernel promises any good? Asked with real super-packets, in a network
// namespace that lives for the length of the question, so that nobody else sees them.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace beam::kernel {

enum class Offload : uint8_t {
  /** The TUN hands over what the system sent as one super-packet. */
  tso4,
  tso6,
  uso4,
  uso6,
  /** A joined packet that is written to the TUN reaches the system whole. */
  joinedTcp4,
  joinedTcp6,
  joinedUdp4,
  joinedUdp6,
  /** One UDP_SEGMENT send comes out of another socket as its datagrams. */
  segment4,
  segment6,
  /** A socket with UDP_GRO gives datagrams that arrive together as one, with their size. */
  gro4,
  gro6,
};
inline constexpr const char* kOffloadNames[] = {
    "TSO4",        "TSO6",        "USO4",         "USO6",         "joined TCP4", "joined TCP6",
    "joined UDP4", "joined UDP6", "UDP_SEGMENT4", "UDP_SEGMENT6", "UDP_GRO4",    "UDP_GRO6",
};
inline constexpr size_t kOffloads = std::size(kOffloadNames);
static_assert(kOffloads == static_cast<size_t>(Offload::gro6) + 1);

struct OffloadProbe {
  enum class Answer : uint8_t { notAsked, passed, failed };
  std::array<Answer, kOffloads> answers{};
  /** Why some were not asked; empty if all were. */
  std::string notAsked;

  /** What wasn't asked is trusted until it fails. */
  bool usable(Offload offload) const {
    return answers[static_cast<size_t>(offload)] != Answer::failed;
  }
  /** For the status: "passed", or what failed, or why something could not be asked. */
  std::string verdict() const;
};

/** Some milliseconds, once a process; the answer is kept. */
const OffloadProbe& probeOffloads();

}  // namespace beam::kernel
