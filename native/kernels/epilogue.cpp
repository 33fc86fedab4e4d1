#include "kernels/epilogue.hpp"

#include "kernels/lanes.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

template <bool biased, bool relu>
void finish(const float* bias, const float* sums, std::int64_t rows, int width, int stride,
            float* out, int out_stride) {
  const Lanes zero = all_lanes(0.0f);
  for (std::int64_t row = 0; row < rows; ++row, sums += stride, out += out_stride) {
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      Lanes values = load_lanes(sums + i);
      if (biased) values = plus(values, load_lanes(bias + i));
      if (relu) values = larger(zero, values);
      store_lanes(out + i, values);
    }
    for (; i < width; ++i) {
      const float value = biased ? sums[i] + bias[i] : sums[i];
      out[i] = relu && value < 0.0f ? 0.0f : value;
    }
  }
}

}  // namespace

void finish_rows(const Epilogue& epilogue, const float* sums, std::int64_t rows, int width,
                 int stride, float* out, int out_stride) {
  const auto run = epilogue.bias == nullptr
                       ? (epilogue.relu ? finish<false, true> : finish<false, false>)
                       : (epilogue.relu ? finish<true, true> : finish<true, false>);
  run(epilogue.bias, sums, rows, width, stride, out, out_stride);
}

}  // namespace sparse3d::SPARSE3D_ISA
