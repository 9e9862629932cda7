// What the loader checks before it trusts the addon, and the packet functions for tests.
#include <utility>

#include "binding/arguments.h"
#include "binding/records.h"
#include "cipher/backends.h"
#include "core/counters.h"
#include "core/limits.h"
#include "probe/probe.h"

namespace beam::binding {

namespace {

/** True if every cipher that this machine can run gives the known answers. */
napi_value selfCheck(napi_env env, napi_callback_info) {
  const auto evp = cipher::makeEvp();
  return jsBoolean(env, cipher::selfCheck(*evp));
}

/** probe(operation, input): the packet functions as they are, for tests against TypeScript's. */
napi_value probe(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t operation = arguments.u32();
  const auto input = arguments.bytes();
  if (!arguments.ok()) return nullptr;
  const auto output = probe::run(operation, input);
  if (!output) return jsNull(env);
  return jsBytes(env, output->data(), output->size());
}

napi_value constants(napi_env env) {
  Object object(env);
  const std::pair<const char*, uint32_t> all[] = {
      {"pathBytes", sizeof(packet::PathRecord)},
      {"allowedIpBytes", kAllowedIpBytes},
      {"transportHeaderBytes", packet::kTransportHeaderBytes},
      {"tagBytes", packet::kTagBytes},
      {"keyBytes", packet::kKeyBytes},
      {"paddingMultiple", packet::kPaddingMultiple},
      {"replayBits", packet::ReplayWindow::kBits},
      {"maxStagedPackets", core::kMaxStagedPackets},
      {"keysNeededIntervalMs", core::kKeysNeededIntervalNs / 1'000'000},
      {"initiationBytes", packet::kInitiationBytes},
      {"responseBytes", packet::kResponseBytes},
      {"cookieReplyBytes", packet::kCookieReplyBytes},
      {"eventKinds", static_cast<uint32_t>(core::EventKind::notice) + 1},
  };
  for (const auto& [key, value] : all) object.set(key, jsNumber(env, value));
  return object.value();
}

napi_value dropReasons(napi_env env) {
  napi_value names;
  napi_create_array_with_length(env, core::kDropReasons, &names);
  for (size_t i = 0; i < core::kDropReasons; i++) {
    napi_set_element(env, names, static_cast<uint32_t>(i), jsString(env, core::kDropReasonNames[i]));
  }
  return names;
}

}  // namespace

void defineChecks(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
      {"selfCheck", selfCheck},
      {"probe", probe},
  };
  defineFunctions(env, exports, kFunctions);
  napi_set_named_property(env, exports, "abi", jsNumber(env, core::kAbi));
  napi_set_named_property(env, exports, "constants", constants(env));
  napi_set_named_property(env, exports, "dropReasons", dropReasons(env));
}

}  // namespace beam::binding
