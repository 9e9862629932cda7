// Values for JavaScript.
#include "binding/napi.h"

namespace beam::binding {

napi_value jsNumber(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value jsBoolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value jsBigint(napi_env env, uint64_t value) {
  napi_value result;
  napi_create_bigint_uint64(env, value, &result);
  return result;
}

napi_value jsString(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value jsBytes(napi_env env, const void* data, size_t bytes) {
  napi_value result;
  napi_create_buffer_copy(env, bytes, data, nullptr, &result);
  return result;
}

napi_value jsNull(napi_env env) {
  napi_value result;
  napi_get_null(env, &result);
  return result;
}

napi_value jsTime(napi_env env, uint64_t ns) {
  return ns == 0 ? jsNull(env) : jsNumber(env, static_cast<double>(ns) / 1e6);
}

void defineFunctions(napi_env env, napi_value exports, std::span<const Export> functions) {
  for (const auto& [name, callback] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
}

}  // namespace beam::binding
