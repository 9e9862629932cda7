// A UDP socket for JavaScript: batches of datagrams in, single ones out.
#include "../sys/udp.h"

#include <cerrno>
#include <cstring>
#include <new>

#include "constants.h"
#include "device.h"

namespace beam::addon {

namespace {

struct UdpParts {
  std::unique_ptr<sys::UdpSocket> socket;
  std::span<std::uint8_t> buffer;
  std::span<sys::DatagramRecord> records;
  Reference bufferReference;
  Reference recordsReference;
  Reference onDatagrams;
};

class Udp final : public Device {
 public:
  static constexpr Kind kKind = Kind::udp;

  Udp(napi_env env, UdpParts parts) noexcept : Device(env, kKind), parts_(std::move(parts)) {}

  [[nodiscard]] bool start() noexcept {
    poll_ = Poll::start(*this, parts_.socket->fd(), [](Device& self) {
      static_cast<Udp&>(self).readDatagrams();
    });
    return poll_ != nullptr;
  }

  /** Null once closed. */
  [[nodiscard]] sys::UdpSocket* socket() const noexcept { return parts_.socket.get(); }

 private:
  void release() noexcept override {
    if (poll_ != nullptr) std::exchange(poll_, nullptr)->stop();
    parts_.socket.reset();
  }

  void readDatagrams() noexcept {
    const std::size_t count = parts_.socket->receive(parts_.buffer, parts_.records);
    if (count == 0) return;
    const HandleScope scope(env_);
    const napi_value arguments[] = {makeNumber(env_, static_cast<double>(count))};
    call(parts_.onDatagrams, arguments);
  }

  UdpParts parts_;
  Poll* poll_ = nullptr;
};

constexpr const char* kOpenUsage =
    "udpOpen(family: 4 | 6, port: number, mark: number, buffer: Uint8Array, records: Uint8Array, "
    "onDatagrams)";

/** JavaScript's record buffer as records; nothing if it is too small or not aligned. */
std::optional<std::span<sys::DatagramRecord>> asRecords(std::span<std::uint8_t> bytes) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  if (bytes.size() < sys::kUdpBatchDatagrams * sizeof(sys::DatagramRecord)) return std::nullopt;
  if (address % alignof(sys::DatagramRecord) != 0) return std::nullopt;
  return std::span(reinterpret_cast<sys::DatagramRecord*>(bytes.data()), sys::kUdpBatchDatagrams);
}

napi_value udpOpen(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  const auto family = arguments.uint32(0);
  const auto port = arguments.uint32(1);
  const auto mark = arguments.uint32(2);
  const auto buffer = arguments.bytes(3);
  const auto recordBytes = arguments.bytes(4);
  const auto records = recordBytes ? asRecords(*recordBytes) : std::nullopt;
  const bool isUsable = family && (*family == 4 || *family == 6) && port && *port <= 0xffff && mark &&
                        buffer && buffer->size() >= sys::kUdpSlotBytes && records &&
                        arguments.type(5) == napi_function;
  if (!isUsable) return throwType(env, kOpenUsage);
  auto socket = sys::UdpSocket::open(*family == 4 ? sys::Family::v4 : sys::Family::v6,
                                     static_cast<std::uint16_t>(*port), *mark);
  if (!socket.ok()) return makeOutcome(env, socket.error);
  auto* const udp = new (std::nothrow)
      Udp(env, {std::move(socket.value), *buffer, *records, Reference(env, arguments.at(3)),
                Reference(env, arguments.at(4)), Reference(env, arguments.at(5))});
  if (udp == nullptr) return makeOutcome(env, ENOMEM);
  if (!udp->start()) {
    udp->close();
    return makeOutcome(env, ENOMEM);
  }
  return udp->expose();
}

napi_value udpPort(napi_env env, napi_callback_info info) noexcept {
  auto* const udp = deviceAt<Udp>(Arguments(env, info), 0);
  if (udp == nullptr) return throwType(env, "udpPort(socket)");
  return udp->socket() == nullptr ? makeOutcome(env, EBADF) : makeNumber(env, udp->socket()->port());
}

napi_value udpSetMark(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  auto* const udp = deviceAt<Udp>(arguments, 0);
  const auto mark = arguments.uint32(1);
  if (udp == nullptr || !mark) return throwType(env, "udpSetMark(socket, mark: number)");
  return makeOutcome(env, udp->socket() == nullptr ? EBADF : udp->socket()->setMark(*mark));
}

napi_value udpSend(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  auto* const udp = deviceAt<Udp>(arguments, 0);
  const auto bytes = arguments.bytes(1);
  const auto pathBytes = arguments.bytes(2);
  const auto trafficClass = arguments.uint32(3);
  if (udp == nullptr || !bytes || !pathBytes || pathBytes->size() != sizeof(sys::PathRecord) ||
      !trafficClass || *trafficClass > 0xff) {
    return throwType(env, "udpSend(socket, bytes: Uint8Array, path: Uint8Array, trafficClass: number)");
  }
  if (udp->socket() == nullptr) return makeNumber(env, EBADF);
  sys::PathRecord path;
  std::memcpy(&path, pathBytes->data(), sizeof path);
  const auto outcome = udp->socket()->send(path, *bytes, static_cast<std::uint8_t>(*trafficClass));
  std::memcpy(pathBytes->data(), &path, sizeof path);
  const auto error = static_cast<std::uint32_t>(outcome.error);
  return makeNumber(env, outcome.localStale ? error | kLocalStaleFlag : error);
}

napi_value udpClose(napi_env env, napi_callback_info info) noexcept {
  auto* const udp = deviceAt<Udp>(Arguments(env, info), 0);
  if (udp == nullptr) return throwType(env, "udpClose(socket)");
  udp->close();
  return makeUndefined(env);
}

}  // namespace

void defineUdp(napi_env env, napi_value exports) noexcept {
  constexpr Export kFunctions[] = {
      {"udpOpen", udpOpen}, {"udpPort", udpPort},   {"udpSetMark", udpSetMark},
      {"udpSend", udpSend}, {"udpClose", udpClose},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::addon
