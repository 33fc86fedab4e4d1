// The unit of tiles.hpp as TDPBF16PS is documented to work: sums of first and of second channels
// apart, over all of a tile; then both are added, and what comes out to what was there.
#include <string.h>

#include "kernels/units/flushed.hpp"
#include "kernels/units/tiles.hpp"

namespace sparse3d {
namespace {

class EmulatedTiles {
 public:
  static void begin() {}
  static void end() {}

  static void copy_row(const std::uint16_t* row, int count, std::uint16_t* out) {
    for (int i = 0; i < count; ++i) out[i] = row[i];
    for (int i = count; i < padded_to(kPairs * 2, count); ++i) out[i] = 0;
  }
  static void add(const float* products, float* sums) {
    for (int i = 0; i < kHalfColumns; ++i) sums[i] += products[i];
  }

  template <int tile>
  void zero() {
    memset(tiles_[tile], 0, sizeof tiles_[tile]);
  }
  template <int tile>
  void load(const void* from, int stride) {
    for (int row = 0; row < kRows; ++row)
      memcpy(tiles_[tile][row], static_cast<const char*>(from) + row * stride, kPairs * 4);
  }
  template <int tile>
  void store(void* to, int stride) {
    for (int row = 0; row < kRows; ++row)
      memcpy(static_cast<char*>(to) + row * stride, tiles_[tile][row], kPairs * 4);
  }
  template <int sums, int rows, int columns>
  void multiply() {
    for (int m = 0; m < kRows; ++m)
      for (int n = 0; n < kPairs; ++n) {
        float first = 0, second = 0;
        for (int k = 0; k < kPairs; ++k) {
          const std::uint32_t a = tiles_[rows][m][k], b = tiles_[columns][k][n];
          first = fused_flushed(float_with(a << 16), float_with(b << 16), first);
          second =
              fused_flushed(float_with(a & 0xFFFF0000), float_with(b & 0xFFFF0000), second);
        }
        const float all = plus_flushed(float_with(tiles_[sums][m][n]), plus_flushed(first, second));
        memcpy(&tiles_[sums][m][n], &all, sizeof all);
      }
  }

 private:
  static constexpr int kRows = 16, kPairs = 16;  // a pair of bfloat16, or a float
  std::uint32_t tiles_[8][kRows][kPairs];
};

}  // namespace

const HalfProducts kTilesEmulated = Tiles<EmulatedTiles>::products();

}  // namespace sparse3d
