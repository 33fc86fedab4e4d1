// An array that is not initialised.
#pragma once

#include <cstdint>
#include <memory>

#include "large_pages.hpp"

namespace sparse3d {

template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t count) : data_(new T[static_cast<std::size_t>(count)]) {
    prefer_large_pages(data_.get(), count);
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::int64_t i) { return data_[static_cast<std::size_t>(i)]; }
  const T& operator[](std::int64_t i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  std::unique_ptr<T[]> data_;
};

}  // namespace sparse3d
