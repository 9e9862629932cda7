// beam_engine: the addon's entry. Arguments in, objects out: a negative number in an answer is an
// errno; a wrong argument is a TypeError, as src/platform/nativeEngineAddon.ts is the only caller.
#include "binding/napi.h"

NAPI_MODULE_INIT() {
  beam::binding::defineLifetime(env, exports);
  beam::binding::defineSockets(env, exports);
  beam::binding::definePeers(env, exports);
  beam::binding::defineStats(env, exports);
  beam::binding::definePair(env, exports);
  beam::binding::defineChecks(env, exports);
  return exports;
}
