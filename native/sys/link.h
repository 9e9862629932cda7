// Follows the link state and MTU of a TUN's interface by netlink, in whatever namespace it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fd.h"

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
  /** The interface left this namespace: open a new watch, or it is gone. */
  bool left = false;
};

class LinkWatch {
 public:
  LinkWatch() noexcept = default;

  /**
   * Subscribes to RTMGRP_LINK where the interface is now. Where the kernel doesn't say where that
   * is, `assumeHere` takes our own namespace; otherwise the error of asking is returned.
   */
  [[nodiscard]] static Result<LinkWatch> open(int tunFd, bool assumeHere) noexcept;

  explicit operator bool() const noexcept { return static_cast<bool>(socket_); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  /** Asks the kernel now. ENODEV if the interface has left. */
  [[nodiscard]] Result<LinkState> state() const noexcept;

  /** Reads what waits; to be called when `fd` is readable, again if it still is. */
  [[nodiscard]] LinkChanges read() noexcept;

  /** 0 or an errno. */
  [[nodiscard]] int setMtu(std::uint32_t mtu) const noexcept;

 private:
  UniqueFd socket_;
  int index_ = 0;
};

}  // namespace beam::sys
