// Morton keys of cells, as sparse3d.geometry.morton makes them. Kernels use them, too, so functions
// are `static`: what one is compiled to for an instruction set stays there.
#pragma once

#include <cstdint>

namespace sparse3d {

constexpr int kAxisBits = 16;
constexpr std::int64_t kCellMask = (std::int64_t{1} << (3 * kAxisBits)) - 1;

struct Cell {
  std::int64_t batch;
  std::int32_t x, y, z;
};

// Two zero bits after each of 16 bits.
static inline std::int64_t spread_bits(std::int64_t value) {
  value = (value | value << 16) & 0x0000FF0000FF;
  value = (value | value << 8) & 0x00F00F00F00F;
  value = (value | value << 4) & 0x0C30C30C30C3;
  return (value | value << 2) & 0x249249249249;
}

// Every third bit, closed up.
static inline std::int32_t gather_bits(std::int64_t value) {
  value &= 0x249249249249;
  value = (value | value >> 2) & 0x0C30C30C30C3;
  value = (value | value >> 4) & 0x00F00F00F00F;
  value = (value | value >> 8) & 0x0000FF0000FF;
  return static_cast<std::int32_t>((value | value >> 16) & 0xFFFF);
}

static inline Cell decode(std::int64_t key) {
  return {key >> (3 * kAxisBits), gather_bits(key >> 2), gather_bits(key >> 1), gather_bits(key)};
}

static inline std::int64_t encode(const Cell& cell) {
  return cell.batch << (3 * kAxisBits) | spread_bits(cell.x) << 2 | spread_bits(cell.y) << 1 |
         spread_bits(cell.z);
}

}  // namespace sparse3d
