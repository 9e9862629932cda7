// A file descriptor with one owner, and the outcome of a system call.
#pragma once

#include <unistd.h>

#include <utility>

namespace beam::sys {

class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  void reset(int fd = -1) noexcept {
    // close is not repeated on EINTR: Linux has freed the descriptor by then.
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/** A value, or the errno (above zero) that came instead. */
template <class T>
struct Result {
  T value{};
  int error = 0;

  [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

template <class T>
[[nodiscard]] Result<T> failed(int error) noexcept {
  return Result<T>{T{}, error};
}

}  // namespace beam::sys
