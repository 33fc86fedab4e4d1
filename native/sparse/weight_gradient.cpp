#include "sparse/weight_gradient.hpp"

#include <algorithm>

#include "sparse/panels.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kSegments = 32;  // at most
constexpr std::int64_t kTasks = 64;     // about
constexpr int kBatch = 64;              // pairs whose rows are gathered at once

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
void add_segments(const Division& division, const PanelShape& shape, float* parts, float* out) {
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

void gather(const std::int32_t* rows, int count, const float* values, int width, float* out) {
  SPARSE3D_PICK(gather_rows)(rows, count, values, width, out);
}
void gather(const std::int32_t* rows, int count, const bfloat16* values, int width, float* out) {
  SPARSE3D_PICK(gather_halves)(rows, count, bits_of(values), width, out);
}

// Outer products of rows of features and gradients, gathered some at a time; each thread has one.
template <typename T>
class OuterProducts {
 public:
  OuterProducts(const T* features, const T* gradient, const PanelShape& shape)
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
  const PanelShape& shape_;
  Values left_, right_;
};

template <typename T>
void run(const PairList& rules, const OuterRows<T>& of, float* out) {
  if (rules.offsets() == 0) return;
  const PanelShape shape(of.inputs, of.outputs);
  const PairBlocks blocks(rules, of.gradient_rows, kConvolutionBlock);
  const std::int64_t size = shape.packed();
  const std::int64_t values = of.feature_rows * of.inputs + of.gradient_rows * of.outputs;
  const Division division(values, blocks.count(), rules.offsets(), size);
  const Values parts = new_values(division.segments * rules.offsets() * size);
#pragma omp parallel
  {
    OuterProducts<T> products(of.features, of.gradient, shape);
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
  add_segments(division, shape, parts.get(), out);
}

}  // namespace

void weight_gradient(const PairList& rules, const OuterRows<float>& of, float* out) {
  run(rules, of, out);
}

void weight_gradient(const PairList& rules, const OuterRows<bfloat16>& of, float* out) {
  run(rules, of, out);
}

}  // namespace sparse3d
