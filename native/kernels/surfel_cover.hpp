// How a surfel covers the pixels of a row: the Cover of kernels that draw discs.
#pragma once

#include <math.h>

#include "kernels/lanes.hpp"
#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {

// See SplatCover for what a Cover is.
struct SurfelCover {
  using Gradient = SurfelGradient;

  struct Brush {
    Surfel disc;  // in coordinates of the tile
    float log2_opacity;
  };
  struct Stroke {
    float dy;
  };
  struct Pixels {
    Lanes dx, u, v, inverse;  // inverse is 1 / q; u, v and it are 0 where the filter is seen
    Lanes filtered;           // 1 where the filter is seen, else 0
  };
  struct Sums {
    Lanes g, gu, gux, guy, gv, gvx, gvy, gq, gqx, gqy, fx, fy;
  };

  static inline Sums no_sums() {
    const Lanes z = all_lanes(0.0f);
    return {z, z, z, z, z, z, z, z, z, z, z, z};
  }

  static inline Brush brush(const TileView& tile, std::int32_t splat) {
    Brush brush{tile.surfels[splat], tile.splats[splat].log2_opacity};
    brush.disc.x -= static_cast<float>(tile.x);
    brush.disc.y -= static_cast<float>(tile.y);
    return brush;
  }

  static inline Stroke stroke(const Brush& brush, const RowPlace&, int row) {
    return {static_cast<float>(row) + 0.5f - brush.disc.y};
  }

  static inline Lanes power(const Brush& brush, const Stroke& stroke, int at, Pixels* pixels) {
    constexpr float kLog2e = 1.4426950408889634f;
    const Surfel& s = brush.disc;
    const float dy = stroke.dy;
    const Lanes zero = all_lanes(0.0f), one = all_lanes(1.0f);
    const Lanes dx = minus(load_lanes(kCentres + at), all_lanes(s.x));
    const Lanes q = fused(all_lanes(s.q1), dx, all_lanes(madd(s.q2, dy, s.q0)));
    const Lanes z = fused(all_lanes(s.z1), dx, all_lanes(madd(s.z2, dy, s.z0)));
    const Lanes inverse = over(one, q);
    const Lanes u = times(fused(all_lanes(s.a0), dx, all_lanes(s.a1 * dy)), inverse);
    const Lanes v = times(fused(all_lanes(s.b0), dx, all_lanes(s.b1 * dy)), inverse);
    const Lanes hit = fused(u, u, times(v, v));
    const Lanes disc = if_greater(times(z, q), zero, hit, all_lanes(INFINITY));
    const Lanes filter = times(all_lanes(kLog2e), fused(dx, dx, all_lanes(dy * dy)));
    pixels->dx = dx;
    pixels->u = zero_unless_greater(filter, disc, u);
    pixels->v = zero_unless_greater(filter, disc, v);
    pixels->inverse = zero_unless_greater(filter, disc, inverse);
    pixels->filtered = if_greater(filter, disc, zero, one);
    return minus(all_lanes(brush.log2_opacity), smaller(disc, filter));
  }

  static inline void add(const Pixels& pixels, Lanes g, const Stroke& stroke, const RowPlace&,
                         Sums& sums) {
    const Lanes scaled = times(g, pixels.inverse), f = times(g, pixels.filtered);
    const Lanes gu = times(scaled, pixels.u), gv = times(scaled, pixels.v);
    const Lanes gq = fused(gu, pixels.u, times(gv, pixels.v)), dy = all_lanes(stroke.dy);
    sums.g = plus(sums.g, g);
    sums.gu = plus(sums.gu, gu);
    sums.gux = fused(gu, pixels.dx, sums.gux);
    sums.guy = fused(gu, dy, sums.guy);
    sums.gv = plus(sums.gv, gv);
    sums.gvx = fused(gv, pixels.dx, sums.gvx);
    sums.gvy = fused(gv, dy, sums.gvy);
    sums.gq = plus(sums.gq, gq);
    sums.gqx = fused(gq, pixels.dx, sums.gqx);
    sums.gqy = fused(gq, dy, sums.gqy);
    sums.fx = fused(f, pixels.dx, sums.fx);
    sums.fy = fused(f, dy, sums.fy);
  }

  static inline Gradient total_of(const Sums& s) {
    return {total(s.g),   total(s.gu),  total(s.gux), total(s.guy), total(s.gv),
            total(s.gvx), total(s.gvy), total(s.gq),  total(s.gqx), total(s.gqy),
            total(s.fx),  total(s.fy),  {},           0.0f};
  }

  static inline void slopes(const Brush& brush, const Stroke& stroke, const RowPlace&,
                            const Pixels& pixels, Lanes g, Lanes* gx, Lanes* gy) {
    constexpr float kLog2e = 1.4426950408889634f;
    const Surfel& s = brush.disc;
    const Lanes scaled = times(g, pixels.inverse);
    const Lanes f = times(all_lanes(kLog2e), times(g, pixels.filtered));
    const Lanes gu = times(scaled, pixels.u), gv = times(scaled, pixels.v);
    const Lanes gq = fused(gu, pixels.u, times(gv, pixels.v));
    const Lanes x = fused(all_lanes(s.a0), gu, times(all_lanes(s.b0), gv));
    const Lanes y = fused(all_lanes(s.a1), gu, times(all_lanes(s.b1), gv));
    *gx = fused(f, pixels.dx, fused_minus(all_lanes(s.q1), gq, x));
    *gy = fused(f, all_lanes(stroke.dy), fused_minus(all_lanes(s.q2), gq, y));
  }
};

}  // namespace sparse3d::SPARSE3D_ISA
