// Network namespaces: which one a TUN device is in, and sockets that live in another one.
#pragma once

#include "fd.h"

namespace beam::sys {

/**
 * The namespace of the interface behind a TUN descriptor, which may have been moved since it was
 * made. EPERM without CAP_NET_ADMIN there, ENOTTY/EINVAL before Linux 5.2, EBADFD once it is gone.
 */
[[nodiscard]] Result<UniqueFd> tunNamespace(int tunFd) noexcept;

/** True if `namespaceFd` is the calling thread's namespace. */
[[nodiscard]] bool isCurrentNamespace(int namespaceFd) noexcept;

struct SocketKind {
  int domain;
  int type;
  int protocol;
};

/**
 * Opens a socket in another namespace. A thread that lives for the length of the call enters it, so
 * that this process has no moment, and no way to fail, in the wrong one. EPERM without CAP_SYS_ADMIN.
 */
[[nodiscard]] Result<UniqueFd> openSocketIn(int namespaceFd, SocketKind kind) noexcept;

}  // namespace beam::sys
