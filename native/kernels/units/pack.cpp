#include "kernels/units/half_products.hpp"

namespace sparse3d {

void pack_halves(const HalfProducts& products, const std::uint16_t* matrix, int inputs,
                 int columns, bool transposed, std::uint16_t* packed) {
  constexpr int kPanel = 2 * kHalfColumns;
  const std::int64_t along = transposed ? 1 : columns, across = transposed ? inputs : 1;
  const int all = padded_to(kHalfColumns, columns), rows = padded_to(products.depth, inputs);
  const auto value = [&](int row, int column) -> std::uint16_t {
    const bool there = row < inputs && column < columns;
    return there ? matrix[row * along + column * across] : std::uint16_t{0};
  };
  for (int begin = 0; begin < all; begin += kPanel) {
    const int end = begin + kPanel < all ? begin + kPanel : all;
    for (int row = 0; row < rows; row += 2)
      for (int column = begin; column < end; ++column) {
        *packed++ = value(row, column);
        *packed++ = value(row + 1, column);
      }
  }
}

}  // namespace sparse3d
