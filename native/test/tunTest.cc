// TUN devices and their links, in a namespace that run.sh makes.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <thread>

#include "../sys/link.h"
#include "../sys/netns.h"
#include "../sys/tun.h"
#include "check.h"

namespace beam::sys {

namespace {

const char* needsNamespace() {
  return std::getenv("BEAM_TEST_NAMESPACE") != nullptr ? nullptr : "needs root and a namespace";
}

UniqueFd newNamespace() {
  UniqueFd place;
  std::thread([&] {
    CHECK(::unshare(CLONE_NEWNET) == 0);
    place.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  CHECK(place);
  return place;
}

UniqueFd created(const char* name) {
  auto tun = createTun(name);
  CHECK_EQUAL(tun.error, 0);
  return std::move(tun.value);
}

/** Runs `ip` with the given words, in our namespace or in another. */
void ip(const std::string& words, int namespaceFd = -1) {
  std::thread([&] {
    if (namespaceFd >= 0) CHECK(::setns(namespaceFd, CLONE_NEWNET) == 0);
    CHECK(std::system(("ip " + words).c_str()) == 0);
  }).join();
}

/** Every state until none has come for 100 ms. */
std::vector<LinkState> drain(LinkWatch& watch, NetlinkClient& client, bool& left) {
  std::vector<LinkState> states;
  pollfd question = {watch.fd(), POLLIN, 0};
  while (::poll(&question, 1, 100) == 1) {
    const auto changes = watch.read(client);
    states.insert(states.end(), changes.states.begin(), changes.states.begin() + changes.count);
    left |= changes.left;
    if (left) break;
  }
  return states;
}

void movesPackets() {
  const UniqueFd tun = created("beamt0");
  CHECK(!isTunUp(tun.get()));
  const std::array<std::uint8_t, 20> packet = {0x45, 0, 0, 20, 0, 0, 0, 0, 64, 0, 0, 0,
                                               10,   9, 0, 2,  10, 9, 0, 1};
  CHECK_EQUAL(writeTun(tun.get(), packet), EIO);
  ip("address add 10.9.0.1/24 dev beamt0");
  ip("link set beamt0 up");
  CHECK(isTunUp(tun.get()));
  CHECK_EQUAL(writeTun(tun.get(), packet), 0);
  CHECK_EQUAL(writeTun(tun.get(), {}), EINVAL);
  (void)std::system("ping -c 1 -W 0.1 10.9.0.2 >/dev/null");
  std::vector<std::uint8_t> buffer(kTunPacketBytes);
  bool seen = false;
  for (auto got = readTun(tun.get(), buffer); got.ok(); got = readTun(tun.get(), buffer)) {
    seen |= got.value == 84 && buffer[0] == 0x45;
  }
  CHECK(seen);
  CHECK_EQUAL(readTun(tun.get(), buffer).error, EAGAIN);
  CHECK_EQUAL(createTun("beamt0").error, EBUSY);
  CHECK_EQUAL(createTun("sixteencharacter").error, ENAMETOOLONG);
  ip("link del beamt0");
  CHECK_EQUAL(identifyTun(tun.get()).error, EBADFD);
  CHECK(!readTun(tun.get(), buffer).ok());
  CHECK_EQUAL(setLinkMtu(tun.get(), 1400), EBADFD);
}
const test::Register kPackets("packets go both ways until the interface is deleted", movesPackets,
                              needsNamespace);

void adopts() {
  UniqueFd tun = created("beamt1");
  const int copy = ::dup(tun.get());
  auto adopted = adoptTun(copy);
  CHECK_EQUAL(adopted.error, 0);
  CHECK_EQUAL(adoptTun(-1).error, EBADF);
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_EQUAL(adoptTun(null.get()).error, ENOTTY);
  const UniqueFd unattached(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  CHECK_EQUAL(adoptTun(unattached.get()).error, EBADFD);
}
const test::Register kAdopts("only a TUN with an interface is adopted", adopts, needsNamespace);

void watches() {
  const UniqueFd tun = created("beamt2");
  NetlinkClient client;
  auto watch = LinkWatch::open(client, tun.get(), true);
  CHECK_EQUAL(watch.error, 0);
  CHECK((watch.value.state() == LinkState{false, 1500}));
  ip("link set beamt2 up");
  ip("link set beamt2 mtu 1280");
  ip("link set beamt2 down");
  ip("link set beamt2 name beamt3 up");
  CHECK_EQUAL(setLinkMtu(tun.get(), 1312), 0);
  bool left = false;
  const auto states = drain(watch.value, client, left);
  const std::vector<LinkState> wanted = {
      {true, 1500}, {true, 1280}, {false, 1280}, {true, 1280}, {true, 1312}};
  std::size_t next = 0;
  for (const auto& state : states) {
    if (next < wanted.size() && state == wanted[next]) next++;
  }
  CHECK_EQUAL(next, wanted.size());
  CHECK(!left && states.back() == wanted.back());
  CHECK_EQUAL(watch.value.refresh(client), 0);
  CHECK(watch.value.state() == wanted.back());
  ip("link del beamt3");
  (void)drain(watch.value, client, left);
  CHECK(left);
  CHECK_EQUAL(watch.value.refresh(client), ENODEV);
  CHECK_EQUAL(LinkWatch::open(client, tun.get(), true).error, EBADFD);
}
const test::Register kWatches("every state of a link is told, in order, until it is gone", watches,
                              needsNamespace);

void followsAcross() {
  const UniqueFd tun = created("beamt4");
  NetlinkClient client;
  auto watch = LinkWatch::open(client, tun.get(), true);
  UniqueFd there = newNamespace();
  CHECK(!isCurrentNamespace(there.get()));
  const std::string target = "/proc/" + std::to_string(::getpid()) + "/fd/";
  ip("link set beamt4 netns " + target + std::to_string(there.get()));
  bool left = false;
  (void)drain(watch.value, client, left);
  CHECK(left);
  watch = LinkWatch::open(client, tun.get(), false);
  CHECK_EQUAL(watch.error, 0);
  CHECK((watch.value.state() == LinkState{false, 1500}));
  ip("link set beamt4 up", there.get());
  CHECK(isTunUp(tun.get()));
  CHECK_EQUAL(setLinkMtu(tun.get(), 1290), 0);
  left = false;
  const auto states = drain(watch.value, client, left);
  CHECK(!left && !states.empty());
  CHECK((states.back() == LinkState{true, 1290}));
  // Nothing of ours keeps the namespace: it ends with its last owner, and the interface with it.
  there.reset();
  pollfd question = {tun.get(), POLLIN, 0};
  CHECK(::poll(&question, 1, 5000) == 1);
  for (int i = 0; i < 100 && identifyTun(tun.get()).ok(); i++) (void)::poll(nullptr, 0, 20);
  CHECK_EQUAL(identifyTun(tun.get()).error, EBADFD);
}
const test::Register kAcross("a link is followed into a namespace that ends by itself", followsAcross,
                             needsNamespace);

void survivesFlood() {
  const UniqueFd tun = created("beamt5");
  NetlinkClient client;
  auto watch = LinkWatch::open(client, tun.get(), true);
  const int small = 2304;
  CHECK(::setsockopt(watch.value.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
  for (int i = 0; i < 20; i++) ip(i % 2 == 0 ? "link set beamt5 up" : "link set beamt5 down");
  ip("link set beamt5 up mtu 1400");
  bool left = false;
  const auto states = drain(watch.value, client, left);
  CHECK(!left && (states.back() == LinkState{true, 1400}));
}
const test::Register kFlood("lost netlink messages still end in the right state", survivesFlood,
                            needsNamespace);

}  // namespace

}  // namespace beam::sys

int main() { return beam::test::runAll(); }
