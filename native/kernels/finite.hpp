#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

// Whether no value is infinite or not a number.
SPARSE3D_KERNEL(bool all_finite(const float* values, std::int64_t count))

}  // namespace sparse3d
