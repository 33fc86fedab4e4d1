// Memory that starts on a cache line, as zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sparse3d {

template <typename T>
class CacheLines {
 public:
  explicit CacheLines(std::int64_t count)
      : bytes_(new unsigned char[static_cast<std::size_t>(count) * sizeof(T) + kLine]()) {}

  T* get() const {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes_.get());
    return reinterpret_cast<T*>(bytes_.get() + (kLine - address % kLine) % kLine);
  }

 private:
  static constexpr std::size_t kLine = 64;
  std::unique_ptr<unsigned char[]> bytes_;
};

}  // namespace sparse3d
