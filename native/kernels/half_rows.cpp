#include "kernels/half_rows.hpp"

#include "kernels/half_lanes.hpp"

namespace sparse3d::SPARSE3D_ISA {

void widen(const std::uint16_t* values, std::int64_t count, float* out) {
  widen_row(values, count, out);
}

void narrow_rows(const float* values, std::int64_t rows, int width, int stride,
                 std::uint16_t* out) {
  for (std::int64_t row = 0; row < rows; ++row, values += stride, out += width) {
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) store_narrowed(out + i, load_lanes(values + i));
    for (; i < width; ++i) out[i] = narrowed(values[i]);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
