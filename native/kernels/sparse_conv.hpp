// Products of rows that rules pair with each other.
//
// A packed matrix holds panels of panel_width() columns one after the other, each row by row, with
// zeros for the columns that are too many.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

// Pairs of one offset of the kernel: row from[i] goes to row to[i].
struct RulePairs {
  const std::int32_t* from;
  const std::int32_t* to;
  std::int64_t count;
};

// Columns of a panel.
SPARSE3D_KERNEL(int panel_width())

// Packs a matrix [rows, columns], or [columns, rows] if it is to be transposed.
SPARSE3D_KERNEL(void pack_panels(const float* matrix, int rows, int columns, bool transposed,
                                 float* packed))

// Row to - first_row of `result` += row `from` of `features` times the packed matrix, in the order
// of the pairs. Rows of `features` hold `inputs` values, those of `result` all columns of `panels`
// panels.
SPARSE3D_KERNEL(void multiply_pairs(const RulePairs& pairs, const float* features, int inputs,
                                    const float* packed, int panels, std::int64_t first_row,
                                    float* result))

// Packed [inputs, outputs] `result` += sum over pairs of (row `from` of left)^T (row `to` of right).
// `workspace` holds outer_workspace(inputs, panels) values.
SPARSE3D_KERNEL(void add_outer_products(const RulePairs& pairs, const float* left, int inputs,
                                        const float* right, int outputs, float* workspace,
                                        float* result))
SPARSE3D_KERNEL(std::int64_t outer_workspace(int inputs, int outputs))

// The contrary of pack_panels, not transposed.
SPARSE3D_KERNEL(void unpack_panels(const float* packed, int rows, int columns, float* matrix))

}  // namespace sparse3d
