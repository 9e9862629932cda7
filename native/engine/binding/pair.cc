// For tests, with an engine on a socket pair: what the system would do.
#include "binding/arguments.h"

namespace beam::binding {

namespace {

/** pairWrite(engine, packet): the system sends a packet into an engine on a socket pair. */
napi_value pairWrite(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const auto bytes = arguments.bytes();
  return arguments.ok() ? jsBoolean(env, device->pairWrite(bytes)) : nullptr;
}

napi_value pairRead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (!arguments.ok()) return nullptr;
  const auto packet = device->pairRead();
  return packet ? jsBytes(env, packet->data(), packet->size()) : jsNull(env);
}

napi_value pairLink(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const bool up = arguments.boolean();
  const uint32_t mtu = arguments.u32();
  if (arguments.ok()) device->pairLink(up, mtu);
  return nullptr;
}

napi_value pairReport(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (arguments.ok()) device->pairReport();
  return nullptr;
}

/** pairFaults(engine, write, joinedWrite, send, segmentSend, localOnce): errnos, 0 for none. */
napi_value pairFaults(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  kernel::Faults faults;
  for (int* fault : {&faults.write, &faults.joinedWrite, &faults.send, &faults.segmentSend}) {
    *fault = static_cast<int>(arguments.u32());
  }
  faults.localOnce = arguments.boolean();
  if (arguments.ok()) device->pairFaults(faults);
  return nullptr;
}

}  // namespace

void definePair(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
      {"pairWrite", pairWrite},
      {"pairRead", pairRead},
      {"pairLink", pairLink},
      {"pairReport", pairReport},
      {"pairFaults", pairFaults},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::binding
