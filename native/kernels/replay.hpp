// What a splat covers of a row of a tile, for blending and for all that repeats it.
#pragma once

#include "kernels/exp2.hpp"
#include "rasterize/types.hpp"

namespace sparse3d::SPARSE3D_ISA {

constexpr float kReplayMinPower = -7.994353436858858f;  // log2(1/255): less is not drawn

using ReplayRow = float[kTile];

constexpr ReplayRow kCentres = {0.5f, 1.5f, 2.5f,  3.5f,  4.5f,  5.5f,  6.5f,  7.5f,
                                8.5f, 9.5f, 10.5f, 11.5f, 12.5f, 13.5f, 14.5f, 15.5f};

// u of the row's pixels is `a (i + 0.5 + shift)`, v is the same for all.
struct RowPlace {
  float shift, v, power;
};

}  // namespace sparse3d::SPARSE3D_ISA
