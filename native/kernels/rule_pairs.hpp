// Pairs of rows, as rules of a kernel list them.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

// Pairs of one offset of the kernel: row from[i] goes to row to[i].
struct RulePairs {
  const std::int32_t* from;
  const std::int32_t* to;
  std::int64_t count;
};

// Whether rows exist and targets grow.
SPARSE3D_KERNEL(bool pairs_fit(const RulePairs& pairs, std::int64_t inputs, std::int64_t outputs))

}  // namespace sparse3d
