#include "device.h"

#include <new>

namespace beam::addon {

Poll* Poll::start(Device& owner, int fd, Ready ready) noexcept {
  uv_loop_t* loop = nullptr;
  must(napi_get_uv_event_loop(owner.env_, &loop), "the environment has a loop");
  auto* const poll = new (std::nothrow) Poll(owner, ready);
  if (poll == nullptr) return nullptr;
  poll->handle_.data = poll;
  if (uv_poll_init(loop, &poll->handle_, fd) != 0) {
    delete poll;
    return nullptr;
  }
  owner.livePolls_++;
  if (uv_poll_start(&poll->handle_, UV_READABLE, onReady) != 0) {
    poll->stop();
    return nullptr;
  }
  return poll;
}

void Poll::stop() noexcept {
  stopping_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), onClosed);
}

void Poll::onReady(uv_poll_t* handle, int status, int) noexcept {
  auto* const poll = static_cast<Poll*>(handle->data);
  if (poll->stopping_) return;
  // After an error condition on the descriptor libuv has stopped; reading finds out what it was.
  if (status != 0) (void)uv_poll_start(handle, UV_READABLE, onReady);
  poll->ready_(*poll->owner_);
}

void Poll::onClosed(uv_handle_t* handle) noexcept {
  auto* const poll = static_cast<Poll*>(handle->data);
  Device* const owner = poll->owner_;
  delete poll;
  owner->livePolls_--;
  owner->letGo();
}

Device::Device(napi_env env, Kind kind) noexcept : env_(env), kind_(kind) {
  napi_value name = nullptr;
  must(napi_create_string_utf8(env, "beam_io", NAPI_AUTO_LENGTH, &name), "a string can be made");
  must(napi_async_init(env, nullptr, name, &context_), "an async context can be made");
  must(napi_add_async_cleanup_hook(env, onEnvironmentEnd, this, &hook_), "a hook can be added");
}

Device::~Device() { napi_async_destroy(env_, context_); }

napi_value Device::expose() noexcept {
  napi_value external = nullptr;
  must(napi_create_external(env_, static_cast<Device*>(this), onFinalized, nullptr, &external),
       "an external can be made");
  exposed_ = true;
  return external;
}

void Device::close() noexcept {
  if (closed_) return;
  closed_ = true;
  release();
  letGo();
}

/** The environment may end when libuv has let go, the memory when JavaScript has as well. */
void Device::letGo() noexcept {
  if (!closed_ || livePolls_ > 0) return;
  if (hook_ != nullptr) (void)napi_remove_async_cleanup_hook(std::exchange(hook_, nullptr));
  if (!exposed_) delete this;
}

void Device::onFinalized(napi_env, void* data, void*) noexcept {
  auto* const device = static_cast<Device*>(data);
  device->exposed_ = false;
  if (device->closed_) {
    device->letGo();
  } else {
    device->close();
  }
}

void Device::onEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) noexcept {
  static_cast<Device*>(data)->close();
}

void Device::call(const Reference& function, std::span<const napi_value> arguments) noexcept {
  napi_value global = nullptr;
  must(napi_get_global(env_, &global), "there is a global object");
  const napi_status status = napi_make_callback(env_, context_, global, function.value(),
                                                arguments.size(), arguments.data(), nullptr);
  bool isThrown = false;
  if (status == napi_ok || napi_is_exception_pending(env_, &isThrown) != napi_ok || !isThrown) return;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
}

}  // namespace beam::addon
