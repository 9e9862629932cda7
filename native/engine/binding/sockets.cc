// The UDP sockets, and datagrams that belong to no session.
#include "binding/arguments.h"

namespace beam::binding {

namespace {

napi_value bind(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const uint32_t port = arguments.u32();
  return arguments.ok() ? jsNumber(env, device->bind(static_cast<uint16_t>(port))) : nullptr;
}

napi_value unbind(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (arguments.ok()) device->unbind();
  return nullptr;
}

napi_value setMark(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const uint32_t mark = arguments.u32();
  return arguments.ok() ? jsNumber(env, device->setMark(mark)) : nullptr;
}

/** sendTo(engine, record, bytes, trafficClass). */
napi_value sendTo(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const packet::PathRecord path = arguments.path();
  const auto bytes = arguments.bytes();
  const uint32_t trafficClass = arguments.u32();
  if (arguments.ok()) device->sendTo(path, bytes, static_cast<uint8_t>(trafficClass));
  return nullptr;
}

}  // namespace

void defineSockets(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
      {"bind", bind},
      {"unbind", unbind},
      {"setMark", setMark},
      {"sendTo", sendTo},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::binding
