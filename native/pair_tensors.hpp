// Rules of a kernel as Python has them.
#pragma once

#include "sparse/pairs.hpp"
#include "tensor.hpp"

namespace sparse3d {

using PairRows = Tensor<const std::int32_t, 1>;
using PairCounts = Tensor<const std::int64_t, 1>;

// Checked: see PairList.
inline PairList pairs_of(const PairRows& from, const PairRows& to, const PairCounts& counts,
                         std::size_t inputs, std::size_t outputs) {
  const auto total = static_cast<std::int64_t>(from.shape(0));
  expect_extent(to, 0, total, "to");
  return {from.data(),
          to.data(),
          total,
          counts.data(),
          static_cast<std::int64_t>(counts.shape(0)),
          static_cast<std::int64_t>(inputs),
          static_cast<std::int64_t>(outputs)};
}

}  // namespace sparse3d
