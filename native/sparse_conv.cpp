// Sparse convolution: every block of output rows is one thread's, and takes its pairs offset by
// offset, so the result does not depend on the number of threads.
#include "kernels/sparse_conv.hpp"

#include <algorithm>
#include <memory>

#include "bindings.hpp"
#include "pair_tensors.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kBlock = 256;    // output rows that are worked on at once
constexpr std::int64_t kSegments = 32;  // of the weight gradient, at most
constexpr std::int64_t kTasks = 64;     // of the weight gradient, about
constexpr int kBatch = 64;              // pairs whose rows are gathered at once

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
void convolve(const PairList& rules, const T* features, const float* packed, const Shape& shape,
              std::int64_t rows, T* out) {
  const PairBlocks blocks(rules, rows, kBlock);
  const bool direct = fits(out, shape);
#pragma omp parallel
  {
    const Values buffer = new_values(direct ? 0 : kBlock * shape.stride);
    auto multiplier = multiplier_of(features, shape);
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
      const std::int64_t first = blocks.first(block), count = blocks.rows(block);
      T* own_out = out + first * shape.outputs;
      float* sums = direct ? sums_in(own_out) : buffer.get();
      std::fill_n(sums, count * shape.stride, 0.0f);
      for (std::int64_t k = 0; k < rules.offsets(); ++k)
        multiplier.add(blocks.pairs(k, block), packed + k * shape.packed(), first, sums);
      for (std::int64_t row = 0; !direct && row < count; ++row)
        copy_to(sums + row * shape.stride, shape.outputs, own_out + row * shape.outputs);
    }
  }
}

template <typename T>
void forward(const Tensor<const T, 2>& features, const Tensor<const T, 3>& weight,
             bool transposed, const PairRows& from, const PairRows& to, const PairCounts& counts,
             const Tensor<T, 2>& out) {
  const Shape shape(features.shape(1), out.shape(1));
  expect_extent(weight, 0, static_cast<std::int64_t>(counts.shape(0)), "weight");
  expect_extent(weight, 1, transposed ? shape.outputs : shape.inputs, "weight");
  expect_extent(weight, 2, transposed ? shape.inputs : shape.outputs, "weight");
  const auto rows = static_cast<std::int64_t>(out.shape(0));
  const PairList rules = pairs_of(from, to, counts, features.shape(0), out.shape(0));
  Values space;
  const float* matrices =
      widened(weight.data(), static_cast<std::int64_t>(weight.size()), space);
  const Values packed = pack(matrices, rules.offsets(), shape, transposed);
  space.reset();
  convolve(rules, features.data(), packed.get(), shape, rows, out.data());
}

// How the weight gradient is divided: each segment of blocks has sums of its own, which take no more
// than an eighth of the memory of the rows, and each group of offsets of a segment is a task.
struct Division {
  std::int64_t blocks, segments, groups, offsets;

  Division(std::int64_t values, std::int64_t all_blocks, std::int64_t all_offsets,
           std::int64_t packed)
      : blocks(all_blocks), offsets(all_offsets) {
    const std::int64_t fit = values / 8 / std::max<std::int64_t>(1, offsets * packed);
    segments = std::max<std::int64_t>(1, std::min({fit, kSegments, blocks}));
    groups = std::min(offsets, (kTasks + segments - 1) / segments);
  }
  std::int64_t tasks() const { return segments * groups; }
  std::int64_t block_begin(std::int64_t segment) const { return segment * blocks / segments; }
  std::int64_t offset_begin(std::int64_t group) const { return group * offsets / groups; }
};

// Sums of the segments in their order, unpacked.
void add_segments(const Division& division, const Shape& shape, float* parts, float* out) {
  const std::int64_t size = shape.packed(), all = division.offsets * size;
  const auto unpack = SPARSE3D_PICK(unpack_panels);
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < division.offsets; ++k) {
    float* total = parts + k * size;
    for (std::int64_t segment = 1; segment < division.segments; ++segment)
      for (std::int64_t i = 0; i < size; ++i) total[i] += total[segment * all + i];
    unpack(total, shape.inputs, shape.outputs, out + k * shape.inputs * std::int64_t{shape.outputs});
  }
}

// Outer products of rows of features and gradients, gathered some at a time; each thread has one.
template <typename T>
class OuterProducts {
 public:
  OuterProducts(const T* features, const T* gradient, const Shape& shape)
      : features_(features), gradient_(gradient), shape_(shape) {
    const auto stride = SPARSE3D_PICK(gathered_stride);
    const std::int64_t right_size = std::int64_t{kBatch} * stride(shape.stride);
    left_ = new_values(std::int64_t{kBatch} * stride(shape.inputs));
    right_ = new_values(right_size);
    std::fill_n(right_.get(), right_size, 0.0f);
  }
  void add(const RulePairs& pairs, float* sums) {
    for (std::int64_t p = 0; p < pairs.count; p += kBatch) {
      const auto count = static_cast<int>(std::min<std::int64_t>(kBatch, pairs.count - p));
      gather(pairs.from + p, count, features_, shape_.inputs, left_.get());
      gather(pairs.to + p, count, gradient_, shape_.outputs, right_.get());
      SPARSE3D_PICK(add_outer_products)(count, left_.get(), shape_.inputs, right_.get(),
                                        shape_.outputs, sums);
    }
  }

 private:
  const T* features_;
  const T* gradient_;
  const Shape& shape_;
  Values left_, right_;
};

template <typename T>
void weight_gradient(const Tensor<const T, 2>& features, const Tensor<const T, 2>& gradient,
                     const PairRows& from, const PairRows& to, const PairCounts& counts,
                     const Tensor<float, 3>& out) {
  const Shape shape(features.shape(1), gradient.shape(1));
  const auto rows = static_cast<std::int64_t>(gradient.shape(0));
  const PairList rules = pairs_of(from, to, counts, features.shape(0), gradient.shape(0));
  expect_extent(out, 0, rules.offsets(), "out");
  expect_extent(out, 1, shape.inputs, "out");
  expect_extent(out, 2, shape.outputs, "out");
  if (rules.offsets() == 0) return;
  const PairBlocks blocks(rules, rows, kBlock);
  const std::int64_t size = shape.packed();
  const Division division(static_cast<std::int64_t>(features.size() + gradient.size()),
                          blocks.count(), rules.offsets(), size);
  const Values parts = new_values(division.segments * rules.offsets() * size);
#pragma omp parallel
  {
    OuterProducts<T> products(features.data(), gradient.data(), shape);
#pragma omp for schedule(dynamic)
    for (std::int64_t task = 0; task < division.tasks(); ++task) {
      const std::int64_t segment = task / division.groups, group = task % division.groups;
      const std::int64_t begin = division.offset_begin(group);
      const std::int64_t end = division.offset_begin(group + 1);
      float* sums = parts.get() + segment * rules.offsets() * size;
      std::fill_n(sums + begin * size, (end - begin) * size, 0.0f);
      for (std::int64_t block = division.block_begin(segment);
           block < division.block_begin(segment + 1); ++block)
        for (std::int64_t k = begin; k < end; ++k)
          products.add(blocks.pairs(k, block), sums + k * size);
    }
  }
  add_segments(division, shape, parts.get(), out.data());
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
