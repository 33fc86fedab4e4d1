// Where a Gaussian lies before a camera, how wide it is there, and its colour.
#pragma once

#include "kernels/harmonics.hpp"
#include "kernels/vectors.hpp"
#include "rasterize/types.hpp"

namespace sparse3d::SPARSE3D_ISA {

constexpr float kLog2e = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr float kLog2Of255 = 7.994353436858858f;
constexpr float kReachSlack = 1e-3f;  // rounding must not lose a pixel; the kernel tests alpha

static inline Mat3 rotation_of(const PinholeView& view) {
  const float* r = view.rotation;
  return {{r[0], r[3], r[6]}, {r[1], r[4], r[7]}, {r[2], r[5], r[8]}};
}

// One Gaussian on its way to pixels: all that forward and backward both need.
struct Projection {
  Vec3 offset;           // from the camera, world axes
  Vec3 point;            // camera axes
  float inverse_z;
  float slope_x, slope_y;  // clamped x / z, y / z
  Vec3 j1, j2;           // rows of the Jacobian, camera axes
  Vec3 w1, w2;           // the same, world axes
  Quaternion quaternion;
  Vec3 scale;
  Mat3 axes;             // rotation times scale
  Vec3 t1, t2;           // change of x and y, pixels, by one sigma along each own axis
  Vec3 normal;           // t1 x t2
  float blur, xx, xy, yy, det;
  float sharp_det;       // before the blur
};

static inline float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

static inline void locate(const float* mean, const PinholeView& view, const Mat3& rotation,
                          Projection& p) {
  p.offset = load(mean) - load(view.centre);
  p.point = transposed_times(rotation, p.offset);
}

// Rows of the Jacobian of pixels by camera axes, and what they are made of.
static inline void differentiate(const PinholeView& view, Projection& p) {
  if (view.orthographic) {
    p.inverse_z = 1.0f;  // pixels are those of the point (x, y, 1)
    p.j1 = {view.fx, 0, 0};
    p.j2 = {0, view.fy, 0};
    return;
  }
  p.inverse_z = 1.0f / p.point.z;
  p.slope_x = clamp(p.point.x * p.inverse_z, view.slope_low[0], view.slope_high[0]);
  p.slope_y = clamp(p.point.y * p.inverse_z, view.slope_low[1], view.slope_high[1]);
  const float fx = view.fx * p.inverse_z, fy = view.fy * p.inverse_z;
  p.j1 = {fx, 0, -fx * p.slope_x};
  p.j2 = {0, fy, -fy * p.slope_y};
}

static inline void shape(const GaussianArrays& in, const PinholeView& view, const Mat3& rotation,
                  std::int64_t row, Projection& p) {
  differentiate(view, p);
  p.w1 = times(rotation, p.j1);
  p.w2 = times(rotation, p.j2);
  p.quaternion = unit(in.quaternions + 4 * row);
  const float* log_scale = in.log_scales + 3 * row;
  p.scale = {expf(log_scale[0]), expf(log_scale[1]), view.surfels ? 0.0f : expf(log_scale[2])};
  const Mat3 own = matrix(p.quaternion);
  p.axes = {p.scale.x * own.c0, p.scale.y * own.c1, p.scale.z * own.c2};
  p.t1 = transposed_times(p.axes, p.w1);
  p.t2 = transposed_times(p.axes, p.w2);
  p.normal = cross(p.t1, p.t2);
  const float n1 = dot(p.t1, p.t1), n2 = dot(p.t2, p.t2);
  p.blur = view.blur;
  p.xx = n1 + p.blur;
  p.xy = dot(p.t1, p.t2);
  p.yy = n2 + p.blur;
  // Lagrange's identity; xx yy - xy^2 would cancel for needles.
  p.sharp_det = dot(p.normal, p.normal);
  p.det = p.sharp_det + p.blur * (n1 + n2 + p.blur);
}

static inline float opacity_of(float logit) { return 1.0f / (1.0f + expf(-logit)); }

static inline std::int32_t radius_of(const Projection& p) {
  const float half = 0.5f * (p.xx - p.yy);
  const float squared = half * half + p.xy * p.xy;
  const float spread = sqrtf(squared > 0.01f ? squared : 0.01f);
  const float radius = ceilf(3 * sqrtf(0.5f * (p.xx + p.yy) + spread));
  return static_cast<std::int32_t>(radius < 1e9f ? radius : 1e9f);
}

// Colour before it is cut off at 0; also the harmonics and the direction it was taken for.
static inline Vec3 colour(const GaussianArrays& in, std::int64_t row, Vec3 direction, float* values) {
  harmonics(in.coefficients, direction.x, direction.y, direction.z, values);
  const float* sh = in.sh + row * in.coefficients * 3;
  Vec3 sum = {0.5f, 0.5f, 0.5f};
  for (int k = 0; k < in.coefficients; ++k) sum = sum + values[k] * load(sh + 3 * k);
  return sum;
}

static inline float positive(float value) { return value > 0 ? value : 0; }

static inline void paint(const GaussianArrays& in, std::int64_t row, Vec3 offset, Splat& s) {
  float values[16];
  const float inverse = 1.0f / sqrtf(dot(offset, offset));
  const Vec3 color = colour(in, row, inverse * offset, values);
  s.color[0] = positive(color.x);
  s.color[1] = positive(color.y);
  s.color[2] = positive(color.z);
}

// Adds the SH gradient; returns that of the direction's end point, the mean.
static inline Vec3 colour_backward(const GaussianArrays& in, std::int64_t row, Vec3 offset,
                            const float* gradient, float* sh_gradient) {
  const float inverse = 1.0f / sqrtf(dot(offset, offset));
  const Vec3 direction = inverse * offset;
  float values[16], weights[16], end[3];
  const Vec3 color = colour(in, row, direction, values);
  const Vec3 g = {color.x > 0 ? gradient[0] : 0, color.y > 0 ? gradient[1] : 0,
                  color.z > 0 ? gradient[2] : 0};
  const float* sh = in.sh + row * in.coefficients * 3;
  float* out = sh_gradient + row * in.coefficients * 3;
  for (int k = 0; k < in.coefficients; ++k) {
    weights[k] = dot(load(sh + 3 * k), g);
    add(out + 3 * k, values[k] * g);
  }
  harmonics_backward(in.coefficients, direction.x, direction.y, direction.z, weights, end);
  const Vec3 turn = load(end);
  return inverse * (turn - dot(turn, direction) * direction);
}

static inline void add_pose(double* pose, const Mat3& r, Vec3 centre) {
  const float values[12] = {r.c0.x, r.c1.x, r.c2.x, r.c0.y, r.c1.y,   r.c2.y,
                            r.c0.z, r.c1.z, r.c2.z, centre.x, centre.y, centre.z};
  for (int i = 0; i < 12; ++i) pose[i] += values[i];
}

}  // namespace sparse3d::SPARSE3D_ISA
