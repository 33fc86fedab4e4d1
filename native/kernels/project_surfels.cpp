// Flat discs that rays hit exactly (2D Gaussian Splatting, Huang et al. 2024).
#include "kernels/project.hpp"

#include "kernels/projection.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr float kSmallest = 1e-18f;  // sigmas below count as this; the filter is what shows then
constexpr float kFarthest = 1e6f;    // pixels; wider discs are looked for everywhere
constexpr float kRoot = 0.8493218002880191f;  // sqrt(log2(e) / 2): sigmas to powers of two

// A disc before the camera, in camera axes but for the own axes.
struct Disc {
  Projection p;
  Mat3 own;           // columns: unit axes in the world
  Vec3 cu, cv, n;     // unit axes and their cross product
  float su, sv;       // sigmas
  float sx, sy;       // x / z and y / z of the centre; 0 in an orthographic view
  float z;            // what pixels are divided by: depth, or 1 in an orthographic view
};

inline Disc disc_of(const GaussianArrays& in, const PinholeView& view, const Mat3& rotation,
                    std::int64_t row) {
  Disc d;
  locate(in.means + 3 * row, view, rotation, d.p);
  shape(in, view, rotation, row, d.p);
  d.own = matrix(d.p.quaternion);
  d.cu = transposed_times(rotation, d.own.c0);
  d.cv = transposed_times(rotation, d.own.c1);
  d.n = cross(d.cu, d.cv);
  d.su = d.p.scale.x > kSmallest ? d.p.scale.x : kSmallest;
  d.sv = d.p.scale.y > kSmallest ? d.p.scale.y : kSmallest;
  d.z = view.orthographic ? 1.0f : d.p.point.z;
  d.sx = view.orthographic ? 0.0f : d.p.point.x * d.p.inverse_z;
  d.sy = view.orthographic ? 0.0f : d.p.point.y * d.p.inverse_z;
  return d;
}

// What a unit along an axis does to x and y of a pixel, times depth / focal length.
inline float across_x(const Disc& d, Vec3 axis) { return axis.x - d.sx * axis.z; }
inline float across_y(const Disc& d, Vec3 axis) { return axis.y - d.sy * axis.z; }

// Equations 8 to 10 of the paper, the cross product of two planes through the ray written out: it
// is linear in dx and dy.
inline Surfel surfel_of(const Disc& d, const PinholeView& view) {
  const Vec3 point = d.p.point;
  const float gu = kRoot * d.z / d.su, gv = kRoot * d.z / d.sv;
  Surfel s;
  s.x = view.fx * point.x * d.p.inverse_z + view.cx;
  s.y = view.fy * point.y * d.p.inverse_z + view.cy;
  s.a0 = gu * across_y(d, d.cv) / view.fx;
  s.a1 = -gu * across_x(d, d.cv) / view.fy;
  s.b0 = -gv * across_y(d, d.cu) / view.fx;
  s.b1 = gv * across_x(d, d.cu) / view.fy;
  s.q0 = d.n.x * d.sx + d.n.y * d.sy + d.n.z;
  const float nx = d.n.x / view.fx, ny = d.n.y / view.fy;
  s.q1 = view.orthographic ? 0.0f : nx;
  s.q2 = view.orthographic ? 0.0f : ny;
  s.z0 = (point.z - view.near) * s.q0;
  s.z1 = view.orthographic ? -nx : -view.near * nx;
  s.z2 = view.orthographic ? -ny : -view.near * ny;
  return s;
}

inline bool finite(const Surfel& s) {
  const float values[] = {s.x, s.y, s.a0, s.a1, s.b0, s.b1, s.z0, s.z1, s.z2};
  for (const float value : values)
    if (!(fabsf(value) < 1e30f)) return false;
  return s.q0 * 0 == 0 && s.q1 * 0 == 0 && s.q2 * 0 == 0;
}

// An ellipse around (x, y): dx^2 / xx and so on are those of a covariance.
struct Ellipse {
  double x, y, xx, xy, yy;
  bool everywhere;  // the disc reaches too close to the camera
};

// What the disc shows within `sigmas`: its boundary is a conic (supplement of the paper).
inline Ellipse outline(const Disc& d, const PinholeView& view, float sigmas) {
  const double ru = double{sigmas} * d.p.scale.x, rv = double{sigmas} * d.p.scale.y;
  const double du = ru * d.cu.z, dv = rv * d.cv.z, depth = d.p.point.z;
  Ellipse e{};
  e.everywhere = !(depth - sqrt(du * du + dv * dv) > 0.5 * view.near);
  const double fx = view.fx / d.z, fy = view.fy / d.z;
  const double xu = fx * ru * across_x(d, d.cu), xv = fx * rv * across_x(d, d.cv);
  const double yu = fy * ru * across_y(d, d.cu), yv = fy * rv * across_y(d, d.cv);
  const double wu = view.orthographic ? 0.0 : du / depth, wv = view.orthographic ? 0.0 : dv / depth;
  const double scale = 1.0 / (1.0 - wu * wu - wv * wv);
  e.x = -(xu * wu + xv * wv) * scale;
  e.y = -(yu * wu + yv * wv) * scale;
  e.xx = (xu * xu + xv * xv) * scale + e.x * e.x;
  e.xy = (xu * yu + xv * yv) * scale + e.x * e.y;
  e.yy = (yu * yu + yv * yv) * scale + e.y * e.y;
  e.everywhere = e.everywhere || !(e.xx + e.yy < double{kFarthest} * kFarthest);
  return e;
}

// Widens it to hold the disc around the projected centre that the low-pass filter shows: a sum of
// covariances has the sum of squares of what its parts reach in any direction.
inline void hold_filter(Ellipse& e, double radius) {
  const double half = 0.5 * (e.xx - e.yy);
  const double narrow = 0.5 * (e.xx + e.yy) - sqrt(half * half + e.xy * e.xy);
  const double away = sqrt(e.x * e.x + e.y * e.y);
  if (!(narrow > (radius + away) * (radius + away))) {
    const double share = away > radius ? 1.0 : away / radius;
    const double round = (1 + share) * radius * radius, along = away > 0 ? 1 + 1 / share : 0.0;
    e.xx += round + along * e.x * e.x;
    e.xy += along * e.x * e.y;
    e.yy += round + along * e.y * e.y;
  }
}

// Gives the splat the form of an ellipse.
inline void cover(const Ellipse& e, const Surfel& disc, const PinholeView& view, Splat& s) {
  if (e.everywhere) {
    s.x = 0.5f * static_cast<float>(view.width);
    s.y = 0.5f * static_cast<float>(view.height);
    s.a = s.c = 1e-9f;
    s.k = s.skew = 0;
    s.height = 1e9f;
    return;
  }
  const double det = e.xx * e.yy - e.xy * e.xy;
  s.x = static_cast<float>(disc.x + e.x);
  s.y = static_cast<float>(disc.y + e.y);
  s.a = static_cast<float>(sqrt(s.reach * e.yy / det));
  s.k = static_cast<float>(-e.xy / e.yy);
  s.c = static_cast<float>(sqrt(s.reach / e.yy));
  s.height = static_cast<float>(sqrt(e.yy));
  s.skew = static_cast<float>(e.xy / sqrt(e.xx));
}

// Whether the box around the disc and the filter meets the image, as the other backends see it.
inline bool touches(const Ellipse& e, double radius, const Surfel& s, const PinholeView& view) {
  if (e.everywhere) return true;
  const double centres[] = {e.x, e.y}, halves[] = {sqrt(e.xx), sqrt(e.yy)};
  const double places[] = {s.x, s.y};
  const int sizes[] = {view.width, view.height};
  for (int axis = 0; axis < 2; ++axis) {
    double low = centres[axis] - halves[axis], high = centres[axis] + halves[axis];
    low = low < -radius ? low : -radius;
    high = high > radius ? high : radius;
    const double middle = places[axis] + 0.5 * (low + high);
    const double reach = 0.5 * (high - low) * 1.001 + 0.01;  // rounding must not lose a pixel
    if (!(middle + reach > 0 && middle - reach < sizes[axis])) return false;
  }
  return true;
}

// Fills in all but the colour; false if no pixel can see the disc.
inline bool place(const Disc& d, const PinholeView& view, float logit, Splat& s, Surfel& disc) {
  s.log2_opacity = -kLog2e * log1pf(expf(-logit));
  s.depth = d.p.point.z;
  const float reach = s.log2_opacity + kLog2Of255;
  disc = surfel_of(d, view);
  if (!(reach > 0) || !finite(disc) || !(d.p.det < INFINITY)) return false;
  const float sigmas = sqrtf(2 * kLn2 * reach);
  const double radius = sqrt(0.5) * sigmas;
  Ellipse e = outline(d, view, sigmas);
  if (!touches(e, radius, disc, view)) return false;
  s.reach = reach + kReachSlack;
  hold_filter(e, radius);
  const double slack = 0.02 + 1e-6 * (sqrt(e.xx + e.yy) + fabsf(disc.x) + fabsf(disc.y));
  e.xx = 1.002 * e.xx + slack * slack;
  e.xy = 1.002 * e.xy;
  e.yy = 1.002 * e.yy + slack * slack;
  cover(e, disc, view, s);
  return true;
}

}  // namespace

void project_surfels(const GaussianArrays& in, const PinholeView& view, std::int64_t begin,
                     std::int64_t end, Splat* splats, Surfel* surfels, std::int32_t* radii) {
  const Mat3 rotation = rotation_of(view);
  for (std::int64_t row = begin; row < end; ++row) {
    Splat& s = splats[row];
    s.reach = -1;
    radii[row] = 0;
    Projection p;
    locate(in.means + 3 * row, view, rotation, p);
    if (!(p.point.z > view.near)) continue;
    const Disc d = disc_of(in, view, rotation, row);
    if (!place(d, view, in.logits[row], s, surfels[row])) {
      s.reach = -1;
      continue;
    }
    paint(in, row, d.p.offset, s);
    radii[row] = radius_of(d.p);
  }
}

namespace {

// Gradients of what a disc is made of; of the slopes of its centre, and of the centre directly.
struct DiscGradients {
  Vec3 cu, cv, point;
  float sx, sy, log_su, log_sv;
};

inline DiscGradients disc_backward(const Disc& d, const Surfel& s, const PinholeView& view,
                                   const SurfelGradient& g) {
  const float a0 = -2 * kLn2 * g.gux, a1 = -2 * kLn2 * g.guy;
  const float b0 = -2 * kLn2 * g.gvx, b1 = -2 * kLn2 * g.gvy;
  const float q0 = 2 * kLn2 * g.gq, q1 = 2 * kLn2 * g.gqx, q2 = 2 * kLn2 * g.gqy;
  const float gu = kRoot * d.z / d.su, gv = kRoot * d.z / d.sv;
  const float yv = a0 * gu / view.fx, xv = -a1 * gu / view.fy;
  const float yu = -b0 * gv / view.fx, xu = b1 * gv / view.fy;
  const float flat = view.orthographic ? 0.0f : 1.0f;
  const Vec3 n = {q0 * d.sx + flat * q1 / view.fx, q0 * d.sy + flat * q2 / view.fy, q0};
  const float along_u = a0 * s.a0 + a1 * s.a1, along_v = b0 * s.b0 + b1 * s.b1;
  DiscGradients out;
  out.cu = Vec3{xu, yu, -d.sx * xu - d.sy * yu} + cross(d.cv, n);
  out.cv = Vec3{xv, yv, -d.sx * xv - d.sy * yv} + cross(n, d.cu);
  out.sx = q0 * d.n.x - xu * d.cu.z - xv * d.cv.z;
  out.sy = q0 * d.n.y - yu * d.cu.z - yv * d.cv.z;
  out.point = {0, 0, flat * (along_u + along_v) / d.z + g.depth};
  out.log_su = -along_u;
  out.log_sv = -along_v;
  return out;
}

// Gradient of the centre in camera axes, from what the disc and its pixel (gx, gy) ask for.
inline Vec3 point_backward(const Disc& d, const PinholeView& view, const DiscGradients& g,
                           float gx, float gy) {
  if (view.orthographic) return g.point + Vec3{view.fx * gx, view.fy * gy, 0};
  const float sx = g.sx + view.fx * gx, sy = g.sy + view.fy * gy;
  return g.point + d.p.inverse_z * Vec3{sx, sy, -(d.sx * sx + d.sy * sy)};
}

}  // namespace

void project_surfels_backward(const GaussianArrays& in, const PinholeView& view,
                              std::int64_t begin, std::int64_t end, const Splat* splats,
                              const Surfel* surfels, const SurfelGradient* sums,
                              const GaussianGradients& out, float* mean_gradients, double* pose) {
  const Mat3 rotation = rotation_of(view);
  for (std::int64_t row = begin; row < end; ++row) {
    mean_gradients[2 * row] = mean_gradients[2 * row + 1] = 0;
    if (splats[row].reach < 0) continue;
    const Surfel& s = surfels[row];
    const SurfelGradient& g = sums[row];
    const Disc d = disc_of(in, view, rotation, row);
    const float gx = 2 * kLn2 * (s.a0 * g.gu + s.b0 * g.gv - s.q1 * g.gq) + 2 * g.fx;
    const float gy = 2 * kLn2 * (s.a1 * g.gu + s.b1 * g.gv - s.q2 * g.gq) + 2 * g.fy;
    mean_gradients[2 * row] = gx;
    mean_gradients[2 * row + 1] = gy;
    out.logits[row] += g.g * opacity_of(-in.logits[row]);
    const DiscGradients disc = disc_backward(d, s, view, g);
    add(out.log_scales + 3 * row, {disc.log_su, disc.log_sv, 0});
    const Mat3 own = {times(rotation, disc.cu), times(rotation, disc.cv), {0, 0, 0}};
    add_quaternion_gradient(d.p.quaternion, own, out.quaternions + 4 * row);
    const Vec3 point = point_backward(d, view, disc, gx, gy);
    const Vec3 mean =
        times(rotation, point) + colour_backward(in, row, d.p.offset, g.color, out.sh);
    add(out.means + 3 * row, mean);
    add_pose(pose,
             outer(d.own.c0, disc.cu) + outer(d.own.c1, disc.cv) + outer(d.p.offset, point),
             -1.0f * mean);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
