// How a splat covers the pixels of a row: the Cover of kernels that draw 3D Gaussians.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {

// A Cover says how much an entry covers of `kLanes` pixels from `at` on, and sums what its
// gradient needs: over the pixels of a row first, then over rows.
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
  struct RowSums {
    Lanes g, gu, guu;
  };
  struct Sums {
    Lanes g, gu, gv, guu, guv, gvv;
  };

  static inline RowSums no_row_sums() {
    const Lanes z = all_lanes(0.0f);
    return {z, z, z};
  }

  static inline Sums no_sums() {
    const Lanes z = all_lanes(0.0f);
    return {z, z, z, z, z, z};
  }

  static inline Brush brush(const TileView&, std::int32_t, const Reached& r) {
    return {r.a, r.k, r.c};
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

  static inline void add(const Pixels& pixels, Lanes g, RowSums& row) {
    const Lanes gu = times(g, pixels.u);
    row.g = plus(row.g, g);
    row.gu = plus(row.gu, gu);
    row.guu = fused(gu, pixels.u, row.guu);
  }

  static inline void add_row(const RowSums& row, const Stroke&, const RowPlace& place,
                             Sums& sums) {
    const Lanes v = all_lanes(place.v), vv = times(v, v);
    sums.g = plus(sums.g, row.g);
    sums.gu = plus(sums.gu, row.gu);
    sums.guu = plus(sums.guu, row.guu);
    sums.gv = fused(v, row.g, sums.gv);
    sums.guv = fused(v, row.gu, sums.guv);
    sums.gvv = fused(vv, row.g, sums.gvv);
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
