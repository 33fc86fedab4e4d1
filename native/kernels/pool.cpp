#include "kernels/pool.hpp"

#include "kernels/halves.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

inline float value_of(float value) { return value; }
inline float value_of(bfloat16 value) { return widened(value.bits); }
inline void put(float value, float& out) { out = value; }
inline void put(float value, bfloat16& out) { out.bits = narrowed(value); }

template <typename T>
inline void take_larger_row(const T* row, std::int32_t number, std::int64_t channels,
                            float* values, std::int32_t* winners) {
#pragma omp simd
  for (std::int64_t k = 0; k < channels; ++k) {
    const float offered = value_of(row[k]), held = values[k];
    const std::int32_t holder = winners[k];
    const bool better = (!(offered <= held) & (held == held)) | (holder < 0);
    values[k] = better ? offered : held;
    winners[k] = better ? number : holder;
  }
}

template <typename T>
inline void add_row(const T* row, std::int64_t channels, float* sums) {
#pragma omp simd
  for (std::int64_t k = 0; k < channels; ++k) sums[k] += value_of(row[k]);
}

template <typename T>
inline void add_share(const T* row, float divisor, std::int64_t channels, float* sums) {
#pragma omp simd
  for (std::int64_t k = 0; k < channels; ++k) sums[k] += value_of(row[k]) / divisor;
}

}  // namespace

template <typename T>
void take_larger(const RulePairs& pairs, const T* features, std::int64_t channels,
                 std::int64_t first_row, const Largest& largest) {
  for (std::int64_t p = 0; p < pairs.count; ++p) {
    const std::int64_t place = (pairs.to[p] - first_row) * channels;
    take_larger_row(features + pairs.from[p] * channels, pairs.from[p], channels,
                    largest.values + place, largest.winners + place);
  }
}

template <typename T>
void write_largest(const Largest& largest, std::int64_t count, T* out, std::int64_t* winners) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    put(largest.winners[i] < 0 ? 0.0f : largest.values[i], out[i]);
    winners[i] = largest.winners[i];
  }
}

template <typename T>
void add_rows(const RulePairs& pairs, const T* features, const float* divisors,
              std::int64_t channels, std::int64_t first_row, float* sums) {
  for (std::int64_t p = 0; p < pairs.count; ++p) {
    const T* row = features + pairs.from[p] * channels;
    float* own = sums + (pairs.to[p] - first_row) * channels;
    if (divisors == nullptr)
      add_row(row, channels, own);
    else
      add_share(row, divisors[pairs.from[p]], channels, own);
  }
}

void count_reads(const RulePairs& pairs, std::int64_t first_row, float* reads) {
  for (std::int64_t p = 0; p < pairs.count; ++p) reads[pairs.to[p] - first_row] += 1.0f;
}

template <typename T>
void write_rows(const float* sums, const float* divisors, std::int64_t rows,
                std::int64_t channels, T* out) {
  for (std::int64_t row = 0; row < rows; ++row, sums += channels, out += channels) {
    const float divisor = divisors == nullptr ? 1.0f : divisors[row];
#pragma omp simd
    for (std::int64_t k = 0; k < channels; ++k) put(sums[k] / divisor, out[k]);
  }
}

bool find_range(const std::int64_t* winners, std::int64_t count, std::int64_t inputs,
                WinnerRange& range) {
  std::int64_t low = inputs, high = -1, least = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t winner = winners[i], counted = winner < 0 ? inputs : winner;
    least = winner < least ? winner : least;
    low = counted < low ? counted : low;
    high = winner > high ? winner : high;
  }
  range = {low, high};
  return least >= -1 && high < inputs;
}

template <typename T>
void add_to_winners(const T* values, const std::int64_t* winners, std::int64_t rows,
                    std::int64_t channels, std::int64_t begin, std::int64_t end, float* sums) {
  for (std::int64_t row = 0; row < rows; ++row, values += channels, winners += channels)
    for (std::int64_t k = 0; k < channels; ++k)
      if (winners[k] >= begin && winners[k] < end)
        sums[(winners[k] - begin) * channels + k] += value_of(values[k]);
}

template <typename T>
bool take_from_winners(const T* values, std::int64_t inputs, const std::int64_t* winners,
                       std::int64_t rows, std::int64_t channels, T* out) {
  for (std::int64_t row = 0; row < rows; ++row, winners += channels, out += channels)
    for (std::int64_t k = 0; k < channels; ++k) {
      if (winners[k] < -1 || winners[k] >= inputs) return false;
      out[k] = winners[k] < 0 ? T{} : values[winners[k] * channels + k];
    }
  return true;
}

#define SPARSE3D_POOL_OF(T)                                                                    \
  template void take_larger<T>(const RulePairs&, const T*, std::int64_t, std::int64_t,         \
                               const Largest&);                                                \
  template void write_largest<T>(const Largest&, std::int64_t, T*, std::int64_t*);             \
  template void add_rows<T>(const RulePairs&, const T*, const float*, std::int64_t,            \
                            std::int64_t, float*);                                             \
  template void write_rows<T>(const float*, const float*, std::int64_t, std::int64_t, T*);     \
  template void add_to_winners<T>(const T*, const std::int64_t*, std::int64_t, std::int64_t,   \
                                  std::int64_t, std::int64_t, float*);                         \
  template bool take_from_winners<T>(const T*, std::int64_t, const std::int64_t*, std::int64_t, \
                                     std::int64_t, T*);

SPARSE3D_POOL_OF(float)
SPARSE3D_POOL_OF(bfloat16)

}  // namespace sparse3d::SPARSE3D_ISA
