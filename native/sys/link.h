// Follows the link state and MTU of a TUN's interface by netlink, in whatever namespace it is.
//
// The socket stays in our own namespace and listens across: one that lived in the other would keep
// that alive, and the interface with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fd.h"
#include "netlinkSocket.h"

namespace beam::sys {

struct LinkState {
  bool up = false;
  std::uint32_t mtu = 0;

  bool operator==(const LinkState&) const = default;
};

/** What a look at the netlink socket brought: the states in the order they were reached. */
struct LinkChanges {
  std::array<LinkState, 16> states{};
  std::size_t count = 0;
  /** The interface left the namespace: open a new watch, or it is gone. */
  bool left = false;
};

class LinkWatch {
 public:
  LinkWatch() noexcept = default;

  /**
   * Finds the interface where it is now and listens for its changes. Where the kernel doesn't say
   * where that is, `assumeHere` takes our own namespace; otherwise the error of asking is returned.
   */
  [[nodiscard]] static Result<LinkWatch> open(NetlinkClient& client, int tunFd,
                                              bool assumeHere) noexcept;

  /**
   * The listening socket; below zero if changes can't be heard (another namespace, and no
   * CAP_NET_BROADCAST).
   */
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  /** As of the last question or change. */
  [[nodiscard]] LinkState state() const noexcept { return state_; }

  /** Asks the kernel now. ENODEV if the interface has left. */
  [[nodiscard]] int refresh(NetlinkClient& client) noexcept;

  /** Reads what waits; to be called when `fd` is readable, again if it still is. */
  [[nodiscard]] LinkChanges read(NetlinkClient& client) noexcept;

 private:
  void take(const NetlinkMessage& message, LinkChanges& changes) noexcept;

  UniqueFd socket_;
  int namespaceId_ = -1;
  int index_ = 0;
  LinkState state_;
};

/** 0 or an errno; EPERM in another namespace without CAP_SYS_ADMIN. */
[[nodiscard]] int setLinkMtu(int tunFd, std::uint32_t mtu) noexcept;

}  // namespace beam::sys
