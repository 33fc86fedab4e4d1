#include "kernels/sparse_conv.hpp"

#include "kernels/lanes.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kPanel = 2 * kLanes;
constexpr int kRows = 6;    // 12 sums, 2 columns of the matrix and a factor fit 16 registers
constexpr int kBatch = 64;  // pairs whose rows are gathered at once

int panels_of(int columns) { return (columns + kPanel - 1) / kPanel; }

// `rows` pairs, one panel: the sums stay in registers over all inputs.
template <int rows>
inline void multiply_rows(const std::int32_t* from, const std::int32_t* to, const float* features,
                          int inputs, const float* panel, std::int64_t first_row,
                          std::int64_t stride, float* result) {
  const float* in[rows];
  float* out[rows];
  Lanes low[rows], high[rows];
  for (int r = 0; r < rows; ++r) {
    in[r] = features + std::int64_t{from[r]} * inputs;
    out[r] = result + (to[r] - first_row) * stride;
    low[r] = load_lanes(out[r]);
    high[r] = load_lanes(out[r] + kLanes);
  }
  for (int i = 0; i < inputs; ++i) {
    const Lanes left = load_lanes(panel + i * kPanel), right = load_lanes(panel + i * kPanel + kLanes);
    for (int r = 0; r < rows; ++r) {
      const Lanes factor = all_lanes(in[r][i]);
      low[r] = fused(factor, left, low[r]);
      high[r] = fused(factor, right, high[r]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    store_lanes(out[r], low[r]);
    store_lanes(out[r] + kLanes, high[r]);
  }
}

inline void multiply_rest(std::int64_t rest, const std::int32_t* from, const std::int32_t* to,
                          const float* features, int inputs, const float* panel,
                          std::int64_t first_row, std::int64_t stride, float* result) {
  switch (rest) {
    case 5: return multiply_rows<5>(from, to, features, inputs, panel, first_row, stride, result);
    case 4: return multiply_rows<4>(from, to, features, inputs, panel, first_row, stride, result);
    case 3: return multiply_rows<3>(from, to, features, inputs, panel, first_row, stride, result);
    case 2: return multiply_rows<2>(from, to, features, inputs, panel, first_row, stride, result);
    case 1: return multiply_rows<1>(from, to, features, inputs, panel, first_row, stride, result);
    default: return;
  }
}

// Adds to `rows` rows of one panel of the result, over a batch of gathered rows.
template <int rows>
inline void outer_rows(int count, const float* left, int inputs, const float* right,
                       std::int64_t stride, float* result) {
  Lanes low[rows], high[rows];
  for (int r = 0; r < rows; ++r) {
    low[r] = load_lanes(result + r * kPanel);
    high[r] = load_lanes(result + r * kPanel + kLanes);
  }
  for (int p = 0; p < count; ++p) {
    const Lanes first = load_lanes(right + p * stride), second = load_lanes(right + p * stride + kLanes);
    for (int r = 0; r < rows; ++r) {
      const Lanes factor = all_lanes(left[std::int64_t{p} * inputs + r]);
      low[r] = fused(factor, first, low[r]);
      high[r] = fused(factor, second, high[r]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    store_lanes(result + r * kPanel, low[r]);
    store_lanes(result + r * kPanel + kLanes, high[r]);
  }
}

inline void outer_rest(int rest, int count, const float* left, int inputs, const float* right,
                       std::int64_t stride, float* result) {
  switch (rest) {
    case 5: return outer_rows<5>(count, left, inputs, right, stride, result);
    case 4: return outer_rows<4>(count, left, inputs, right, stride, result);
    case 3: return outer_rows<3>(count, left, inputs, right, stride, result);
    case 2: return outer_rows<2>(count, left, inputs, right, stride, result);
    case 1: return outer_rows<1>(count, left, inputs, right, stride, result);
    default: return;
  }
}

// Rows one after the other, `stride` apart; what is beyond their values is left as it is.
void gather(const std::int32_t* rows, int count, const float* values, int width,
            std::int64_t stride, float* out) {
  for (int p = 0; p < count; ++p) {
    const float* row = values + std::int64_t{rows[p]} * width;
    float* to = out + p * stride;
    for (int i = 0; i < width; ++i) to[i] = row[i];
  }
}

}  // namespace

int panel_width() { return kPanel; }

void pack_panels(const float* matrix, int rows, int columns, bool transposed, float* packed) {
  for (int panel = 0; panel < panels_of(columns); ++panel)
    for (int row = 0; row < rows; ++row)
      for (int lane = 0; lane < kPanel; ++lane) {
        const std::int64_t column = panel * kPanel + lane;
        const std::int64_t place = transposed ? column * rows + row : std::int64_t{row} * columns + column;
        *packed++ = column < columns ? matrix[place] : 0.0f;
      }
}

void unpack_panels(const float* packed, int rows, int columns, float* matrix) {
  for (int panel = 0; panel < panels_of(columns); ++panel)
    for (int row = 0; row < rows; ++row, packed += kPanel)
      for (int lane = 0; lane < kPanel && panel * kPanel + lane < columns; ++lane)
        matrix[std::int64_t{row} * columns + panel * kPanel + lane] = packed[lane];
}

void multiply_pairs(const RulePairs& pairs, const float* features, int inputs, const float* packed,
                    int panels, std::int64_t first_row, float* result) {
  const std::int64_t stride = std::int64_t{panels} * kPanel;
  for (int panel = 0; panel < panels; ++panel) {
    const float* matrix = packed + std::int64_t{panel} * inputs * kPanel;
    float* columns = result + panel * kPanel;
    std::int64_t p = 0;
    for (; p + kRows <= pairs.count; p += kRows)
      multiply_rows<kRows>(pairs.from + p, pairs.to + p, features, inputs, matrix, first_row,
                           stride, columns);
    multiply_rest(pairs.count - p, pairs.from + p, pairs.to + p, features, inputs, matrix,
                  first_row, stride, columns);
  }
}

std::int64_t outer_workspace(int inputs, int outputs) {
  return std::int64_t{kBatch} * (inputs + panels_of(outputs) * kPanel);
}

void add_outer_products(const RulePairs& pairs, const float* left, int inputs, const float* right,
                        int outputs, float* workspace, float* result) {
  const int panels = panels_of(outputs);
  const std::int64_t stride = std::int64_t{panels} * kPanel;
  float* lefts = workspace;
  float* rights = workspace + std::int64_t{kBatch} * inputs;
  for (std::int64_t i = 0; i < kBatch * stride; ++i) rights[i] = 0.0f;
  for (std::int64_t begin = 0; begin < pairs.count; begin += kBatch) {
    const auto count = static_cast<int>(pairs.count - begin < kBatch ? pairs.count - begin : kBatch);
    gather(pairs.from + begin, count, left, inputs, inputs, lefts);
    gather(pairs.to + begin, count, right, outputs, stride, rights);
    for (int panel = 0; panel < panels; ++panel) {
      float* sums = result + std::int64_t{panel} * inputs * kPanel;
      const float* columns = rights + panel * kPanel;
      int row = 0;
      for (; row + kRows <= inputs; row += kRows)
        outer_rows<kRows>(count, lefts + row, inputs, columns, stride, sums + row * kPanel);
      outer_rest(inputs - row, count, lefts + row, inputs, columns, stride, sums + row * kPanel);
    }
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
