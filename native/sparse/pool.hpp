// Pooling along the rules of a kernel. Every block of output rows is one thread's, and takes its
// pairs offset by offset, so results do not depend on the number of threads.
//
// T is float or bfloat16, whose sums are taken in float and rounded at the end.
#pragma once

#include <cstdint>

#include "bfloat16.hpp"
#include "sparse/pairs.hpp"

namespace sparse3d {

// Rows of several channels.
template <typename T>
struct PoolRows {
  T* values;
  std::int64_t rows, channels;
};

// The largest inputs of each output, 0 if it has none, and their rows, -1 if it has none.
template <typename T>
void pool_largest(const PairList& rules, const T* features, const PoolRows<T>& out,
                  std::int64_t* winners);

// The mean of the inputs of each output, 0 if it has none, and how many there are, at least 1.
template <typename T>
void pool_means(const PairList& rules, const T* features, const PoolRows<T>& out, float* reads);

// The sum of the inputs of each output, each divided by the divisor of its row.
template <typename T>
void pool_shares(const PairList& rules, const T* features, const float* divisors,
                 const PoolRows<T>& out);

// For each place of `out` the sum of the values whose winner it is, in the order of their rows.
// Throws if a winner is not one of its rows, nor -1.
template <typename T>
void scatter_to_winners(const PoolRows<const T>& values, const std::int64_t* winners,
                        const PoolRows<T>& out);

// For each place of `out` what stands at its winner, 0 where that is -1. Throws if a winner is not
// one of the rows of the values, nor -1.
template <typename T>
void gather_from_winners(const PoolRows<const T>& values, const std::int64_t* winners,
                         const PoolRows<T>& out);

}  // namespace sparse3d
