// The little test frame of native/test: claims with a name, checks that say what they saw.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace beam::test {

struct Claim {
  const char* text;
  /** Null, or why it can't be tried here. */
  const char* (*unavailable)();
  void (*body)();
};

inline std::vector<Claim>& claims() {
  static std::vector<Claim> all;
  return all;
}

struct Register {
  Register(const char* text, void (*body)(), const char* (*unavailable)() = nullptr) {
    claims().push_back({text, unavailable, body});
  }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  std::printf("not ok\n  %s:%d: %s\n", file, line, what.c_str());
  std::exit(1);
}

template <class A, class B>
void checkEqual(const A& found, const B& wanted, const char* file, int line, const char* text) {
  if (found == static_cast<A>(wanted)) return;
  std::string what = std::string(text) + " is wrong";
  if constexpr (std::is_arithmetic_v<A>) {
    what += ": found " + std::to_string(found) + ", wanted " + std::to_string(wanted);
  }
  fail(file, line, what);
}

/** Runs all; the exit status of the program. */
inline int runAll() {
  for (const auto& claim : claims()) {
    std::printf("%s ... ", claim.text);
    std::fflush(stdout);
    const char* const reason = claim.unavailable == nullptr ? nullptr : claim.unavailable();
    if (reason != nullptr) {
      std::printf("skipped, %s\n", reason);
      continue;
    }
    claim.body();
    std::printf("ok\n");
  }
  return 0;
}

}  // namespace beam::test

#define CHECK(condition) \
  do { \
    if (!(condition)) ::beam::test::fail(__FILE__, __LINE__, #condition " does not hold"); \
  } while (false)
#define CHECK_EQUAL(found, wanted) \
  ::beam::test::checkEqual((found), (wanted), __FILE__, __LINE__, #found)
