#include "kernels/sparse_conv.hpp"

#include "kernels/half_lanes.hpp"
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

constexpr int kAhead = 8;        // rows
constexpr int kWorthAsking = 8;  // channels of bfloat16: those of few are cheaper to wait for

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

// Rows of floats as they are.
struct FloatRows {
  const float* features;
  int inputs;

  inline const float* row(const RulePairs& pairs, std::int64_t p) const {
    return features + std::int64_t{pairs.from[p]} * inputs;
  }
  // Comes before any of the rows of pairs [begin, end) is read.
  inline void prepare(const RulePairs& pairs, std::int64_t, std::int64_t end) const {
    for (std::int64_t p = end; p < end + kRows && p < pairs.count; ++p)
      prefetch(row(pairs, p), 4 * std::int64_t{inputs});
  }
};

// Rows of bfloat16, those of the pairs from `first` on in a buffer of floats, where they stay for the
// other panels. Widened all at once, they would come one by one from memory.
struct HalfRows {
  const std::uint16_t* features;
  int inputs;
  float* buffer;
  std::int64_t first;

  inline float* place(std::int64_t p) const {
    return buffer + (p - first) * gathered_stride(inputs);
  }
  inline const std::uint16_t* source(const RulePairs& pairs, std::int64_t p) const {
    return features + std::int64_t{pairs.from[p]} * inputs;
  }
  inline const float* row(const RulePairs&, std::int64_t p) const { return place(p); }
  inline void prepare(const RulePairs& pairs, std::int64_t begin, std::int64_t end) const {
    const std::int64_t ahead = inputs < kWorthAsking ? end : end + kRows;
    for (std::int64_t p = end; p < ahead && p < pairs.count; ++p)
      prefetch(source(pairs, p), 2 * std::int64_t{inputs});
    for (std::int64_t p = begin; p < end; ++p) widen_row(source(pairs, p), inputs, place(p));
  }
};

template <typename Rows>
struct Multiply {
  Rows given;
  RulePairs pairs;
  std::int64_t first_row;
  std::int64_t stride;  // of the result

  // `rows` pairs from p on, one panel: the sums stay in registers over all inputs.
  template <int rows, int vectors>
  inline void run(std::int64_t p, const float* panel, float* result) const {
    const float* in[rows];
    float* out[rows];
    Lanes sums[rows][vectors];
    SPARSE3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      in[r] = given.row(pairs, p + r);
      out[r] = result + (pairs.to[p + r] - first_row) * stride;
      SPARSE3D_UNROLL
      for (int v = 0; v < vectors; ++v) sums[r][v] = load_lanes(out[r] + v * kLanes);
    }
    for (int i = 0; i < given.inputs; ++i, panel += vectors * kLanes) {
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
  inline void pick(std::int64_t count, std::int64_t p, const float* panel, float* result) const {
    if (count == rows)
      run<rows, vectors>(p, panel, result);
    else if constexpr (rows > 1)
      pick<rows - 1, vectors>(count, p, panel, result);
  }

  template <int vectors>
  void panel(std::int64_t begin, std::int64_t end, bool first, const float* panel,
             float* result) const {
    for (std::int64_t p = begin; p < end;) {
      const std::int64_t count = rows_to_take(end - p);
      if (first) given.prepare(pairs, p, p + count);
      pick<kRows, vectors>(count, p, panel, result);
      p += count;
    }
  }

  // Pairs [begin, end), all panels.
  void all(std::int64_t begin, std::int64_t end, const float* packed, int columns,
           float* result) const {
    for (int column = 0; column < columns; column += kPanel) {
      const float* own = packed + std::int64_t{column} * given.inputs;
      if (columns - column > kLanes)
        panel<2>(begin, end, column == 0, own, result + column);
      else
        panel<1>(begin, end, column == 0, own, result + column);
    }
  }
};

// Pairs whose rows are widened at once: they stay in the nearest cache.
std::int64_t widened_rows(int inputs) {
  constexpr int kValues = 5120;
  const int fit = kValues / gathered_stride(inputs);
  return fit > kRows ? fit : kRows;
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
  const FloatRows rows{features, inputs};
  const Multiply<FloatRows> multiply{rows, pairs, first_row, padded(columns)};
  multiply.all(0, pairs.count, packed, columns, result);
}

std::int64_t widening_space(int inputs) { return widened_rows(inputs) * gathered_stride(inputs); }

void multiply_halves(const RulePairs& pairs, const std::uint16_t* features, int inputs,
                     const float* packed, int columns, std::int64_t first_row, float* space,
                     float* result) {
  const std::int64_t batch = widened_rows(inputs);
  for (std::int64_t begin = 0; begin < pairs.count; begin += batch) {
    const std::int64_t end = begin + batch < pairs.count ? begin + batch : pairs.count;
    const HalfRows rows{features, inputs, space, begin};
    const Multiply<HalfRows> multiply{rows, pairs, first_row, padded(columns)};
    multiply.all(begin, end, packed, columns, result);
  }
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
  for (int p = 0; p < count; ++p, out += stride) {
    if (p + kAhead < count) prefetch(values + std::int64_t{rows[p + kAhead]} * width, 2 * width);
    widen_row(values + std::int64_t{rows[p]} * width, width, out);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
