#pragma once

#include <cstdint>

namespace sparse3d {

// The upper half of a float; arithmetic is done in float.
struct bfloat16 {
  std::uint16_t bits;
};

}  // namespace sparse3d
