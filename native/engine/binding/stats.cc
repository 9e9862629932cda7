// Counters and features, polled.
#include <string>

#include "binding/arguments.h"

namespace beam::binding {

namespace {

/** True, false, or the family. */
napi_value jsFamilies(napi_env env, core::Families families) {
  if (families.four == families.six) return jsBoolean(env, families.four);
  return jsString(env, families.four ? "IPv4 only" : "IPv6 only");
}

napi_value stats(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (!arguments.ok()) return nullptr;
  const core::Stats stats = device->stats();
  Object drops(env);
  for (size_t i = 0; i < core::kDropReasons; i++) {
    drops.set(core::kDropReasonNames[i],
              jsNumber(env, static_cast<double>(stats.counters.drops[i])));
  }
  Object sendErrors(env);
  for (size_t i = 0; i < core::kErrnos; i++) {
    const uint64_t count = stats.counters.sendErrors[i];
    if (count == 0) continue;
    sendErrors.set(std::to_string(i).c_str(), jsNumber(env, static_cast<double>(count)));
  }
  Object features(env);
  features.set("queues", jsNumber(env, stats.queues))
      .set("cipher", jsString(env, stats.cipher))
      .set("cipherNote", jsString(env, stats.cipherNote))
      .set("offloadProbe", jsString(env, stats.offloadProbe))
      .set("tunVnetHeader", jsBoolean(env, stats.vnetHeader))
      .set("tunTcpSegmentation", jsBoolean(env, stats.tunTcp))
      .set("tunUdpSegmentation", jsBoolean(env, stats.tunUdp))
      .set("tcpCoalescing", jsFamilies(env, stats.joinTcp))
      .set("udpCoalescing", jsFamilies(env, stats.joinUdp))
      .set("udpSegment", jsFamilies(env, stats.udpSegment))
      .set("udpGro", jsFamilies(env, stats.udpGro))
      .set("keysLocked", jsBoolean(env, stats.keysLocked))
      .set("linkWatched", jsBoolean(env, stats.linkWatched));
  return Object(env)
      .set("drops", drops.value())
      .set("sendErrors", sendErrors.value())
      .set("features", features.value())
      .value();
}

}  // namespace

void defineStats(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
      {"stats", stats},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::binding
