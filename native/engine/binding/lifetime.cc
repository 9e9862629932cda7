// An engine opens and ends.
#include <memory>
#include <string>

#include "binding/arguments.h"
#include "binding/events.h"

namespace beam::binding {

namespace {

void closeShared(napi_env, void* shared, void*) {
  auto* handle = static_cast<SharedHandle*>(shared);
  (*handle)->close();
  delete handle;
}

/**
 * open(name, fd, or null for a socket pair, mtu or 0, queues, cipher, tunTcp, tunUdp, udpSegment,
 * seed, onEvents): an engine, a negative errno, or a reason.
 */
napi_value open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  core::DeviceOptions options;
  if (arguments.isNull()) {
    arguments.skip();
    options.pair = true;
    options.pairVnet = true;
  } else if (arguments.isString()) {
    options.name = arguments.string();
  } else {
    options.tunFd = static_cast<int>(arguments.u32());
  }
  options.mtu = arguments.u32();
  options.queues = arguments.u32();
  options.cipher = static_cast<cipher::Choice>(arguments.u32());
  options.switches.tunTcp = arguments.boolean();
  options.switches.tunUdp = arguments.boolean();
  options.switches.udpSegment = arguments.boolean();
  options.seed = arguments.bigint();
  const napi_value callback = arguments.value();
  if (!arguments.ok()) return nullptr;

  auto handle = std::make_shared<Handle>();
  napi_value name = jsString(env, "beam-engine");
  if (napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr,
                                      new SharedHandle(handle), deliver, &handle->wake) !=
      napi_ok) {
    arguments.fail("expected a function");
    return nullptr;
  }
  // The engine's thread ends before its wake-up does.
  const napi_threadsafe_function wake = handle->wake;
  options.wake = [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); };
  std::string reason;
  const int outcome = Device::open(std::move(options), handle->device, reason);
  if (outcome < 0) {
    handle->close();
    return reason.empty() ? jsNumber(env, outcome) : jsString(env, reason);
  }
  napi_value external;
  napi_create_external(env, new SharedHandle(handle), closeShared, nullptr, &external);
  napi_type_tag_object(env, external, &kHandleTag);
  return external;
}

napi_value close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (arguments.device() != nullptr) arguments.handle()->close();
  return nullptr;
}

napi_value name(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Device* device = arguments.device();
  return arguments.ok() ? jsString(env, device->name()) : nullptr;
}

}  // namespace

void defineLifetime(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
      {"open", open},
      {"close", close},
      {"name", name},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::binding
