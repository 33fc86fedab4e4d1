// Products of bfloat16 by an instruction that multiplies whole tiles: 16 rows of 32 channels with 32
// channels of 16 columns.
//
// A unit has eight tiles: sums 0 to 3, two rows of two beside each other; rows 4 and 5 below each
// other; columns 6 and 7 beside each other. All are 16 rows of 64 bytes.
#pragma once

#include "kernels/units/half_products.hpp"

namespace sparse3d {
namespace {

template <typename Unit>
class Tiles {
 public:
  static constexpr HalfProducts products() {
    return {kDepth, space_size, Unit::begin, Unit::end, multiply};
  }

 private:
  static constexpr int kDepth = 32;        // channels of a tile
  static constexpr int kTile = 16;         // rows of a tile
  static constexpr int kRows = 2 * kTile;  // pairs that are taken at once
  static constexpr int kPanel = 2 * kHalfColumns;

  // Gathered rows are padded to whole tiles, and to an odd number of cache lines, so that rows do not
  // compete for few places of the cache.
  static int row_stride(int inputs) { return (padded_to(kDepth, inputs) / kDepth | 1) * kDepth; }

  // The sums of 32 rows and columns, then the gathered rows.
  static std::int64_t space_size(int inputs) {
    return sizeof(float) * kRows * kPanel + sizeof(std::uint16_t) * kRows * row_stride(inputs);
  }

  Tiles(const HalfOperands& operands, void* space)
      : operands_(operands),
        depth_(padded_to(kDepth, operands.inputs)),
        stride_(row_stride(operands.inputs)),
        products_(static_cast<float*>(space)),
        rows_(reinterpret_cast<std::uint16_t*>(products_ + kRows * kPanel)) {}

  static void multiply(const HalfOperands& operands, const RulePairs& pairs,
                       std::int64_t first_row, void* space, float* sums) {
    Tiles tiles(operands, space);
    for (std::int64_t begin = 0; begin < pairs.count; begin += kRows) {
      const std::int64_t left = pairs.count - begin;
      const int count = left < kRows ? static_cast<int>(left) : kRows;
      const RulePairs own{pairs.from + begin, pairs.to + begin, count};
      tiles.gather(own, left);
      tiles.all_panels(own, first_row, sums);
    }
  }

  // Of rows behind the last, tiles have what an earlier group left there; nobody looks at their sums.
  void gather(const RulePairs& own, std::int64_t left) {
    for (int p = 0; p < own.count; ++p) {
      if (p + kRows < left) prefetch(row(own, p + kRows));
      Unit::copy_row(row(own, p), operands_.inputs, rows_ + p * stride_);
    }
  }

  const std::uint16_t* row(const RulePairs& own, int p) const {
    return operands_.features + std::int64_t{own.from[p]} * operands_.inputs;
  }

  void prefetch(const std::uint16_t* row) const {
#if defined(__GNUC__)
    for (int i = 0; i < operands_.inputs; i += kDepth) __builtin_prefetch(row + i);
#else
    static_cast<void>(row);
#endif
  }

  void all_panels(const RulePairs& own, std::int64_t first_row, float* sums) {
    const std::int64_t stride = padded_to(kHalfColumns, operands_.columns);
    for (int column = 0; column < stride; column += kPanel) {
      const std::uint16_t* panel = operands_.packed + std::int64_t{column} * depth_;
      const bool two = stride - column > kHalfColumns;
      if (own.count > kTile)
        two ? tiles<2, 2>(panel) : tiles<2, 1>(panel);
      else
        two ? tiles<1, 2>(panel) : tiles<1, 1>(panel);
      for (int p = 0; p < own.count; ++p) {
        float* out = sums + (own.to[p] - first_row) * stride + column;
        Unit::add(products_ + p * kPanel, out);
        if (two) Unit::add(products_ + p * kPanel + kHalfColumns, out + kHalfColumns);
      }
    }
  }

  // Products of `high` tiles of rows and `wide` tiles of columns, over all channels.
  template <int high, int wide>
  void tiles(const std::uint16_t* panel) {
    constexpr int kSumsBytes = sizeof(float) * kPanel;
    constexpr int kPanelHalves = kPanel * wide;  // of two channels
    const int row_bytes = static_cast<int>(sizeof(std::uint16_t)) * stride_;
    unit_.template zero<0>();
    if constexpr (wide > 1) unit_.template zero<1>();
    if constexpr (high > 1) unit_.template zero<2>();
    if constexpr (high > 1 && wide > 1) unit_.template zero<3>();
    for (int i = 0; i < depth_; i += kDepth, panel += kTile * kPanelHalves) {
      unit_.template load<4>(rows_ + i, row_bytes);
      unit_.template load<6>(panel, 2 * kPanelHalves);
      unit_.template multiply<0, 4, 6>();
      if constexpr (wide > 1) {
        unit_.template load<7>(panel + kPanel, 2 * kPanelHalves);
        unit_.template multiply<1, 4, 7>();
      }
      if constexpr (high > 1) {
        unit_.template load<5>(rows_ + kTile * stride_ + i, row_bytes);
        unit_.template multiply<2, 5, 6>();
      }
      if constexpr (high > 1 && wide > 1) unit_.template multiply<3, 5, 7>();
    }
    float* below = products_ + kTile * kPanel;
    unit_.template store<0>(products_, kSumsBytes);
    if constexpr (wide > 1) unit_.template store<1>(products_ + kHalfColumns, kSumsBytes);
    if constexpr (high > 1) unit_.template store<2>(below, kSumsBytes);
    if constexpr (high > 1 && wide > 1) unit_.template store<3>(below + kHalfColumns, kSumsBytes);
  }

  const HalfOperands& operands_;
  int depth_, stride_;
  float* products_;      // [kRows, kPanel]
  std::uint16_t* rows_;  // [kRows, stride_]
  Unit unit_;
};

}  // namespace
}  // namespace sparse3d
