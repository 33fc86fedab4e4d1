// Products of rows that rules pair with each other.
//
// A packed matrix holds panels of two registers of columns one after the other, each row by row, the
// last of one register where that is enough; zeros stand for the columns that are too many. So
// columns are padded to multiples of column_step().
#pragma once

#include <cstdint>

#include "isa.hpp"
#include "kernels/rule_pairs.hpp"

namespace sparse3d {

// Columns of a register.
SPARSE3D_KERNEL(int column_step())

// Packs a matrix [rows, columns], or [columns, rows] if it is to be transposed.
SPARSE3D_KERNEL(void pack_panels(const float* matrix, int rows, int columns, bool transposed,
                                 float* packed))

// The contrary, not transposed.
SPARSE3D_KERNEL(void unpack_panels(const float* packed, int rows, int columns, float* matrix))

// Row to - first_row of `result` += row `from` of `features` times the packed matrix, in the order
// of the pairs. Rows of `features` hold `inputs` values, those of `result` all padded columns.
SPARSE3D_KERNEL(void multiply_pairs(const RulePairs& pairs, const float* features, int inputs,
                                    const float* packed, int columns, std::int64_t first_row,
                                    float* result))

// Floats that multiply_halves needs besides.
SPARSE3D_KERNEL(std::int64_t widening_space(int inputs))

// multiply_pairs with rows of bfloat16.
SPARSE3D_KERNEL(void multiply_halves(const RulePairs& pairs, const std::uint16_t* features,
                                     int inputs, const float* packed, int columns,
                                     std::int64_t first_row, float* space, float* result))

// Floats from one gathered row to the next: an odd number of cache lines, so that the same column of
// many rows does not compete for few places of the cache.
SPARSE3D_KERNEL(int gathered_stride(int width))

// Gathers rows of `values`; what is between them stays.
SPARSE3D_KERNEL(void gather_rows(const std::int32_t* rows, int count, const float* values,
                                 int width, float* out))

// The same of the upper halves of floats: bfloat16.
SPARSE3D_KERNEL(void gather_halves(const std::int32_t* rows, int count, const std::uint16_t* values,
                                   int width, float* out))

// Packed [inputs, columns] `result` += left^T right, of `count` gathered rows. Those of the right have
// numbers in all padded columns.
SPARSE3D_KERNEL(void add_outer_products(int count, const float* left, int inputs,
                                        const float* right, int columns, float* result))

}  // namespace sparse3d
