// Memory for packed matrices of float32 (see kernels/sparse_conv.hpp) and for what they multiply.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "bfloat16.hpp"
#include "kernels/sparse_conv.hpp"

namespace sparse3d {

constexpr std::int64_t kConvolutionBlock = 256;  // output rows that are worked on at once

using Values = std::unique_ptr<float[]>;

inline Values new_values(std::int64_t count) {
  return Values(new float[static_cast<std::size_t>(std::max<std::int64_t>(count, 1))]);
}

// Of rows that may be none, so that there is no first one to take the address of.
inline const std::uint16_t* bits_of(const bfloat16* rows) {
  return reinterpret_cast<const std::uint16_t*>(rows);
}
inline std::uint16_t* bits_of(bfloat16* rows) { return reinterpret_cast<std::uint16_t*>(rows); }

struct PanelShape {
  int inputs, outputs, stride;  // channels; columns of outputs

  PanelShape(int in, int out) : inputs(in), outputs(out) {
    const int step = SPARSE3D_PICK(column_step)();
    stride = (outputs + step - 1) / step * step;
  }
  std::int64_t packed() const { return std::int64_t{inputs} * stride; }
};

}  // namespace sparse3d
