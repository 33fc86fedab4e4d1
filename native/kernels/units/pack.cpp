#include "kernels/units/half_products.hpp"

namespace sparse3d {
namespace {

// Columns of two rows beside each other; of a row that is not there, nothing is written.
void interleave(const std::uint16_t* first, const std::uint16_t* second, std::int64_t across,
                int columns, std::uint16_t* packed) {
  if (second == nullptr)
    for (int i = 0; i < columns; ++i) packed[2 * i] = first[i * across];
  else if (across == 1)  // the compiler finds vectors for it
    for (int i = 0; i < columns; ++i) {
      packed[2 * i] = first[i];
      packed[2 * i + 1] = second[i];
    }
  else
    for (int i = 0; i < columns; ++i) {
      packed[2 * i] = first[i * across];
      packed[2 * i + 1] = second[i * across];
    }
}

}  // namespace

void pack_halves(const HalfProducts& products, const std::uint16_t* matrix, int inputs,
                 int columns, bool transposed, std::uint16_t* packed) {
  constexpr int kPanel = 2 * kHalfColumns;
  const std::int64_t along = transposed ? 1 : columns, across = transposed ? inputs : 1;
  const int all = padded_to(kHalfColumns, columns), rows = padded_to(products.depth, inputs);
  for (int begin = 0; begin < all; begin += kPanel) {
    const int width = begin + kPanel < all ? kPanel : all - begin;
    const int there = begin + width < columns ? width : columns - begin;
    for (int row = 0; row < rows; row += 2, packed += 2 * width) {
      const bool whole = row + 1 < inputs && there == width;
      for (int i = 0; !whole && i < 2 * width; ++i) packed[i] = 0;
      if (row >= inputs) continue;
      const std::uint16_t* first = matrix + row * along + begin * across;
      interleave(first, row + 1 < inputs ? first + along : nullptr, across, there, packed);
    }
  }
}

}  // namespace sparse3d
