// The gradient of a sparse convolution by its weight.
#pragma once

#include <cstdint>

#include "bfloat16.hpp"
#include "sparse/pairs.hpp"

namespace sparse3d {

// Rows whose outer products are summed.
template <typename T>
struct OuterRows {
  const T* features;
  const T* gradient;
  int inputs, outputs;
  std::int64_t feature_rows, gradient_rows;
};

// Sets `out` [offsets, inputs, outputs] to the sums over pairs of features[from]^T gradient[to], in an
// order that the number of threads does not change.
void weight_gradient(const PairList& rules, const OuterRows<float>& of, float* out);

// The same; rows are widened and summed as float32.
void weight_gradient(const PairList& rules, const OuterRows<bfloat16>& of, float* out);

}  // namespace sparse3d
