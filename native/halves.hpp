// What products of bfloat16 are made with.
#pragma once

#include "kernels/units/half_products.hpp"

namespace sparse3d {

// The best that this machine has for the instruction set in use, or what a test forced; none where
// rows are widened and multiplied as float32.
const HalfProducts* active_halves();

}  // namespace sparse3d
