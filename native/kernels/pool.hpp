// Maxima and sums of rows that rules pair with each other, and rows by their winners.
//
// T is float or bfloat16; whatever is compared or summed is float. A block of outputs has arrays of
// its own, [rows of the block, channels], and begins at `first_row` of all outputs.
#pragma once

#include <cstdint>

#include "bfloat16.hpp"
#include "isa.hpp"
#include "kernels/rule_pairs.hpp"

namespace sparse3d {

// The largest values so far, and the inputs' rows that they are from: -1 before the first.
struct Largest {
  float* values;
  std::int32_t* winners;
};

// Takes over what is larger in the inputs of the pairs; the first of equal ones stays, what is not
// a number is larger than any number.
SPARSE3D_KERNEL(template <typename T> void take_larger(
    const RulePairs& pairs, const T* features, std::int64_t channels, std::int64_t first_row,
    const Largest& largest))

// Writes so many values, 0 where there is no winner.
SPARSE3D_KERNEL(template <typename T> void write_largest(
    const Largest& largest, std::int64_t count, T* out, std::int64_t* winners))

// Adds the inputs of the pairs, each divided by the divisor of its row unless there are none.
SPARSE3D_KERNEL(template <typename T> void add_rows(
    const RulePairs& pairs, const T* features, const float* divisors, std::int64_t channels,
    std::int64_t first_row, float* sums))

// Adds the number of pairs of each output.
SPARSE3D_KERNEL(void count_reads(const RulePairs& pairs, std::int64_t first_row, float* reads))

// Writes rows of sums, each divided by the divisor of its row unless there are none.
SPARSE3D_KERNEL(template <typename T> void write_rows(
    const float* sums, const float* divisors, std::int64_t rows, std::int64_t channels, T* out))

// The least and the largest of some winners; none are -1, and do not count.
struct WinnerRange {
  std::int64_t low, high;
};

// False if one is not in [-1, inputs).
SPARSE3D_KERNEL(bool find_range(const std::int64_t* winners, std::int64_t count,
                                std::int64_t inputs, WinnerRange& range))

// Adds each value to its channel of the row of its winner, if that is in [begin, end); in the order
// of the rows. `sums` are those of the inputs [begin, end).
SPARSE3D_KERNEL(template <typename T> void add_to_winners(
    const T* values, const std::int64_t* winners, std::int64_t rows, std::int64_t channels,
    std::int64_t begin, std::int64_t end, float* sums))

// The contrary: copies what stands at the winners, 0 where there is none. False if one of them is
// not in [-1, inputs).
SPARSE3D_KERNEL(template <typename T> bool take_from_winners(
    const T* values, std::int64_t inputs, const std::int64_t* winners, std::int64_t rows,
    std::int64_t channels, T* out))

}  // namespace sparse3d
