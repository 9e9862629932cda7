// A TUN device for JavaScript: batches of packets, link state, and its end.
#include "../sys/tun.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>

#include "../sys/link.h"
#include "constants.h"
#include "device.h"

namespace beam::addon {

namespace {

/** Packets start at multiples of this, so that ciphers read aligned. */
constexpr std::size_t kPacketAlign = 16;

struct TunParts {
  sys::UniqueFd fd;
  std::span<std::uint8_t> buffer;
  std::span<std::uint32_t> spans;
  Reference bufferReference;
  Reference spansReference;
  Reference onPackets;
  Reference onLink;
  Reference onClosed;
};

class Tun final : public Device {
 public:
  static constexpr Kind kKind = Kind::tun;

  Tun(napi_env env, TunParts parts) noexcept : Device(env, kKind), parts_(std::move(parts)) {}

  /** False if the loop refuses the descriptor. */
  [[nodiscard]] bool start() noexcept {
    (void)watchLink(true);
    poll_ = Poll::start(*this, parts_.fd.get(), [](Device& self) {
      static_cast<Tun&>(self).readPackets();
    });
    return poll_ != nullptr;
  }

  [[nodiscard]] int fd() const noexcept { return parts_.fd.get(); }
  [[nodiscard]] bool isWatched() const noexcept { return watch_.fd() >= 0; }

  /** The state now; where changes aren't told, the interface is looked for again. */
  [[nodiscard]] sys::Result<sys::LinkState> linkState() noexcept {
    if (isWatched()) {
      if (const int error = watch_.refresh(client_)) return sys::failed<sys::LinkState>(error);
      return {watch_.state()};
    }
    if (!watchLink(false)) {
      const auto identity = sys::identifyTun(parts_.fd.get());
      if (!identity.ok()) return sys::failed<sys::LinkState>(identity.error);
      last_.up = sys::isTunUp(parts_.fd.get());
    }
    return {last_};
  }

 private:
  void release() noexcept override {
    unwatchLink();
    if (poll_ != nullptr) std::exchange(poll_, nullptr)->stop();
    parts_.fd.reset();
  }

  void readPackets() noexcept {
    std::uint32_t count = 0;
    std::size_t offset = 0;
    while (count < kTunBatchPackets && parts_.buffer.size() - offset >= sys::kTunPacketBytes) {
      const auto packet = sys::readTun(
          parts_.fd.get(), parts_.buffer.subspan(offset, sys::kTunPacketBytes));
      if (!packet.ok()) {
        // A descriptor whose interface is gone has no name any more.
        if (packet.error != EAGAIN && !sys::identifyTun(parts_.fd.get()).ok()) tellClosed();
        break;
      }
      parts_.spans[2 * count] = static_cast<std::uint32_t>(offset);
      parts_.spans[2 * count + 1] = static_cast<std::uint32_t>(packet.value);
      count++;
      const std::size_t end = offset + packet.value + kPacketAlign - 1;
      offset = std::min(parts_.buffer.size(), end / kPacketAlign * kPacketAlign);
    }
    if (count == 0 || isClosed()) return;
    const HandleScope scope(env_);
    const napi_value arguments[] = {makeNumber(env_, count)};
    call(parts_.onPackets, arguments);
  }

  void readLink() noexcept {
    const auto changes = watch_.read(client_);
    for (std::size_t i = 0; i < changes.count && !isClosed(); i++) tellLink(changes.states[i]);
    if (!changes.left || isClosed()) return;
    unwatchLink();
    if (!sys::identifyTun(parts_.fd.get()).ok()) return tellClosed();
    // Moved to another namespace: it arrives there down.
    const auto state = linkState();
    tellLink(state.ok() ? state.value : last_);
  }

  /** False if nothing could be learned by netlink; true, perhaps without being told of changes. */
  bool watchLink(bool assumeHere) noexcept {
    auto watch = sys::LinkWatch::open(client_, parts_.fd.get(), assumeHere);
    if (!watch.ok()) return false;
    last_ = watch.value.state();
    if (watch.value.fd() < 0) return true;
    linkPoll_ = Poll::start(*this, watch.value.fd(), [](Device& self) {
      static_cast<Tun&>(self).readLink();
    });
    if (linkPoll_ != nullptr) watch_ = std::move(watch.value);
    return true;
  }

  void unwatchLink() noexcept {
    if (linkPoll_ != nullptr) std::exchange(linkPoll_, nullptr)->stop();
    watch_ = sys::LinkWatch();
  }

  void tellLink(const sys::LinkState& state) noexcept {
    last_ = state;
    const HandleScope scope(env_);
    const napi_value arguments[] = {makeBoolean(env_, state.up), makeNumber(env_, state.mtu),
                                    makeBoolean(env_, isWatched())};
    call(parts_.onLink, arguments);
  }

  void tellClosed() noexcept {
    close();
    const HandleScope scope(env_);
    call(parts_.onClosed, {});
  }

  TunParts parts_;
  Poll* poll_ = nullptr;
  sys::NetlinkClient client_;
  sys::LinkWatch watch_;
  Poll* linkPoll_ = nullptr;
  sys::LinkState last_;
};

constexpr const char* kOpenUsage =
    "tunOpen(source: string | number, buffer: Uint8Array, spans: Uint32Array, onPackets, onLink, "
    "onClosed)";

sys::Result<sys::UniqueFd> openSource(napi_env env, const Arguments& arguments) noexcept {
  if (const auto fd = arguments.int32(0)) return sys::adoptTun(*fd);
  std::array<char, 64> name{};
  std::size_t length = 0;
  must(napi_get_value_string_utf8(env, arguments.at(0), name.data(), name.size(), &length),
       "the source is a string");
  return sys::createTun({name.data(), length});
}

napi_value tunOpen(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  const auto buffer = arguments.bytes(1);
  const auto spans = arguments.words(2);
  const napi_valuetype source = arguments.type(0);
  bool isUsable = (source == napi_string || arguments.int32(0)) && buffer && spans &&
                  buffer->size() >= sys::kTunPacketBytes && spans->size() >= 2 * kTunBatchPackets;
  for (std::size_t i = 3; i < 6; i++) isUsable &= arguments.type(i) == napi_function;
  if (!isUsable) return throwType(env, kOpenUsage);
  auto fd = openSource(env, arguments);
  if (!fd.ok()) return makeOutcome(env, fd.error);
  auto* const tun = new (std::nothrow) Tun(
      env, {std::move(fd.value), *buffer, *spans, Reference(env, arguments.at(1)),
            Reference(env, arguments.at(2)), Reference(env, arguments.at(3)),
            Reference(env, arguments.at(4)), Reference(env, arguments.at(5))});
  if (tun == nullptr) return makeOutcome(env, ENOMEM);
  if (!tun->start()) {
    tun->close();
    return makeOutcome(env, ENOMEM);
  }
  return tun->expose();
}

napi_value tunName(napi_env env, napi_callback_info info) noexcept {
  auto* const tun = deviceAt<Tun>(Arguments(env, info), 0);
  if (tun == nullptr) return throwType(env, "tunName(tun)");
  const auto identity = sys::identifyTun(tun->fd());
  if (!identity.ok()) return makeOutcome(env, identity.error);
  napi_value name = nullptr;
  must(napi_create_string_utf8(env, identity.value.name.data(), NAPI_AUTO_LENGTH, &name),
       "a string can be made");
  return name;
}

napi_value tunWrite(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  auto* const tun = deviceAt<Tun>(arguments, 0);
  const auto packet = arguments.bytes(1);
  if (tun == nullptr || !packet) return throwType(env, "tunWrite(tun, packet: Uint8Array)");
  // Nothing isn't a packet: see probeTunUp.
  return makeOutcome(env, packet->empty() ? EINVAL : sys::writeTun(tun->fd(), *packet));
}

napi_value tunLink(napi_env env, napi_callback_info info) noexcept {
  auto* const tun = deviceAt<Tun>(Arguments(env, info), 0);
  if (tun == nullptr) return throwType(env, "tunLink(tun)");
  if (tun->isClosed()) return makeOutcome(env, EBADF);
  const auto state = tun->linkState();
  if (!state.ok()) return makeOutcome(env, state.error);
  return makeNumber(env, 2.0 * state.value.mtu + (state.value.up ? 1 : 0));
}

napi_value tunWatched(napi_env env, napi_callback_info info) noexcept {
  auto* const tun = deviceAt<Tun>(Arguments(env, info), 0);
  if (tun == nullptr) return throwType(env, "tunWatched(tun)");
  return makeBoolean(env, tun->isWatched());
}

napi_value tunSetMtu(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  auto* const tun = deviceAt<Tun>(arguments, 0);
  const auto mtu = arguments.uint32(1);
  if (tun == nullptr || !mtu) return throwType(env, "tunSetMtu(tun, mtu: number)");
  return makeOutcome(env, sys::setLinkMtu(tun->fd(), *mtu));
}

napi_value tunClose(napi_env env, napi_callback_info info) noexcept {
  auto* const tun = deviceAt<Tun>(Arguments(env, info), 0);
  if (tun == nullptr) return throwType(env, "tunClose(tun)");
  tun->close();
  return makeUndefined(env);
}

}  // namespace

void defineTun(napi_env env, napi_value exports) noexcept {
  constexpr Export kFunctions[] = {
      {"tunOpen", tunOpen},       {"tunName", tunName},     {"tunWrite", tunWrite},
      {"tunLink", tunLink},       {"tunWatched", tunWatched}, {"tunSetMtu", tunSetMtu},
      {"tunClose", tunClose},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::addon
