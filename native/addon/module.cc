// beam_io: the addon's entry, and the constants that the loader holds against TypeScript's.
#include <cstddef>

#include "../sys/tun.h"
#include "../sys/udp.h"
#include "constants.h"
#include "napi.h"

namespace beam::addon {

namespace {

using sys::DatagramRecord;
using sys::PathRecord;

struct Constant {
  const char* name;
  std::size_t value;
};

constexpr Constant kConstants[] = {
    {"tunBatchPackets", kTunBatchPackets},
    {"tunPacketBytes", sys::kTunPacketBytes},
    {"udpBatchDatagrams", sys::kUdpBatchDatagrams},
    {"udpSlotBytes", sys::kUdpSlotBytes},
    {"pathBytes", sizeof(PathRecord)},
    {"pathFamily", offsetof(PathRecord, family)},
    {"pathHasLocal", offsetof(PathRecord, hasLocal)},
    {"pathPort", offsetof(PathRecord, port)},
    {"pathScopeId", offsetof(PathRecord, scopeId)},
    {"pathRemote", offsetof(PathRecord, remote)},
    {"pathLocal", offsetof(PathRecord, local)},
    {"pathInterfaceIndex", offsetof(PathRecord, interfaceIndex)},
    {"pathRouteCheckedS", offsetof(PathRecord, routeCheckedS)},
    {"recordBytes", sizeof(DatagramRecord)},
    {"recordOffset", offsetof(DatagramRecord, offset)},
    {"recordLength", offsetof(DatagramRecord, length)},
    {"recordTrafficClass", offsetof(DatagramRecord, trafficClass)},
    {"recordSamePath", offsetof(DatagramRecord, samePath)},
    {"localStaleFlag", kLocalStaleFlag},
};

napi_value initialize(napi_env env, napi_value exports) noexcept {
  napi_value constants = nullptr;
  must(napi_create_object(env, &constants), "an object can be made");
  for (const auto& [name, value] : kConstants) {
    const napi_value number = makeNumber(env, static_cast<double>(value));
    must(napi_set_named_property(env, constants, name, number), "a constant can be set");
  }
  must(napi_set_named_property(env, exports, "constants", constants), "constants can be set");
  must(napi_set_named_property(env, exports, "abi", makeNumber(env, kIoAbi)), "the ABI can be set");
  defineProcess(env, exports);
  defineTun(env, exports);
  defineUdp(env, exports);
  return exports;
}

}  // namespace

}  // namespace beam::addon

NAPI_MODULE_INIT() { return beam::addon::initialize(env, exports); }
