// Network namespaces: which one a TUN device is in, what ours calls it, and sockets that live there.
#pragma once

#include "fd.h"
#include "netlinkSocket.h"

namespace beam::sys {

/**
 * The namespace of the interface behind a TUN descriptor, which may have been moved since it was
 * made. EPERM without CAP_NET_ADMIN there, ENOTTY or EINVAL before Linux 5.2, EBADFD once it is gone.
 */
[[nodiscard]] Result<UniqueFd> tunNamespace(int tunFd) noexcept;

/** True if `namespaceFd` is the calling thread's namespace. */
[[nodiscard]] bool isCurrentNamespace(int namespaceFd) noexcept;

/**
 * Our namespace's id for another one, given to it if it has none (the kernel does so itself when an
 * interface moves). Netlink takes the id for questions about there. It keeps nothing alive.
 */
[[nodiscard]] Result<int> namespaceId(NetlinkClient& client, int namespaceFd) noexcept;

struct SocketKind {
  int domain;
  int type;
  int protocol;
};

/**
 * Opens a socket in another namespace, which lives as long as the socket: for short use only. A
 * thread that lives for the length of the call enters it, so that this process has no moment, and
 * no way to fail, in the wrong one. EPERM without CAP_SYS_ADMIN.
 */
[[nodiscard]] Result<UniqueFd> openSocketIn(int namespaceFd, SocketKind kind) noexcept;

}  // namespace beam::sys
