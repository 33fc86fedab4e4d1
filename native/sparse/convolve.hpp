// Sparse convolution: every block of output rows is one thread's, and takes its pairs offset by
// offset, so the result does not depend on the number of threads.
#pragma once

#include <cstdint>

#include "bfloat16.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/units/half_products.hpp"
#include "sparse/pairs.hpp"

namespace sparse3d {

// Rows [.., inputs], and a matrix [inputs, outputs] for each offset, or [outputs, inputs] if they are
// to be transposed.
template <typename T>
struct Convolution {
  const T* features;
  const T* weight;
  int inputs, outputs;
  bool transposed;
  Epilogue epilogue = {};
};

// Sets `out` [rows, outputs] to the sums over pairs of features[from] times weight[offset], which the
// epilogue changes.
void convolve(const PairList& rules, const Convolution<float>& convolution, std::int64_t rows,
              float* out);

// The same, summed in float32: by `products`, or, without, as float32 of widened rows.
void convolve(const PairList& rules, const Convolution<bfloat16>& convolution, std::int64_t rows,
              const HalfProducts* products, bfloat16* out);

}  // namespace sparse3d
