// Products of bfloat16 by an instruction that adds two of them, of neighbouring channels, to each
// float of a register.
//
// A unit has registers `Sums` of floats and `Twos` of two bfloat16 for each of them, loads and stores
// them, and `dot` is sums + factors . columns.
#pragma once

#include <string.h>

#include "kernels/units/half_products.hpp"
#include "kernels/unroll.hpp"

namespace sparse3d {
namespace {

template <typename Unit>
struct Dot {
  using Sums = typename Unit::Sums;
  using Twos = typename Unit::Twos;
  // Rows times two sums, two columns and a factor fit 32 registers.
  static constexpr int kRows = 12;
  static constexpr int kPanel = 2 * kHalfColumns;

  const HalfOperands& operands;
  const RulePairs& pairs;
  std::int64_t first_row;
  float* sums;

  const std::uint16_t* row(std::int64_t p) const {
    return operands.features + std::int64_t{pairs.from[p]} * operands.inputs;
  }

  template <int rows, int vectors>
  static inline void step(const std::uint32_t (&factors)[rows], const std::uint16_t* panel,
                          Sums (&own)[rows][vectors]) {
    Twos columns[vectors];
    SPARSE3D_UNROLL
    for (int v = 0; v < vectors; ++v) columns[v] = Unit::load_twos(panel + v * kPanel);
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      const Twos factor = Unit::all_twos(factors[r]);
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) own[r][v] = Unit::dot(own[r][v], factor, columns[v]);
    }
  }

  // `rows` pairs from p on, one panel: the sums stay in registers over all inputs.
  template <int rows, int vectors>
  inline void run(std::int64_t p, const std::uint16_t* panel, int column) const {
    const std::int64_t stride = padded_to(kHalfColumns, operands.columns);
    const std::uint16_t* in[rows];
    float* out[rows];
    Sums own[rows][vectors];
    std::uint32_t factors[rows];
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      in[r] = row(p + r);
      out[r] = sums + (pairs.to[p + r] - first_row) * stride + column;
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) own[r][v] = Unit::load(out[r] + v * kHalfColumns);
    }
    int i = 0;
    for (; i + 2 <= operands.inputs; i += 2, panel += vectors * kPanel) {
      SPARSE3D_UNROLL
      for (int r = 0; r < rows; ++r) memcpy(&factors[r], in[r] + i, sizeof factors[r]);
      step<rows, vectors>(factors, panel, own);
    }
    if (i < operands.inputs) {  // the other one is zero
      SPARSE3D_UNROLL
      for (int r = 0; r < rows; ++r) factors[r] = in[r][i];
      step<rows, vectors>(factors, panel, own);
    }
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) Unit::store(out[r] + v * kHalfColumns, own[r][v]);
    }
  }

  template <int rows, int vectors>
  inline void pick(std::int64_t count, std::int64_t p, const std::uint16_t* panel,
                   int column) const {
    if (count == rows)
      run<rows, vectors>(p, panel, column);
    else if constexpr (rows > 1)
      pick<rows - 1, vectors>(count, p, panel, column);
  }

  void prefetch(std::int64_t begin) const {
#if defined(__GNUC__)
    for (std::int64_t p = begin; p < begin + kRows && p < pairs.count; ++p)
      for (int i = 0; i < operands.inputs; i += 32) __builtin_prefetch(row(p) + i);
#else
    static_cast<void>(begin);
#endif
  }

  template <int vectors>
  void panel(const std::uint16_t* packed, int column) const {
    for (std::int64_t p = 0; p < pairs.count;) {
      const std::int64_t left = pairs.count - p;  // never few rows after many
      const std::int64_t half = left < 2 * kRows ? (left + 1) / 2 : kRows;
      const std::int64_t count = left <= kRows ? left : half;
      if (column == 0) prefetch(p + count);
      pick<kRows, vectors>(count, p, packed, column);
      p += count;
    }
  }

  static std::int64_t space_size(int) { return 0; }
  static void nothing() {}

  static void multiply(const HalfOperands& operands, const RulePairs& pairs,
                       std::int64_t first_row, void*, float* sums) {
    const Dot dot{operands, pairs, first_row, sums};
    const std::int64_t depth = padded_to(2, operands.inputs);
    for (int column = 0; column < operands.columns; column += kPanel) {
      const std::uint16_t* packed = operands.packed + column * depth;
      if (operands.columns - column > kHalfColumns)
        dot.template panel<2>(packed, column);
      else
        dot.template panel<1>(packed, column);
    }
  }

  static constexpr HalfProducts products() { return {2, space_size, nothing, nothing, multiply}; }
};

}  // namespace
}  // namespace sparse3d
