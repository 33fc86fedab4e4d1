#include "kernels/sparse_conv.hpp"

#include "kernels/halves.hpp"
#include "kernels/lanes.hpp"
#include "kernels/unroll.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kPanel = 2 * kLanes;
// Rows times two sums, two columns of the matrix and a factor fit the registers: 32 of AVX-512 and
// NEON, else 16.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif

constexpr int kAhead = 8;  // rows

int padded(int columns) { return (columns + kLanes - 1) / kLanes * kLanes; }

// How many of the rows that are left are taken at once: never few after many.
inline std::int64_t rows_to_take(std::int64_t left) {
  return left <= kRows ? left : left >= 2 * kRows ? kRows : (left + 1) / 2;
}

// Asks for a row that is read soon: of rows in any order, the processor cannot tell.
inline void prefetch(const void* row, std::int64_t bytes) {
#if defined(__GNUC__)
  constexpr std::int64_t kLine = 64;
  for (std::int64_t byte = 0; byte < bytes; byte += kLine)
    __builtin_prefetch(static_cast<const char*>(row) + byte);
#else
  static_cast<void>(row);
  static_cast<void>(bytes);
#endif
}

struct Multiply {
  const float* features;
  int inputs;
  std::int64_t row_stride;  // of the features
  std::int64_t first_row;
  std::int64_t stride;  // of the result

  // `rows` pairs, one panel: the sums stay in registers over all inputs.
  template <int rows, int vectors>
  inline void run(const std::int32_t* from, const std::int32_t* to, const float* panel,
                  float* result) const {
    const float* in[rows];
    float* out[rows];
    Lanes sums[rows][vectors];
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      in[r] = features + from[r] * row_stride;
      out[r] = result + (to[r] - first_row) * stride;
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) sums[r][v] = load_lanes(out[r] + v * kLanes);
    }
    for (int i = 0; i < inputs; ++i, panel += vectors * kLanes) {
      Lanes columns[vectors];
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) columns[v] = load_lanes(panel + v * kLanes);
      SPARSE3D_UNROLL
      for (int r = 0; r < rows; ++r) {
        const Lanes factor = all_lanes(in[r][i]);
        SPARSE3D_UNROLL
        for (int v = 0; v < vectors; ++v) sums[r][v] = fused(factor, columns[v], sums[r][v]);
      }
    }
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) store_lanes(out[r] + v * kLanes, sums[r][v]);
    }
  }

  template <int rows, int vectors>
  inline void pick(std::int64_t count, const std::int32_t* from, const std::int32_t* to,
                   const float* panel, float* result) const {
    if (count == rows)
      run<rows, vectors>(from, to, panel, result);
    else if constexpr (rows > 1)
      pick<rows - 1, vectors>(count, from, to, panel, result);
  }

  template <int vectors>
  void all(const RulePairs& pairs, bool ahead, const float* panel, float* result) const {
    for (std::int64_t p = 0; p < pairs.count;) {
      const std::int64_t count = rows_to_take(pairs.count - p);
      if (ahead)
        for (std::int64_t next = p + count; next < p + count + kRows && next < pairs.count; ++next)
          prefetch(features + pairs.from[next] * row_stride, 4 * inputs);
      pick<kRows, vectors>(count, pairs.from + p, pairs.to + p, panel, result);
      p += count;
    }
  }
};

void multiply(const Multiply& multiply, const RulePairs& pairs, const float* packed, int columns,
              float* result) {
  for (int begin = 0; begin < columns; begin += kPanel) {
    const float* panel = packed + std::int64_t{begin} * multiply.inputs;
    if (columns - begin > kLanes)
      multiply.all<2>(pairs, begin == 0, panel, result + begin);
    else
      multiply.all<1>(pairs, begin == 0, panel, result + begin);
  }
}

// Adds to `rows` rows of one panel of the result, over all rows of left and right.
template <int rows, int vectors>
inline void outer_rows(int count, const float* left, std::int64_t left_stride, const float* right,
                       std::int64_t stride, float* result) {
  Lanes sums[rows][vectors];
  SPARSE3D_UNROLL
  for (int r = 0; r < rows; ++r) {
    SPARSE3D_UNROLL
    for (int v = 0; v < vectors; ++v) sums[r][v] = load_lanes(result + (r * vectors + v) * kLanes);
  }
  for (int p = 0; p < count; ++p, left += left_stride, right += stride) {
    Lanes columns[vectors];
    SPARSE3D_UNROLL
    for (int v = 0; v < vectors; ++v) columns[v] = load_lanes(right + v * kLanes);
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      const Lanes factor = all_lanes(left[r]);
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) sums[r][v] = fused(factor, columns[v], sums[r][v]);
    }
  }
  SPARSE3D_UNROLL
  for (int r = 0; r < rows; ++r) {
    SPARSE3D_UNROLL
    for (int v = 0; v < vectors; ++v) store_lanes(result + (r * vectors + v) * kLanes, sums[r][v]);
  }
}

template <int rows, int vectors>
inline void outer_pick(std::int64_t rest, int count, const float* left, std::int64_t left_stride,
                       const float* right, std::int64_t stride, float* result) {
  if (rest == rows)
    outer_rows<rows, vectors>(count, left, left_stride, right, stride, result);
  else if constexpr (rows > 1)
    outer_pick<rows - 1, vectors>(rest, count, left, left_stride, right, stride, result);
}

template <int vectors>
void outer_panel(int count, const float* left, int inputs, const float* right, std::int64_t stride,
                 float* result) {
  for (int row = 0; row < inputs;) {
    const auto rows = static_cast<int>(rows_to_take(inputs - row));
    outer_pick<kRows, vectors>(rows, count, left + row, gathered_stride(inputs), right, stride,
                               result + row * vectors * kLanes);
    row += rows;
  }
}

}  // namespace

int column_step() { return kLanes; }

int gathered_stride(int width) {
  constexpr int kLine = 16;
  return ((width + kLine - 1) / kLine | 1) * kLine;
}

void pack_panels(const float* matrix, int rows, int columns, bool transposed, float* packed) {
  const std::int64_t along = transposed ? 1 : columns, across = transposed ? rows : 1;
  for (int begin = 0; begin < columns; begin += kPanel) {
    const int end = begin + kPanel < padded(columns) ? begin + kPanel : padded(columns);
    for (int row = 0; row < rows; ++row)
      for (int column = begin; column < end; ++column)
        *packed++ = column < columns ? matrix[row * along + column * across] : 0.0f;
  }
}

void unpack_panels(const float* packed, int rows, int columns, float* matrix) {
  for (int begin = 0; begin < columns; begin += kPanel) {
    const int end = begin + kPanel < padded(columns) ? begin + kPanel : padded(columns);
    for (int row = 0; row < rows; ++row, packed += end - begin)
      for (int column = begin; column < end && column < columns; ++column)
        matrix[std::int64_t{row} * columns + column] = packed[column - begin];
  }
}

void multiply_pairs(const RulePairs& pairs, const float* features, int inputs, const float* packed,
                    int columns, std::int64_t first_row, float* result) {
  multiply({features, inputs, inputs, first_row, padded(columns)}, pairs, packed, columns, result);
}

void multiply_gathered(const RulePairs& pairs, const float* gathered, int inputs,
                       const float* packed, int columns, std::int64_t first_row, float* result) {
  multiply({gathered, inputs, gathered_stride(inputs), first_row, padded(columns)}, pairs, packed,
           columns, result);
}

void add_outer_products(int count, const float* left, int inputs, const float* right, int columns,
                        float* result) {
  const std::int64_t stride = gathered_stride(columns);
  for (int begin = 0; begin < columns; begin += kPanel) {
    float* sums = result + std::int64_t{begin} * inputs;
    if (columns - begin > kLanes)
      outer_panel<2>(count, left, inputs, right + begin, stride, sums);
    else
      outer_panel<1>(count, left, inputs, right + begin, stride, sums);
  }
}

void gather_rows(const std::int32_t* rows, int count, const float* values, int width,
                 float* out) {
  const int stride = gathered_stride(width);
  for (int p = 0; p < count; ++p, out += stride) {
    const float* row = values + std::int64_t{rows[p]} * width;
    if (p + kAhead < count) prefetch(values + std::int64_t{rows[p + kAhead]} * width, 4 * width);
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) store_lanes(out + i, load_lanes(row + i));
    for (; i < width; ++i) out[i] = row[i];
  }
}

void gather_halves(const std::int32_t* rows, int count, const std::uint16_t* values, int width,
                   float* out) {
  const int stride = gathered_stride(width);
  for (int p = 0; p < count; ++p, out += stride)
    widen(values + std::int64_t{rows[p]} * width, width, out);
}

void widen(const std::uint16_t* values, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = widened(values[i]);
}

void narrow(const float* values, std::int64_t count, std::uint16_t* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = narrowed(values[i]);
}

}  // namespace sparse3d::SPARSE3D_ISA
