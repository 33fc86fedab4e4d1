// How a splat covers the pixels of a row: the Cover of kernels that draw 3D Gaussians.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {

// A Cover says how much an entry covers of a strip, `kLanes` pixels of a row from `at` on, and sums
// what its gradient needs over strips.
struct SplatCover {
  using Gradient = SplatGradient;

  struct Brush {  // of an entry
    float a, k, c;
  };
  struct Stroke {  // of an entry in a row
    float shift, power;
  };
  struct Pixels {  // what the gradient needs of them
    Lanes u;
  };
  struct Sums {
    Lanes g, gu, gv, guu, guv, gvv;
  };

  static inline Sums no_sums() {
    const Lanes z = all_lanes(0.0f);
    return {z, z, z, z, z, z};
  }

  static inline Brush brush(const TileView& tile, std::int32_t splat) {
    const Splat& s = tile.splats[splat];
    return {s.a, s.k, s.c};
  }

  static inline Stroke stroke(const Brush&, const RowPlace& place, int) {
    return {place.shift, place.power};
  }

  // log2 of alpha before it is clamped.
  static inline Lanes power(const Brush& brush, const Stroke& stroke, int at, Pixels* pixels) {
    const Lanes centre = plus(load_lanes(kCentres + at), all_lanes(stroke.shift));
    pixels->u = times(all_lanes(brush.a), centre);
    return fused_minus(pixels->u, pixels->u, all_lanes(stroke.power));
  }

  static inline void add(const Pixels& pixels, Lanes g, const Stroke&, const RowPlace& place,
                         Sums& sums) {
    const Lanes v = all_lanes(place.v), gu = times(g, pixels.u), gv = times(g, v);
    sums.g = plus(sums.g, g);
    sums.gu = plus(sums.gu, gu);
    sums.gv = plus(sums.gv, gv);
    sums.guu = fused(gu, pixels.u, sums.guu);
    sums.guv = fused(gu, v, sums.guv);
    sums.gvv = fused(gv, v, sums.gvv);
  }

  static inline Gradient total_of(const Sums& s) {
    return {total(s.g),   total(s.gu),  total(s.gv), total(s.guu),
            total(s.guv), total(s.gvv), {},          0.0f};
  }

  // What moving the centre costs each pixel, up to the factor 2 ln 2.
  static inline void slopes(const Brush& brush, const Stroke&, const RowPlace& place,
                            const Pixels& pixels, Lanes g, Lanes* gx, Lanes* gy) {
    const Lanes gu = times(g, pixels.u), gv = times(g, all_lanes(place.v));
    *gx = times(all_lanes(brush.a), gu);
    *gy = fused(all_lanes(brush.a * brush.k), gu, times(all_lanes(brush.c), gv));
  }
};

}  // namespace sparse3d::SPARSE3D_ISA
