#include "netns.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/net_namespace.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

// Linux 5.2; older kernel headers lack it.
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

namespace beam::sys {

Result<UniqueFd> tunNamespace(int tunFd) noexcept {
  const int fd = ::ioctl(tunFd, TUNGETDEVNETNS, 0);
  if (fd < 0) return failed<UniqueFd>(errno);
  return {UniqueFd(fd)};
}

bool isCurrentNamespace(int namespaceFd) noexcept {
  const UniqueFd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  struct stat ours = {};
  struct stat theirs = {};
  if (!own || ::fstat(own.get(), &ours) != 0 || ::fstat(namespaceFd, &theirs) != 0) return false;
  return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

namespace {

NetlinkRequest aboutNamespace(std::uint16_t type, int namespaceFd) noexcept {
  NetlinkRequest request(type, rtgenmsg{AF_UNSPEC});
  request.attribute(NETNSA_FD, namespaceFd);
  return request;
}

Result<int> askNamespaceId(NetlinkClient& client, int namespaceFd) noexcept {
  NetlinkRequest request = aboutNamespace(RTM_GETNSID, namespaceFd);
  const auto answer = client.ask(request);
  if (!answer.ok()) return failed<int>(answer.error);
  const auto value = findAttribute(answer.value.payload, sizeof(rtgenmsg), NETNSA_NSID);
  const auto id = value ? readValue<int>(*value) : std::nullopt;
  return id && *id >= 0 ? Result<int>{*id} : failed<int>(ENOENT);
}

}  // namespace

Result<int> namespaceId(NetlinkClient& client, int namespaceFd) noexcept {
  auto id = askNamespaceId(client, namespaceFd);
  if (id.error != ENOENT) return id;
  NetlinkRequest request = aboutNamespace(RTM_NEWNSID, namespaceFd);
  request.attribute(NETNSA_NSID, int{NETNSA_NSID_NOT_ASSIGNED});
  request.acknowledge();
  const auto given = client.ask(request);
  if (!given.ok()) return failed<int>(given.error);
  return askNamespaceId(client, namespaceFd);
}

namespace {

struct Order {
  int namespaceFd;
  SocketKind kind;
  Result<UniqueFd> outcome;
};

void* enterAndOpen(void* argument) noexcept {
  auto& order = *static_cast<Order*>(argument);
  if (::setns(order.namespaceFd, CLONE_NEWNET) != 0) {
    order.outcome.error = errno;
    return nullptr;
  }
  const int fd = ::socket(order.kind.domain, order.kind.type | SOCK_CLOEXEC, order.kind.protocol);
  if (fd < 0) {
    order.outcome.error = errno;
  } else {
    order.outcome.value = UniqueFd(fd);
  }
  return nullptr;
}

}  // namespace

Result<UniqueFd> openSocketIn(int namespaceFd, SocketKind kind) noexcept {
  Order order{namespaceFd, kind, {}};
  pthread_t thread{};
  const int created = ::pthread_create(&thread, nullptr, enterAndOpen, &order);
  if (created != 0) return failed<UniqueFd>(created);
  ::pthread_join(thread, nullptr);
  return std::move(order.outcome);
}

}  // namespace beam::sys
