// Sparse convolution: every block of output rows is one thread's, and takes its pairs offset by
// offset, so the result does not depend on the number of threads.
#include "kernels/sparse_conv.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "bindings.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Rows = Tensor<const std::int32_t, 1>;
using Counts = Tensor<const std::int64_t, 1>;
using Matrix = Tensor<const float, 2>;

constexpr std::int64_t kBlock = 256;   // output rows of a task
constexpr std::int64_t kChunk = 8192;  // pairs of a task of the weight gradient

// The rules of a kernel, offset by offset.
struct Rules {
  const std::int32_t* from;
  const std::int32_t* to;
  std::vector<std::int64_t> starts;  // of each offset; one more at the end

  std::int64_t offsets() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t begin(std::int64_t offset) const {
    return starts[static_cast<std::size_t>(offset)];
  }
  RulePairs pairs(std::int64_t begin, std::int64_t end) const {
    return {from + begin, to + begin, end - begin};
  }
};

// Checks all that keeps the kernels within their arrays.
Rules make_rules(const Rows& from, const Rows& to, const Counts& counts, std::int64_t inputs,
                 std::int64_t outputs) {
  const auto total = static_cast<std::int64_t>(from.shape(0));
  expect_extent(to, 0, total, "to");
  Rules rules{from.data(), to.data(), {0}};
  for (std::size_t k = 0; k < counts.shape(0); ++k) {
    if (counts.data()[k] < 0 || counts.data()[k] > total - rules.starts.back())
      throw std::invalid_argument("counts must be those of the pairs");
    rules.starts.push_back(rules.starts.back() + counts.data()[k]);
  }
  if (rules.starts.back() != total)
    throw std::invalid_argument("counts must be those of the pairs");
  bool good = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : good)
  for (std::int64_t k = 0; k < rules.offsets(); ++k) {
    std::int64_t last = -1;
    bool fits = true;
    for (std::int64_t p = rules.begin(k); p < rules.begin(k + 1); ++p) {
      fits = fits && rules.to[p] > last && rules.from[p] >= 0 && rules.from[p] < inputs;
      last = rules.to[p];
    }
    good = good && fits && last < outputs;
  }
  if (!good)
    throw std::invalid_argument("pairs must name rows that exist, in the order of their outputs");
  return rules;
}

// First pair of each block of rows, [offsets, blocks + 1].
std::vector<std::int64_t> block_starts(const Rules& rules, std::int64_t blocks) {
  std::vector<std::int64_t> starts(static_cast<std::size_t>(rules.offsets() * (blocks + 1)));
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t k = 0; k < rules.offsets(); ++k) {
    std::int64_t* own = starts.data() + k * (blocks + 1);
    std::int64_t block = 0;
    for (std::int64_t p = rules.begin(k); p < rules.begin(k + 1); ++p)
      for (; block <= rules.to[p] / kBlock; ++block) own[block] = p;
    for (; block <= blocks; ++block) own[block] = rules.begin(k + 1);
  }
  return starts;
}

using Values = std::unique_ptr<float[]>;

Values new_values(std::int64_t count) {
  return Values(new float[static_cast<std::size_t>(std::max<std::int64_t>(count, 1))]);
}

// All matrices packed, one after the other.
Values pack(const float* weight, std::int64_t offsets, int rows, int columns, bool transposed,
            std::int64_t size) {
  Values packed = new_values(offsets * size);
  const auto pack_one = SPARSE3D_PICK(pack_panels);
  const std::int64_t step = std::int64_t{rows} * columns;
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < offsets; ++k)
    pack_one(weight + k * step, rows, columns, transposed, packed.get() + k * size);
  return packed;
}

struct Shape {
  int inputs, outputs, panels, stride;  // channels; panels of outputs; their columns

  Shape(std::size_t in, std::size_t out)
      : inputs(static_cast<int>(in)), outputs(static_cast<int>(out)) {
    const int width = SPARSE3D_PICK(panel_width)();
    panels = (outputs + width - 1) / width;
    stride = panels * width;
  }
};

// Copies padded rows into the output.
void copy_rows(const float* padded, std::int64_t rows, const Shape& shape, float* out) {
  for (std::int64_t row = 0; row < rows; ++row)
    std::copy_n(padded + row * shape.stride, shape.outputs, out + row * shape.outputs);
}

void convolve(const Rules& rules, const float* features, const float* packed, const Shape& shape,
              std::int64_t rows, float* out) {
  const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
  const std::vector<std::int64_t> starts = block_starts(rules, blocks);
  const auto multiply = SPARSE3D_PICK(multiply_pairs);
  const bool direct = shape.stride == shape.outputs;
#pragma omp parallel
  {
    const Values buffer = new_values(direct ? 0 : kBlock * shape.stride);
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t first = block * kBlock, count = std::min(kBlock, rows - first);
      float* target = direct ? out + first * shape.outputs : buffer.get();
      std::fill_n(target, count * shape.stride, 0.0f);
      for (std::int64_t k = 0; k < rules.offsets(); ++k) {
        const std::int64_t* own = starts.data() + k * (blocks + 1) + block;
        multiply(rules.pairs(own[0], own[1]), features, shape.inputs,
                 packed + k * shape.inputs * std::int64_t{shape.stride}, shape.panels, first,
                 target);
      }
      if (!direct) copy_rows(target, count, shape, out + first * shape.outputs);
    }
  }
}

void forward(const Matrix& features, const Tensor<const float, 3>& weight, bool transposed,
             const Rows& from, const Rows& to, const Counts& counts,
             const Tensor<float, 2>& out) {
  const Shape shape(features.shape(1), out.shape(1));
  expect_extent(weight, 0, static_cast<std::int64_t>(counts.shape(0)), "weight");
  expect_extent(weight, 1, transposed ? shape.outputs : shape.inputs, "weight");
  expect_extent(weight, 2, transposed ? shape.inputs : shape.outputs, "weight");
  const auto rows = static_cast<std::int64_t>(out.shape(0));
  const Rules rules =
      make_rules(from, to, counts, static_cast<std::int64_t>(features.shape(0)), rows);
  const Values packed = pack(weight.data(), rules.offsets(), shape.inputs, shape.outputs,
                             transposed, std::int64_t{shape.inputs} * shape.stride);
  convolve(rules, features.data(), packed.get(), shape, rows, out.data());
}

// A piece of the pairs of one offset.
struct Chunk {
  std::int64_t offset, begin, end;
};

std::vector<Chunk> cut(const Rules& rules) {
  std::vector<Chunk> chunks;
  for (std::int64_t k = 0; k < rules.offsets(); ++k)
    for (std::int64_t begin = rules.begin(k); begin < rules.begin(k + 1); begin += kChunk)
      chunks.push_back({k, begin, std::min(begin + kChunk, rules.begin(k + 1))});
  return chunks;
}

// Sums of the chunks of each offset, in their order, unpacked.
void add_chunks(const std::vector<Chunk>& chunks, const Shape& shape, std::int64_t offsets,
                Values& parts, float* out) {
  const std::int64_t size = std::int64_t{shape.inputs} * shape.stride;
  std::vector<std::int64_t> first(static_cast<std::size_t>(offsets), -1);
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    std::int64_t& sum = first[static_cast<std::size_t>(chunks[c].offset)];
    if (sum < 0) {
      sum = static_cast<std::int64_t>(c);
      continue;
    }
    const float* part = parts.get() + static_cast<std::int64_t>(c) * size;
    float* total = parts.get() + sum * size;
    for (std::int64_t i = 0; i < size; ++i) total[i] += part[i];
  }
  const auto unpack = SPARSE3D_PICK(unpack_panels);
  for (std::int64_t k = 0; k < offsets; ++k) {
    float* own = out + k * shape.inputs * std::int64_t{shape.outputs};
    const std::int64_t sum = first[static_cast<std::size_t>(k)];
    if (sum < 0)
      std::fill_n(own, std::int64_t{shape.inputs} * shape.outputs, 0.0f);
    else
      unpack(parts.get() + sum * size, shape.inputs, shape.outputs, own);
  }
}

void weight_gradient(const Matrix& features, const Matrix& gradient, const Rows& from,
                     const Rows& to, const Counts& counts, const Tensor<float, 3>& out) {
  const Shape shape(features.shape(1), gradient.shape(1));
  const Rules rules =
      make_rules(from, to, counts, static_cast<std::int64_t>(features.shape(0)),
                 static_cast<std::int64_t>(gradient.shape(0)));
  expect_extent(out, 0, rules.offsets(), "out");
  expect_extent(out, 1, shape.inputs, "out");
  expect_extent(out, 2, shape.outputs, "out");
  const std::vector<Chunk> chunks = cut(rules);
  const std::int64_t size = std::int64_t{shape.inputs} * shape.stride;
  const auto total = static_cast<std::int64_t>(chunks.size());
  Values parts = new_values(total * size);
  const auto add = SPARSE3D_PICK(add_outer_products);
  const std::int64_t space = SPARSE3D_PICK(outer_workspace)(shape.inputs, shape.outputs);
#pragma omp parallel
  {
    const Values workspace = new_values(space);
#pragma omp for schedule(dynamic)
    for (std::int64_t c = 0; c < total; ++c) {
      const Chunk& chunk = chunks[static_cast<std::size_t>(c)];
      std::fill_n(parts.get() + c * size, size, 0.0f);
      add(rules.pairs(chunk.begin, chunk.end), features.data(), shape.inputs, gradient.data(),
          shape.outputs, workspace.get(), parts.get() + c * size);
    }
  }
  add_chunks(chunks, shape, rules.offsets(), parts, out.data());
}

}  // namespace

void bind_sparse_conv(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("sparse_conv_forward", &forward, arg("features"), arg("weight"), arg("transposed"),
             arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"), release,
             "Set out to the sums over pairs of features[from] times weight[offset].");
  module.def("sparse_conv_weight_gradient", &weight_gradient, arg("features"), arg("gradient"),
             arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"), release,
             "Set out[offset] to the sum over pairs of features[from]^T gradient[to].");
}

}  // namespace sparse3d
