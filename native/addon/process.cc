// Clocks and memory for JavaScript.
#include "../sys/process.h"

#include "napi.h"

namespace beam::addon {

namespace {

napi_value bootMs(napi_env env, napi_callback_info) noexcept {
  return makeNumber(env, sys::bootMs());
}

napi_value wallMs(napi_env env, napi_callback_info) noexcept {
  return makeNumber(env, sys::wallMs());
}

napi_value denyDumps(napi_env env, napi_callback_info) noexcept {
  return makeOutcome(env, sys::denyDumps());
}

napi_value denyCoreFiles(napi_env env, napi_callback_info) noexcept {
  return makeOutcome(env, sys::denyCoreFiles());
}

napi_value lockMemory(napi_env env, napi_callback_info info) noexcept {
  const auto bytes = Arguments(env, info).bytes(0);
  if (!bytes) return throwType(env, "lockMemory(bytes: Uint8Array)");
  return makeOutcome(env, sys::lockMemory(*bytes));
}

napi_value unlockMemory(napi_env env, napi_callback_info info) noexcept {
  const auto bytes = Arguments(env, info).bytes(0);
  if (!bytes) return throwType(env, "unlockMemory(bytes: Uint8Array)");
  return makeOutcome(env, sys::unlockMemory(*bytes));
}

napi_value sendUnixDatagram(napi_env env, napi_callback_info info) noexcept {
  const Arguments arguments(env, info);
  const auto path = arguments.bytes(0);
  const auto text = arguments.bytes(1);
  if (!path || !text) return throwType(env, "sendUnixDatagram(path: Uint8Array, text: Uint8Array)");
  return makeOutcome(env, sys::sendUnixDatagram(*path, *text));
}

}  // namespace

void defineProcess(napi_env env, napi_value exports) noexcept {
  constexpr Export kFunctions[] = {
      {"bootMs", bootMs},
      {"wallMs", wallMs},
      {"denyDumps", denyDumps},
      {"denyCoreFiles", denyCoreFiles},
      {"lockMemory", lockMemory},
      {"unlockMemory", unlockMemory},
      {"sendUnixDatagram", sendUnixDatagram},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::addon
