#include "napi.h"

namespace beam::addon {

void must(napi_status status, const char* claim) noexcept {
  if (status != napi_ok) napi_fatal_error("beam_io", NAPI_AUTO_LENGTH, claim, NAPI_AUTO_LENGTH);
}

napi_value makeNumber(napi_env env, double value) noexcept {
  napi_value result = nullptr;
  must(napi_create_double(env, value, &result), "a number can be made");
  return result;
}

napi_value makeBoolean(napi_env env, bool value) noexcept {
  napi_value result = nullptr;
  must(napi_get_boolean(env, value, &result), "a boolean can be had");
  return result;
}

napi_value makeUndefined(napi_env env) noexcept {
  napi_value result = nullptr;
  must(napi_get_undefined(env, &result), "undefined can be had");
  return result;
}

napi_value makeOutcome(napi_env env, int error) noexcept { return makeNumber(env, -error); }

napi_value throwType(napi_env env, const char* expected) noexcept {
  napi_throw_type_error(env, nullptr, expected);
  return nullptr;
}

Arguments::Arguments(napi_env env, napi_callback_info info) noexcept : env_(env) {
  std::size_t count = values_.size();
  must(napi_get_cb_info(env, info, &count, values_.data(), nullptr, nullptr), "a call has arguments");
}

napi_valuetype Arguments::type(std::size_t index) const noexcept {
  napi_valuetype found = napi_undefined;
  must(napi_typeof(env_, values_[index], &found), "a value has a type");
  return found;
}

std::optional<std::uint32_t> Arguments::uint32(std::size_t index) const noexcept {
  std::uint32_t value = 0;
  if (napi_get_value_uint32(env_, values_[index], &value) != napi_ok) return std::nullopt;
  return value;
}

std::optional<int> Arguments::int32(std::size_t index) const noexcept {
  std::int32_t value = 0;
  if (napi_get_value_int32(env_, values_[index], &value) != napi_ok) return std::nullopt;
  return value;
}

void* Arguments::elements(std::size_t index, napi_typedarray_type wanted,
                          std::size_t& length) const noexcept {
  napi_typedarray_type found = napi_int8_array;
  void* data = nullptr;
  bool isTyped = false;
  if (napi_is_typedarray(env_, values_[index], &isTyped) != napi_ok || !isTyped) return nullptr;
  const napi_status status = napi_get_typedarray_info(env_, values_[index], &found, &length, &data,
                                                      nullptr, nullptr);
  if (status != napi_ok || found != wanted) return nullptr;
  // An empty array may have no address; a span of nothing needs one that isn't null here.
  static std::uint64_t nowhere = 0;
  return length == 0 ? &nowhere : data;
}

std::optional<std::span<std::uint8_t>> Arguments::bytes(std::size_t index) const noexcept {
  std::size_t length = 0;
  auto* const data = static_cast<std::uint8_t*>(elements(index, napi_uint8_array, length));
  if (data == nullptr) return std::nullopt;
  return std::span(data, length);
}

std::optional<std::span<std::uint32_t>> Arguments::words(std::size_t index) const noexcept {
  std::size_t length = 0;
  auto* const data = static_cast<std::uint32_t*>(elements(index, napi_uint32_array, length));
  if (data == nullptr) return std::nullopt;
  return std::span(data, length);
}

void* Arguments::external(std::size_t index) const noexcept {
  void* value = nullptr;
  if (type(index) != napi_external) return nullptr;
  if (napi_get_value_external(env_, values_[index], &value) != napi_ok) return nullptr;
  return value;
}

napi_value Reference::value() const noexcept {
  napi_value result = nullptr;
  must(napi_get_reference_value(env_, reference_, &result), "a reference has a value");
  return result;
}

void defineFunctions(napi_env env, napi_value exports, std::span<const Export> functions) noexcept {
  for (const auto& [name, function] : functions) {
    napi_value value = nullptr;
    must(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value),
         "a function can be made");
    must(napi_set_named_property(env, exports, name, value), "a function can be exported");
  }
}

}  // namespace beam::addon
