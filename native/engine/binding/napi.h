// The little of Node-API that the binding needs: values for JavaScript and functions to export.
// Only engine/binding includes node_api.h.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <cstdint>
#include <span>
#include <string>

namespace beam::binding {

napi_value jsNumber(napi_env env, double value);
napi_value jsBoolean(napi_env env, bool value);
napi_value jsBigint(napi_env env, uint64_t value);
napi_value jsString(napi_env env, const std::string& value);
napi_value jsBytes(napi_env env, const void* data, size_t bytes);
napi_value jsNull(napi_env env);
/** CLOCK_BOOTTIME in milliseconds, as the addon's clock gives it; null for never. */
napi_value jsTime(napi_env env, uint64_t ns);

class Object {
 public:
  explicit Object(napi_env env) : env_(env) { napi_create_object(env, &value_); }
  Object& set(const char* name, napi_value value) {
    napi_set_named_property(env_, value_, name, value);
    return *this;
  }
  napi_value value() const { return value_; }

 private:
  napi_env env_;
  napi_value value_;
};

struct Export {
  const char* name;
  napi_callback function;
};

void defineFunctions(napi_env env, napi_value exports, std::span<const Export> functions);

void defineLifetime(napi_env env, napi_value exports);
void definePeers(napi_env env, napi_value exports);
void defineSockets(napi_env env, napi_value exports);
void defineStats(napi_env env, napi_value exports);
void definePair(napi_env env, napi_value exports);
void defineChecks(napi_env env, napi_value exports);

}  // namespace beam::binding
