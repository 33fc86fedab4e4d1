// The unit of tiles.hpp, of AMX, with AVX-512 for what is not done in tiles.
#include <immintrin.h>

#include "kernels/units/tiles.hpp"

namespace sparse3d {
namespace {

// Operand of LDTILECFG; of 16 tiles, there are 8.
struct alignas(64) Configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Configuration) == 64, "as the instruction reads it");

constexpr Configuration kConfiguration;

struct AmxTiles {
  static void begin() { _tile_loadconfig(&kConfiguration); }
  static void end() { _tile_release(); }

  static inline void copy_row(const std::uint16_t* row, int count, std::uint16_t* out) {
    int i = 0;
    for (; i + 32 <= count; i += 32) _mm512_store_si512(out + i, _mm512_loadu_si512(row + i));
    if (i == count) return;
    const __mmask32 there = (1u << (count - i)) - 1;
    _mm512_store_si512(out + i, _mm512_maskz_loadu_epi16(there, row + i));
  }
  static inline void add(const float* products, float* sums) {
    _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), _mm512_load_ps(products)));
  }

  // Names of tiles are part of an instruction; the compilers' own intrinsics take no parameters of
  // templates, and those of GCC do not say that they read memory.
  template <int tile>
  static inline void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  static inline void load(const void* from, std::int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                     :
                     : "r"(from), "r"(stride), "i"(tile)
                     : "memory");
  }
  template <int tile>
  static inline void store(void* to, std::int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)"
                     :
                     : "r"(to), "r"(stride), "i"(tile)
                     : "memory");
  }
  template <int sums, int rows, int columns>
  static inline void multiply() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0"
                     :
                     : "i"(sums), "i"(rows), "i"(columns));
  }
};

}  // namespace

const HalfProducts kTiles = Tiles<AmxTiles>::products();

}  // namespace sparse3d
