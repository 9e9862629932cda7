// beam_tpm on a machine that had no headers of tpm2-tss when it was built: it says so, and no more.
#define NAPI_VERSION 8
#include <node_api.h>

namespace {

napi_value unavailable(napi_env env, napi_callback_info) noexcept {
  napi_value text = nullptr;
  (void)napi_create_string_utf8(env, "Beam was built without libtss2-dev", NAPI_AUTO_LENGTH, &text);
  return text;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  if (napi_create_function(env, "unavailable", NAPI_AUTO_LENGTH, unavailable, nullptr, &function) ==
      napi_ok) {
    (void)napi_set_named_property(env, exports, "unavailable", function);
  }
  return exports;
}
