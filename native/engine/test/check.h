// A test is a function with a claim for a name; CHECK prints where a claim broke and ends the run.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: not so: %s (seed %llu)\n", __FILE__, __LINE__,   \
                   #condition, static_cast<unsigned long long>(beam::test::seed));  \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)

namespace beam::test {

/** BEAM_SEED replays a run; printed when a check fails. */
extern uint64_t seed;

struct Test {
  const char* claim;
  void (*run)();
};
/** Registers at start-up. */
struct Register {
  Register(const char* claim, void (*run)());
};

#define TEST(name, claim)                                        \
  static void name();                                            \
  static const beam::test::Register register_##name(claim, name); \
  static void name()

class Random {
 public:
  explicit Random(uint64_t salt) : engine_(seed ^ salt) {}
  uint64_t next() { return engine_(); }
  /** 0 to bound - 1. */
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }
  bool chance(uint32_t percent) { return below(100) < percent; }
  std::vector<uint8_t> bytes(size_t count) {
    std::vector<uint8_t> result(count);
    for (uint8_t& byte : result) byte = static_cast<uint8_t>(engine_());
    return result;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace beam::test
