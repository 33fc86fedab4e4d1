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

constexpr std::int64_t kBlock = 256;   // output rows of a task
constexpr std::int64_t kChunk = 8192;  // pairs of a task of the weight gradient, or more
constexpr std::int64_t kChunks = 256;  // about so many tasks at most
constexpr int kBatch = 64;             // pairs whose rows are gathered at once

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
  const auto fit = SPARSE3D_PICK(pairs_fit);
#pragma omp parallel for schedule(dynamic) reduction(&& : good)
  for (std::int64_t k = 0; k < rules.offsets(); ++k)
    good = fit(rules.pairs(rules.begin(k), rules.begin(k + 1)), inputs, outputs) && good;
  if (!good)
    throw std::invalid_argument("pairs must name rows that exist, in the order of their outputs");
  return rules;
}

// First pair of each block of rows, [offsets, blocks + 1]. With an offset, a block has no more pairs
// than rows.
std::vector<std::int64_t> block_starts(const Rules& rules, std::int64_t blocks) {
  std::vector<std::int64_t> starts(static_cast<std::size_t>(rules.offsets() * (blocks + 1)));
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t k = 0; k < rules.offsets(); ++k) {
    std::int64_t* own = starts.data() + k * (blocks + 1);
    const std::int64_t end = rules.begin(k + 1);
    own[0] = rules.begin(k);
    for (std::int64_t block = 1; block <= blocks; ++block) {
      const std::int32_t* from = rules.to + own[block - 1];
      const std::int32_t* last = rules.to + std::min(own[block - 1] + kBlock, end);
      own[block] = std::lower_bound(from, last, block * kBlock) - rules.to;
    }
  }
  return starts;
}

using Values = std::unique_ptr<float[]>;

Values new_values(std::int64_t count) {
  return Values(new float[static_cast<std::size_t>(std::max<std::int64_t>(count, 1))]);
}

// What differs between float32 and bfloat16, whose products are summed in float32.
void gather(const std::int32_t* rows, int count, const float* values, int width, float* out) {
  SPARSE3D_PICK(gather_rows)(rows, count, values, width, out);
}
void gather(const std::int32_t* rows, int count, const bfloat16* values, int width, float* out) {
  SPARSE3D_PICK(gather_halves)(rows, count, &values->bits, width, out);
}
void copy_to(const float* values, std::int64_t count, float* out) {
  std::copy_n(values, count, out);
}
void copy_to(const float* values, std::int64_t count, bfloat16* out) {
  SPARSE3D_PICK(narrow)(values, count, &out->bits);
}
const float* widened(const float* values, std::int64_t, Values&) { return values; }
const float* widened(const bfloat16* values, std::int64_t count, Values& space) {
  space = new_values(count);
  SPARSE3D_PICK(widen)(&values->bits, count, space.get());
  return space.get();
}

struct Shape {
  int inputs, outputs, stride;  // channels; columns of outputs

  Shape(std::size_t in, std::size_t out)
      : inputs(static_cast<int>(in)), outputs(static_cast<int>(out)) {
    const int step = SPARSE3D_PICK(column_step)();
    stride = (outputs + step - 1) / step * step;
  }
  std::int64_t packed() const { return std::int64_t{inputs} * stride; }
};

// All matrices packed, one after the other.
Values pack(const float* weight, std::int64_t offsets, const Shape& shape, bool transposed) {
  Values packed = new_values(offsets * shape.packed());
  const auto pack_one = SPARSE3D_PICK(pack_panels);
  const std::int64_t step = std::int64_t{shape.inputs} * shape.outputs;
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < offsets; ++k)
    pack_one(weight + k * step, shape.inputs, shape.outputs, transposed,
             packed.get() + k * shape.packed());
  return packed;
}

// Multiplies rows with packed matrices; each thread has one.
class Multiplier {
 public:
  Multiplier(const float* features, const Shape& shape) : features_(features), shape_(shape) {}
  void add(const RulePairs& pairs, const float* packed, std::int64_t first, float* sums) {
    SPARSE3D_PICK(multiply_pairs)(pairs, features_, shape_.inputs, packed, shape_.outputs, first,
                                  sums);
  }

 private:
  const float* features_;
  const Shape& shape_;
};

// Of bfloat16: rows are widened, some at a time, and stand one after the other then.
class WideningMultiplier {
 public:
  WideningMultiplier(const bfloat16* features, const Shape& shape)
      : features_(features),
        shape_(shape),
        stride_(SPARSE3D_PICK(gathered_stride)(shape.inputs)),
        rows_(new_values(std::int64_t{kBatch} * stride_)) {
    for (std::int32_t p = 0; p < kBatch; ++p) own_[p] = p;
  }
  void add(const RulePairs& pairs, const float* packed, std::int64_t first, float* sums) {
    for (std::int64_t p = 0; p < pairs.count; p += kBatch) {
      const std::int64_t count = std::min<std::int64_t>(kBatch, pairs.count - p);
      gather(pairs.from + p, static_cast<int>(count), features_, shape_.inputs, rows_.get());
      SPARSE3D_PICK(multiply_gathered)({own_, pairs.to + p, count}, rows_.get(), shape_.inputs,
                                       packed, shape_.outputs, first, sums);
    }
  }

 private:
  const bfloat16* features_;
  const Shape& shape_;
  int stride_;
  Values rows_;
  std::int32_t own_[kBatch];
};

Multiplier multiplier_of(const float* features, const Shape& shape) { return {features, shape}; }
WideningMultiplier multiplier_of(const bfloat16* features, const Shape& shape) {
  return {features, shape};
}

// Whether sums can stand in the output itself.
bool fits(const float*, const Shape& shape) { return shape.stride == shape.outputs; }
bool fits(const bfloat16*, const Shape&) { return false; }
float* sums_in(float* out) { return out; }
float* sums_in(bfloat16*) { return nullptr; }

template <typename T>
void convolve(const Rules& rules, const T* features, const float* packed, const Shape& shape,
              std::int64_t rows, T* out) {
  const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
  const std::vector<std::int64_t> starts = block_starts(rules, blocks);
  const bool direct = fits(out, shape);
#pragma omp parallel
  {
    const Values buffer = new_values(direct ? 0 : kBlock * shape.stride);
    auto multiplier = multiplier_of(features, shape);
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t first = block * kBlock, count = std::min(kBlock, rows - first);
      T* own_out = out + first * shape.outputs;
      float* sums = direct ? sums_in(own_out) : buffer.get();
      std::fill_n(sums, count * shape.stride, 0.0f);
      for (std::int64_t k = 0; k < rules.offsets(); ++k) {
        const std::int64_t* own = starts.data() + k * (blocks + 1) + block;
        multiplier.add(rules.pairs(own[0], own[1]), packed + k * shape.packed(), first, sums);
      }
      for (std::int64_t row = 0; !direct && row < count; ++row)
        copy_to(sums + row * shape.stride, shape.outputs, own_out + row * shape.outputs);
    }
  }
}

template <typename T>
void forward(const Tensor<const T, 2>& features, const Tensor<const T, 3>& weight,
             bool transposed, const Rows& from, const Rows& to, const Counts& counts,
             const Tensor<T, 2>& out) {
  const Shape shape(features.shape(1), out.shape(1));
  expect_extent(weight, 0, static_cast<std::int64_t>(counts.shape(0)), "weight");
  expect_extent(weight, 1, transposed ? shape.outputs : shape.inputs, "weight");
  expect_extent(weight, 2, transposed ? shape.inputs : shape.outputs, "weight");
  const auto rows = static_cast<std::int64_t>(out.shape(0));
  const Rules rules =
      make_rules(from, to, counts, static_cast<std::int64_t>(features.shape(0)), rows);
  Values space;
  const float* matrices =
      widened(weight.data(), static_cast<std::int64_t>(weight.size()), space);
  const Values packed = pack(matrices, rules.offsets(), shape, transposed);
  space.reset();
  convolve(rules, features.data(), packed.get(), shape, rows, out.data());
}

// A piece of the pairs of one offset.
struct Chunk {
  std::int64_t offset, begin, end;
};

std::vector<Chunk> cut(const Rules& rules) {
  std::vector<Chunk> chunks;
  const std::int64_t size = std::max(kChunk, rules.starts.back() / kChunks);
  for (std::int64_t k = 0; k < rules.offsets(); ++k)
    for (std::int64_t begin = rules.begin(k); begin < rules.begin(k + 1); begin += size)
      chunks.push_back({k, begin, std::min(begin + size, rules.begin(k + 1))});
  return chunks;
}

// Sums of the chunks of each offset, in their order, unpacked.
void add_chunks(const std::vector<Chunk>& chunks, const Shape& shape, std::int64_t offsets,
                Values& parts, float* out) {
  const std::int64_t size = shape.packed();
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

// Sets `sums`, packed, to the outer products of the pairs, of rows gathered in `left` and `right`.
template <typename T>
void sum_products(const RulePairs& pairs, const T* features, const T* gradient,
                  const Shape& shape, float* left, float* right, float* sums) {
  std::fill_n(sums, shape.packed(), 0.0f);
  for (std::int64_t p = 0; p < pairs.count; p += kBatch) {
    const auto count = static_cast<int>(std::min<std::int64_t>(kBatch, pairs.count - p));
    gather(pairs.from + p, count, features, shape.inputs, left);
    gather(pairs.to + p, count, gradient, shape.outputs, right);
    SPARSE3D_PICK(add_outer_products)(count, left, shape.inputs, right, shape.outputs, sums);
  }
}

template <typename T>
void weight_gradient(const Tensor<const T, 2>& features, const Tensor<const T, 2>& gradient,
                     const Rows& from, const Rows& to, const Counts& counts,
                     const Tensor<float, 3>& out) {
  const Shape shape(features.shape(1), gradient.shape(1));
  const Rules rules =
      make_rules(from, to, counts, static_cast<std::int64_t>(features.shape(0)),
                 static_cast<std::int64_t>(gradient.shape(0)));
  expect_extent(out, 0, rules.offsets(), "out");
  expect_extent(out, 1, shape.inputs, "out");
  expect_extent(out, 2, shape.outputs, "out");
  const std::vector<Chunk> chunks = cut(rules);
  const auto total = static_cast<std::int64_t>(chunks.size());
  Values parts = new_values(total * shape.packed());
  const auto stride = SPARSE3D_PICK(gathered_stride);
#pragma omp parallel
  {
    const std::int64_t right_size = std::int64_t{kBatch} * stride(shape.stride);
    const Values left = new_values(std::int64_t{kBatch} * stride(shape.inputs));
    const Values right = new_values(right_size);
    std::fill_n(right.get(), right_size, 0.0f);
#pragma omp for schedule(dynamic)
    for (std::int64_t c = 0; c < total; ++c) {
      const Chunk& chunk = chunks[static_cast<std::size_t>(c)];
      sum_products(rules.pairs(chunk.begin, chunk.end), features.data(), gradient.data(), shape,
                   left.get(), right.get(), parts.get() + c * shape.packed());
    }
  }
  add_chunks(chunks, shape, rules.offsets(), parts, out.data());
}

// One dtype of rows.
template <typename T>
void bind_of(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("sparse_conv_forward", &forward<T>, arg("features"), arg("weight"),
             arg("transposed"), arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"),
             release, "Set out to the sums over pairs of features[from] times weight[offset].");
  module.def("sparse_conv_weight_gradient", &weight_gradient<T>, arg("features"),
             arg("gradient"), arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"),
             release, "Set out[offset] to the sum over pairs of features[from]^T gradient[to].");
}

}  // namespace

void bind_sparse_conv(nanobind::module_& module) {
  bind_of<float>(module);
  bind_of<bfloat16>(module);
}

}  // namespace sparse3d
