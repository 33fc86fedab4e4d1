// Numbers that the kernels make of small seeded inputs, one named row of them a line, so that what
// two machines compute can be compared (scripts/compare_numbers.py).
//
// `exact` rows must be the same to the last bit; numbers of `close` rows may differ by rounding,
// measured by the largest of their row, so a row holds numbers of one kind.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

namespace sparse3d::check {

using Floats = std::vector<float>;

// Knuth's linear congruential generator (MMIX): distributions of the standard library differ.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint32_t bits() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  std::int32_t below(std::int32_t limit) {
    return static_cast<std::int32_t>(bits() % static_cast<std::uint32_t>(limit));
  }
  float between(float low, float high) {  // a multiple of 2^-24 of the way
    return low + (high - low) * (static_cast<float>(bits() >> 8) * 0x1p-24f);
  }
  Floats many(std::int64_t count, float low, float high) {
    Floats values(static_cast<std::size_t>(count));
    for (float& value : values) value = between(low, high);
    return values;
  }

 private:
  std::uint64_t state_;
};

template <typename T>
void print_number(T value) {
  if constexpr (std::is_integral_v<T>)
    std::printf(" %lld", static_cast<long long>(value));
  else if (std::isnan(value))
    std::printf(" nan");  // machines differ in the sign of those that they make
  else
    std::printf(" %.*g", std::is_same_v<T, float> ? 9 : 17, static_cast<double>(value));
}

template <typename T>
void print_row(const char* kind, const std::string& name, const std::vector<T>& values) {
  std::printf("%s %s", kind, name.c_str());
  for (const T value : values) print_number(value);
  std::printf("\n");
}

template <typename T>
void exact(const std::string& name, const std::vector<T>& values) {
  print_row("exact", name, values);
}

template <typename T>
void close(const std::string& name, const std::vector<T>& values) {
  print_row("close", name, values);
}

void check_lanes();
void check_finite();
void check_rasterize();
void check_ssim();
void check_adam();
void check_knn();
void check_sparse();
void check_halves();
void check_octree();
void check_pool();
void check_sets();
void check_draw();
void check_points();

}  // namespace sparse3d::check
