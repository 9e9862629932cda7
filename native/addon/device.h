// What a TUN device and a UDP socket have in common as JavaScript sees them: a handle, descriptors
// watched on Node's loop, callbacks, and an end that may come from close, from the garbage
// collector or from the end of the environment, in any order.
#pragma once

#include <uv.h>

#include "napi.h"

namespace beam::addon {

class Device;

/** A descriptor on the loop. Freed by libuv's close callback, so it is never deleted elsewhere. */
class Poll {
 public:
  using Ready = void (*)(Device& owner);

  /** Null if libuv refuses the descriptor. */
  static Poll* start(Device& owner, int fd, Ready ready) noexcept;
  /** Afterwards the descriptor may be closed. `ready` is not called again. */
  void stop() noexcept;

 private:
  Poll(Device& owner, Ready ready) noexcept : owner_(&owner), ready_(ready) {}
  static void onReady(uv_poll_t* handle, int status, int events) noexcept;
  static void onClosed(uv_handle_t* handle) noexcept;

  uv_poll_t handle_{};
  Device* owner_;
  Ready ready_;
  bool stopping_ = false;
};

class Device {
 public:
  enum class Kind : std::uint32_t { tun = 0x74756e31, udp = 0x75647031 };

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /** Stops everything; safe to repeat. The memory goes once JavaScript and libuv let go of it. */
  void close() noexcept;
  [[nodiscard]] bool isClosed() const noexcept { return closed_; }
  [[nodiscard]] Kind kind() const noexcept { return kind_; }

  /** Hands the device to JavaScript as an external. */
  [[nodiscard]] napi_value expose() noexcept;

 protected:
  Device(napi_env env, Kind kind) noexcept;
  virtual ~Device();

  /** Stops polls and closes descriptors. Called once. */
  virtual void release() noexcept = 0;

  /** Calls a JavaScript function from the loop; what it throws is an uncaught exception. */
  void call(const Reference& function, std::span<const napi_value> arguments) noexcept;

  napi_env env_;

 private:
  friend class Poll;
  static void onFinalized(napi_env env, void* data, void* hint) noexcept;
  static void onEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* data) noexcept;
  void letGo() noexcept;

  Kind kind_;
  bool closed_ = false;
  bool exposed_ = false;
  unsigned livePolls_ = 0;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

/** Opens a scope for values made in a callback from the loop. */
class HandleScope {
 public:
  explicit HandleScope(napi_env env) noexcept : env_(env) {
    must(napi_open_handle_scope(env, &scope_), "a handle scope can be opened");
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;
  ~HandleScope() { napi_close_handle_scope(env_, scope_); }

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

/** The device behind an argument; null if it is another kind of value. */
template <class T>
[[nodiscard]] T* deviceAt(const Arguments& arguments, std::size_t index) noexcept {
  auto* const device = static_cast<Device*>(arguments.external(index));
  return device != nullptr && device->kind() == T::kKind ? static_cast<T*>(device) : nullptr;
}

}  // namespace beam::addon
