// One UDP socket of the tunnel: batches in with where they came from and went to, single datagrams
// out with source address and traffic class.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fd.h"
#include "route.h"

namespace beam::sys {

inline constexpr std::size_t kUdpBatchDatagrams = 64;
/**
 * The largest datagram, and a stride that is no power of two: the heads of a batch must not all
 * fall into the same cache sets.
 */
inline constexpr std::size_t kUdpSlotBytes = 67'648;

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

/** How a peer is reached, as JavaScript keeps it (src/platform/udpPath.ts). Host order throughout. */
struct PathRecord {
  std::uint8_t family = 0;
  std::uint8_t hasLocal = 0;
  std::uint16_t port = 0;
  std::uint32_t scopeId = 0;
  /** IPv4 in the first four bytes, the rest zero. */
  std::array<std::uint8_t, 16> remote{};
  std::array<std::uint8_t, 16> local{};
  std::uint32_t interfaceIndex = 0;
  /** Only for sending: when `local` was last held against the routes; 0 for never. */
  std::uint32_t routeCheckedS = 0;

  bool operator==(const PathRecord&) const = default;
};
static_assert(sizeof(PathRecord) == 48);

struct DatagramRecord {
  PathRecord path;
  /** Where it lies in the receive buffer. */
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  /** TOS or traffic class of the outer header. */
  std::uint8_t trafficClass = 0;
  /** 1 if `path` equals that of the datagram that this socket received before. */
  std::uint8_t samePath = 0;
  std::array<std::uint8_t, 6> unused{};
};
static_assert(sizeof(DatagramRecord) == 64);

struct SendOutcome {
  /** 0, or why it did not go out. */
  int error = 0;
  /** The local address no longer fits: it was, or would have to be, sent without. */
  bool localStale = false;
};

class UdpSocket {
 public:
  /**
   * Bound to the wildcard address of one family; port 0 for any. EAFNOSUPPORT where IPv6 is off,
   * also by sysctl. Fragmentation is left to the path, as by the kernel's WireGuard.
   */
  [[nodiscard]] static Result<std::unique_ptr<UdpSocket>> open(Family family, std::uint16_t port,
                                                               std::uint32_t mark) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /** 0 or an errno. */
  [[nodiscard]] int setMark(std::uint32_t mark) noexcept;

  /**
   * Up to 64 datagrams; slot i of `buffer` (kUdpSlotBytes each) holds the one of record i. 0 if
   * none waits or the socket had an error to report, which is gone after this.
   */
  [[nodiscard]] std::size_t receive(std::span<std::uint8_t> buffer,
                                    std::span<DatagramRecord> records) noexcept;

  /** Up to 65,507 bytes (IPv4) or 65,527 (IPv6); EMSGSIZE past it. */
  [[nodiscard]] SendOutcome send(PathRecord& path, std::span<const std::uint8_t> bytes,
                                 std::uint8_t trafficClass) noexcept;

 private:
  UdpSocket(UniqueFd fd, Family family, std::uint16_t port, std::uint32_t mark) noexcept
      : fd_(std::move(fd)), family_(family), port_(port), mark_(mark) {}

  [[nodiscard]] bool fitsRoutes(PathRecord& path) noexcept;
  [[nodiscard]] int transmit(const PathRecord& path, bool withLocal,
                             std::span<const std::uint8_t> bytes,
                             std::uint8_t trafficClass) const noexcept;

  /** Room for packet info and traffic class of either family. */
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, 128> bytes;
  };
  union Address {
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  void readRecord(std::size_t slot, DatagramRecord& record) noexcept;

  UniqueFd fd_;
  Family family_;
  std::uint16_t port_;
  std::uint32_t mark_;
  NetlinkClient routes_;
  PathRecord lastPath_;
  std::array<mmsghdr, kUdpBatchDatagrams> headers_{};
  std::array<iovec, kUdpBatchDatagrams> vectors_{};
  std::array<Address, kUdpBatchDatagrams> sources_{};
  std::array<Control, kUdpBatchDatagrams> controls_{};
};

}  // namespace beam::sys
