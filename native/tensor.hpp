// Tensors as kernels take them: CPU, contiguous (row-major), shared by DLPack without a copy.
//
// nanobind refuses another dtype, rank, device or layout before a kernel runs. A kernel writes only
// into tensors that its caller has just made: DLPack does not guard against writing to others.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "bfloat16.hpp"

namespace sparse3d {

// In: Tensor<const float, 2>; out: Tensor<float, 2>.
template <typename T, std::size_t rank>
using Tensor =
    nanobind::ndarray<T, nanobind::ndim<rank>, nanobind::device::cpu, nanobind::c_contig>;

// Throws ValueError naming the tensor if an extent is not the expected one.
template <typename T>
void expect_extent(const T& tensor, std::size_t axis, std::int64_t expected, const char* name) {
  if (static_cast<std::int64_t>(tensor.shape(axis)) != expected)
    throw std::invalid_argument(std::string(name) + " must have extent " +
                                std::to_string(expected) + " along axis " + std::to_string(axis) +
                                ", got " + std::to_string(tensor.shape(axis)));
}

}  // namespace sparse3d

namespace nanobind::detail {

template <>
struct dtype_traits<sparse3d::bfloat16> {
  static constexpr dlpack::dtype value{static_cast<std::uint8_t>(dlpack::dtype_code::Bfloat), 16,
                                       1};
  static constexpr auto name = const_name("bfloat16");
};

}  // namespace nanobind::detail
