// Runs every registered test; BEAM_SEED=<n> replays.
#include <cstring>

#include "test/check.h"

namespace beam::test {

uint64_t seed = 0;

static std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

Register::Register(const char* claim, void (*run)()) { tests().push_back({claim, run}); }

}  // namespace beam::test

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const char* given = std::getenv("BEAM_SEED");
  beam::test::seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  int count = 0;
  for (const auto& test : beam::test::tests()) {
    if (argc > 1 && std::strstr(test.claim, argv[1]) == nullptr) continue;
    test.run();
    count++;
    std::printf("ok %s\n", test.claim);
  }
  std::printf("%d tests passed, seed %llu\n", count,
              static_cast<unsigned long long>(beam::test::seed));
  return 0;
}
