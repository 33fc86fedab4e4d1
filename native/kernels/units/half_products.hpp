// Products of bfloat16 by instructions made for them, which sum in float32.
//
// The algorithms are written once, over a unit that stands for the instruction: dot.hpp and
// tiles.hpp. A unit is the hardware's, or imitates it in plain C++, with the same layouts, shapes and
// rounding, so that all but the instruction itself can be tested on any machine. Files of a unit keep
// to the rules of native/isa.hpp: those of hardware hold instructions that most machines lack.
#pragma once

#include <cstdint>

#include "kernels/rule_pairs.hpp"

namespace sparse3d {

// Rows [.., inputs], a packed matrix of one offset, and its columns.
struct HalfOperands {
  const std::uint16_t* features;
  int inputs;
  const std::uint16_t* packed;
  int columns;
};

struct HalfProducts {
  int depth;                               // packed matrices have a multiple of so many rows
  std::int64_t (*space_size)(int inputs);  // bytes of a thread's space
  void (*begin)();                         // come before and after the products of a block of rows,
  void (*end)();                           // on the thread that makes them
  // Row to - first_row of `sums`, of all padded columns, += row `from` of the features times the
  // packed matrix, in the order of the pairs. `space` starts on a cache line, as zeros.
  void (*multiply)(const HalfOperands& operands, const RulePairs& pairs, std::int64_t first_row,
                   void* space, float* sums);
};

extern const HalfProducts kDotEmulated;
extern const HalfProducts kTilesEmulated;
#ifdef SPARSE3D_AVX512_BF16
extern const HalfProducts kDot;  // AVX512-BF16
#endif
#ifdef SPARSE3D_AMX_BF16
extern const HalfProducts kTiles;  // AMX
#endif

constexpr int kHalfColumns = 16;  // of a register or tile: columns are padded to a multiple

static inline constexpr int padded_to(int step, int count) {
  return (count + step - 1) / step * step;
}

// Values of a packed matrix.
static inline constexpr std::int64_t packed_halves(const HalfProducts& products, int inputs,
                                                   int columns) {
  return std::int64_t{padded_to(products.depth, inputs)} * padded_to(kHalfColumns, columns);
}

// Packs a matrix [inputs, columns], or [columns, inputs] if it is to be transposed: panels of two
// registers of columns one after the other, the last of one where that is enough; a panel has its
// rows by twos, and of each two one value and the other beside it, column by column. Zeros stand for
// rows and columns that are too many.
void pack_halves(const HalfProducts& products, const std::uint16_t* matrix, int inputs,
                 int columns, bool transposed, std::uint16_t* packed);

}  // namespace sparse3d
