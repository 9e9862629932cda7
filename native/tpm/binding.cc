// beam_tpm for Node.js: open, run, close. Each is work for libuv's threads, because a TPM takes
// milliseconds to seconds; its outcome comes back to a function. The only file here that knows Node.js.
#define NAPI_VERSION 8
#include <node_api.h>

#include <array>
#include <memory>
#include <new>
#include <string>

#include "commands.h"

namespace beam::tpm {

namespace {

/** Raised whenever a function's arguments or meaning change; TPM_ABI in src/platform/tpm/addon.ts. */
constexpr std::uint32_t kTpmAbi = 1;
constexpr std::size_t kTctiBytes = 512;
constexpr std::size_t kCommandNameBytes = 32;

/** Node-API fails only for wrong arguments or a pending exception; elsewhere it is a bug of ours. */
void must(napi_status status, const char* claim) noexcept {
  if (status != napi_ok) napi_fatal_error("beam_tpm", NAPI_AUTO_LENGTH, claim, NAPI_AUTO_LENGTH);
}

napi_value throwType(napi_env env, const char* expected) noexcept {
  napi_throw_type_error(env, nullptr, expected);
  return nullptr;
}

napi_value makeNumber(napi_env env, std::uint32_t value) noexcept {
  napi_value result = nullptr;
  must(napi_create_uint32(env, value, &result), "a number can be made");
  return result;
}

napi_value makeText(napi_env env, const char* text) noexcept {
  napi_value result = nullptr;
  must(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result), "a string can be made");
  return result;
}

/** False where JavaScript is being ended: nothing can be made for it then. */
bool makeBytes(napi_env env, std::span<const std::uint8_t> bytes, napi_value& array) noexcept {
  void* memory = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &memory, &buffer) != napi_ok) return false;
  if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
  return napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array) == napi_ok;
}

/** What JavaScript holds. */
struct Connection {
  Tpm tpm;
  /** One call at a time: set and cleared by the main thread. */
  bool isBusy = false;
};

constexpr napi_type_tag kConnectionTag = {0x6265616d2d74706d, 0x636f6e6e65637431};

/** One call, from JavaScript to a thread and back. */
struct Call {
  enum class Kind { open, run, close };

  Kind kind = Kind::close;
  Connection* connection = nullptr;
  napi_async_work work = nullptr;
  napi_ref done = nullptr;
  /** Keeps the connection from being collected. */
  napi_ref held = nullptr;
  std::array<char, kTctiBytes> tcti{};
  const Command* command = nullptr;
  Frame request;
  Frame answer;
  Failure failure;
  std::string meaning;
};

void execute(napi_env, void* data) noexcept {
  auto& call = *static_cast<Call*>(data);
  Tpm& tpm = call.connection->tpm;
  switch (call.kind) {
    case Call::Kind::open:
      call.failure = tpm.open(*loadLibrary().library, call.tcti.data());
      break;
    case Call::Kind::run:
      call.failure = runCommand(tpm, *call.command, call.request, call.answer);
      break;
    case Call::Kind::close:
      tpm.close();
      break;
  }
  // Decoded here: tpm2-tss keeps the text in memory of this thread.
  if (call.failure.failed()) call.meaning = loadLibrary().library->Tss2_RC_Decode(call.failure.code);
}

/** code, step, meaning, answer or null. False where JavaScript is being ended. */
bool makeOutcome(napi_env env, const Call& call, std::array<napi_value, 4>& outcome) noexcept {
  auto& [code, step, meaning, answer] = outcome;
  const bool failed = call.failure.failed();
  return napi_create_uint32(env, call.failure.code, &code) == napi_ok &&
         napi_create_string_utf8(env, failed ? call.failure.step : "", NAPI_AUTO_LENGTH, &step) ==
             napi_ok &&
         napi_create_string_utf8(env, call.meaning.c_str(), NAPI_AUTO_LENGTH, &meaning) == napi_ok &&
         (failed ? napi_get_null(env, &answer) == napi_ok
                 : makeBytes(env, call.answer.bytes(), answer));
}

/** Tells JavaScript, unless it is being ended. */
void tell(napi_env env, const Call& call) noexcept {
  napi_value done = nullptr;
  napi_value global = nullptr;
  std::array<napi_value, 4> outcome{};
  if (napi_get_reference_value(env, call.done, &done) != napi_ok || done == nullptr) return;
  if (napi_get_global(env, &global) != napi_ok || !makeOutcome(env, call, outcome)) return;
  (void)napi_call_function(env, global, done, outcome.size(), outcome.data(), nullptr);
  bool isThrown = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env, &isThrown) == napi_ok && isThrown &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    (void)napi_fatal_exception(env, error);
  }
}

void complete(napi_env env, napi_status status, void* data) noexcept {
  const std::unique_ptr<Call> call(static_cast<Call*>(data));
  call->connection->isBusy = false;
  napi_handle_scope scope = nullptr;
  if (status == napi_ok && napi_open_handle_scope(env, &scope) == napi_ok) {
    tell(env, *call);
    (void)napi_close_handle_scope(env, scope);
  }
  (void)napi_delete_reference(env, call->done);
  (void)napi_delete_reference(env, call->held);
  (void)napi_delete_async_work(env, call->work);
}

/** Hands the call to a thread. */
void start(napi_env env, std::unique_ptr<Call> call, napi_value connection, napi_value done) noexcept {
  must(napi_create_reference(env, done, 1, &call->done), "a reference can be made");
  must(napi_create_reference(env, connection, 1, &call->held), "a reference can be made");
  call->connection->isBusy = true;
  must(napi_create_async_work(env, nullptr, makeText(env, "beam_tpm"), execute, complete, call.get(),
                              &call->work),
       "work can be made");
  must(napi_queue_async_work(env, call->work), "work can be queued");
  (void)call.release();
}

void finalize(napi_env, void* data, void*) noexcept { delete static_cast<Connection*>(data); }

/** Null, and a TypeError, if it is none of ours. */
Connection* connectionOf(napi_env env, napi_value value) noexcept {
  bool isOurs = false;
  void* data = nullptr;
  const bool isUsable =
      napi_check_object_type_tag(env, value, &kConnectionTag, &isOurs) == napi_ok && isOurs &&
      napi_unwrap(env, value, &data) == napi_ok;
  if (!isUsable) {
    (void)throwType(env, "connection: what open() answered");
    return nullptr;
  }
  return static_cast<Connection*>(data);
}

bool isFunction(napi_env env, napi_value value) noexcept {
  napi_valuetype found = napi_undefined;
  return napi_typeof(env, value, &found) == napi_ok && found == napi_function;
}

/** Text of fewer than `text.size()` bytes. */
template <std::size_t Size>
bool readText(napi_env env, napi_value value, std::array<char, Size>& text) noexcept {
  std::size_t whole = 0;
  std::size_t copied = 0;
  return napi_get_value_string_utf8(env, value, nullptr, 0, &whole) == napi_ok && whole < Size &&
         napi_get_value_string_utf8(env, value, text.data(), Size, &copied) == napi_ok;
}

template <std::size_t Count>
std::array<napi_value, Count> argumentsOf(napi_env env, napi_callback_info info) noexcept {
  std::array<napi_value, Count> values{};
  std::size_t count = Count;
  must(napi_get_cb_info(env, info, &count, values.data(), nullptr, nullptr), "a call has arguments");
  return values;
}

constexpr const char* kOpenUsage = "open(tcti: string, done)";
constexpr const char* kRunUsage = "run(connection, command, request: Uint8Array, done)";

/** The connection, usable once `done` was told of no failure. */
napi_value open(napi_env env, napi_callback_info info) noexcept {
  const auto [tcti, done] = argumentsOf<2>(env, info);
  auto call = std::unique_ptr<Call>(new (std::nothrow) Call);
  auto connection = std::unique_ptr<Connection>(new (std::nothrow) Connection);
  if (call == nullptr || connection == nullptr) return throwType(env, "open: memory");
  if (!readText(env, tcti, call->tcti) || !isFunction(env, done)) return throwType(env, kOpenUsage);
  if (loadLibrary().library == nullptr) return throwType(env, "open: only where unavailable() is empty");
  call->kind = Call::Kind::open;
  call->connection = connection.get();
  napi_value object = nullptr;
  must(napi_create_object(env, &object), "an object can be made");
  must(napi_wrap(env, object, connection.release(), finalize, nullptr, nullptr), "it can be wrapped");
  must(napi_type_tag_object(env, object, &kConnectionTag), "it can be tagged");
  start(env, std::move(call), object, done);
  return object;
}

napi_value run(napi_env env, napi_callback_info info) noexcept {
  const auto [object, name, request, done] = argumentsOf<4>(env, info);
  Connection* const connection = connectionOf(env, object);
  if (connection == nullptr) return nullptr;
  std::array<char, kCommandNameBytes> text{};
  napi_typedarray_type kind = napi_int8_array;
  void* bytes = nullptr;
  std::size_t length = 0;
  auto call = std::unique_ptr<Call>(new (std::nothrow) Call);
  if (call == nullptr) return throwType(env, "run: memory");
  if (!readText(env, name, text) || !isFunction(env, done)) return throwType(env, kRunUsage);
  const bool isArray = napi_get_typedarray_info(env, request, &kind, &length, &bytes, nullptr,
                                                nullptr) == napi_ok;
  if (!isArray || kind != napi_uint8_array ||
      !call->request.assign({static_cast<const std::uint8_t*>(bytes), length})) {
    return throwType(env, kRunUsage);
  }
  call->kind = Call::Kind::run;
  call->connection = connection;
  call->command = findCommand(text.data());
  if (call->command == nullptr) return throwType(env, "run: a known command");
  if (connection->isBusy || !connection->tpm.isOpen()) {
    return throwType(env, "run: an open connection, one call at a time");
  }
  start(env, std::move(call), object, done);
  return nullptr;
}

napi_value close(napi_env env, napi_callback_info info) noexcept {
  const auto [object, done] = argumentsOf<2>(env, info);
  Connection* const connection = connectionOf(env, object);
  if (connection == nullptr) return nullptr;
  if (!isFunction(env, done)) return throwType(env, "close(connection, done)");
  if (connection->isBusy) return throwType(env, "close: no call under way");
  auto call = std::unique_ptr<Call>(new (std::nothrow) Call);
  if (call == nullptr) return throwType(env, "close: memory");
  call->connection = connection;
  start(env, std::move(call), object, done);
  return nullptr;
}

/** Why there is no TPM here; empty if tpm2-tss could be opened. */
napi_value unavailable(napi_env env, napi_callback_info) noexcept {
  return makeText(env, loadLibrary().reason);
}

void exportFunction(napi_env env, napi_value exports, const char* name, napi_callback function) noexcept {
  napi_value value = nullptr;
  must(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value),
       "a function can be made");
  must(napi_set_named_property(env, exports, name, value), "a function can be exported");
}

napi_value initialize(napi_env env, napi_value exports) noexcept {
  must(napi_set_named_property(env, exports, "abi", makeNumber(env, kTpmAbi)), "it can be set");
  must(napi_set_named_property(env, exports, "frameBytes", makeNumber(env, kFrameBytes)),
       "it can be set");
  napi_value names = nullptr;
  must(napi_create_array(env, &names), "an array can be made");
  std::uint32_t count = 0;
  for (const Command& command : kCommands) {
    must(napi_set_element(env, names, count++, makeText(env, command.name)), "it can be set");
  }
  must(napi_set_named_property(env, exports, "commands", names), "it can be set");
  exportFunction(env, exports, "unavailable", unavailable);
  exportFunction(env, exports, "open", open);
  exportFunction(env, exports, "run", run);
  exportFunction(env, exports, "close", close);
  return exports;
}

}  // namespace

}  // namespace beam::tpm

NAPI_MODULE_INIT() { return beam::tpm::initialize(env, exports); }
