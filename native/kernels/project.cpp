#include "kernels/project.hpp"

#include <math.h>

#include "kernels/harmonics.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr float kLog2e = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr float kLog2Of255 = 7.994353436858858f;
constexpr float kReachSlack = 1e-3f;  // rounding must not lose a pixel; the kernel tests alpha

struct Vec3 {
  float x, y, z;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(float s, Vec3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline Vec3 load(const float* p) { return {p[0], p[1], p[2]}; }
inline void add(float* p, Vec3 a) {
  p[0] += a.x;
  p[1] += a.y;
  p[2] += a.z;
}

// 3x3 by its columns.
struct Mat3 {
  Vec3 c0, c1, c2;
};

inline Vec3 times(const Mat3& m, Vec3 v) { return v.x * m.c0 + v.y * m.c1 + v.z * m.c2; }
inline Vec3 transposed_times(const Mat3& m, Vec3 v) {
  return {dot(m.c0, v), dot(m.c1, v), dot(m.c2, v)};
}
inline Mat3 outer(Vec3 a, Vec3 b) { return {b.x * a, b.y * a, b.z * a}; }
inline Mat3 operator+(const Mat3& a, const Mat3& b) {
  return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2};
}

inline Mat3 rotation_of(const PinholeView& view) {
  const float* r = view.rotation;
  return {{r[0], r[3], r[6]}, {r[1], r[4], r[7]}, {r[2], r[5], r[8]}};
}

struct Quaternion {
  float w, x, y, z, inverse_norm;
};

inline Quaternion unit(const float* q) {
  const float inverse = 1.0f / sqrtf(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  return {q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse, inverse};
}

inline Mat3 matrix(const Quaternion& q) {
  const float xx = q.x * q.x, yy = q.y * q.y, zz = q.z * q.z;
  const float xy = q.x * q.y, xz = q.x * q.z, yz = q.y * q.z;
  const float wx = q.w * q.x, wy = q.w * q.y, wz = q.w * q.z;
  return {{1 - 2 * (yy + zz), 2 * (xy + wz), 2 * (xz - wy)},
          {2 * (xy - wz), 1 - 2 * (xx + zz), 2 * (yz + wx)},
          {2 * (xz + wy), 2 * (yz - wx), 1 - 2 * (xx + yy)}};
}

// Gradient of the raw quaternion, from that of the matrix by columns.
inline void add_quaternion_gradient(const Quaternion& q, const Mat3& g, float* out) {
  const float w = 2 * (q.x * (g.c1.z - g.c2.y) + q.y * (g.c2.x - g.c0.z) +
                       q.z * (g.c0.y - g.c1.x));
  const float x = 2 * (q.y * (g.c0.y + g.c1.x) + q.z * (g.c0.z + g.c2.x) +
                       q.w * (g.c1.z - g.c2.y)) -
                  4 * q.x * (g.c1.y + g.c2.z);
  const float y = 2 * (q.x * (g.c0.y + g.c1.x) + q.z * (g.c1.z + g.c2.y) +
                       q.w * (g.c2.x - g.c0.z)) -
                  4 * q.y * (g.c0.x + g.c2.z);
  const float z = 2 * (q.x * (g.c0.z + g.c2.x) + q.y * (g.c1.z + g.c2.y) +
                       q.w * (g.c0.y - g.c1.x)) -
                  4 * q.z * (g.c0.x + g.c1.y);
  const float along = w * q.w + x * q.x + y * q.y + z * q.z;
  out[0] += q.inverse_norm * (w - along * q.w);
  out[1] += q.inverse_norm * (x - along * q.x);
  out[2] += q.inverse_norm * (y - along * q.y);
  out[3] += q.inverse_norm * (z - along * q.z);
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

inline float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

inline void locate(const float* mean, const PinholeView& view, const Mat3& rotation,
                   Projection& p) {
  p.offset = load(mean) - load(view.centre);
  p.point = transposed_times(rotation, p.offset);
}

// Rows of the Jacobian of pixels by camera axes, and what they are made of.
inline void differentiate(const PinholeView& view, Projection& p) {
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

inline void shape(const GaussianArrays& in, const PinholeView& view, const Mat3& rotation,
                  std::int64_t row, Projection& p) {
  differentiate(view, p);
  p.w1 = times(rotation, p.j1);
  p.w2 = times(rotation, p.j2);
  p.quaternion = unit(in.quaternions + 4 * row);
  const float* log_scale = in.log_scales + 3 * row;
  p.scale = {expf(log_scale[0]), expf(log_scale[1]), expf(log_scale[2])};
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

inline float opacity_of(float logit) { return 1.0f / (1.0f + expf(-logit)); }

// Fills in the place and the shape; false if no pixel can see the splat.
inline bool place(const Projection& p, const PinholeView& view, float logit, Splat& s) {
  s.x = view.fx * p.point.x * p.inverse_z + view.cx;
  s.y = view.fy * p.point.y * p.inverse_z + view.cy;
  s.a = sqrtf(0.5f * kLog2e * p.yy / p.det);
  s.k = -p.xy / p.yy;
  s.c = sqrtf(0.5f * kLog2e / p.yy);
  s.log2_opacity = -kLog2e * log1pf(expf(-logit));
  if (view.antialiased) s.log2_opacity += 0.5f * log2f(p.sharp_det / p.det);
  s.depth = p.point.z;
  const float reach = s.log2_opacity + kLog2Of255;
  if (!(reach > 0) || !(p.det < INFINITY)) return false;
  const float sigmas = sqrtf(2 * kLn2 * reach);
  const float half_width = sigmas * sqrtf(p.xx), half_height = sigmas * sqrtf(p.yy);
  const bool inside = s.x + half_width > 0 && s.x - half_width < view.width &&
                      s.y + half_height > 0 && s.y - half_height < view.height;
  s.reach = reach + kReachSlack;
  s.height = sqrtf(s.reach) / s.c;
  s.skew = sqrtf(2 * kLn2 * s.reach) * p.xy / sqrtf(p.xx);
  return inside;
}

inline std::int32_t radius_of(const Projection& p) {
  const float half = 0.5f * (p.xx - p.yy);
  const float squared = half * half + p.xy * p.xy;
  const float spread = sqrtf(squared > 0.01f ? squared : 0.01f);
  const float radius = ceilf(3 * sqrtf(0.5f * (p.xx + p.yy) + spread));
  return static_cast<std::int32_t>(radius < 1e9f ? radius : 1e9f);
}

// Colour before it is cut off at 0; also the harmonics and the direction it was taken for.
inline Vec3 colour(const GaussianArrays& in, std::int64_t row, Vec3 direction, float* values) {
  harmonics(in.coefficients, direction.x, direction.y, direction.z, values);
  const float* sh = in.sh + row * in.coefficients * 3;
  Vec3 sum = {0.5f, 0.5f, 0.5f};
  for (int k = 0; k < in.coefficients; ++k) sum = sum + values[k] * load(sh + 3 * k);
  return sum;
}

inline float positive(float value) { return value > 0 ? value : 0; }

}  // namespace

void project(const GaussianArrays& in, const PinholeView& view, std::int64_t begin,
             std::int64_t end, Splat* splats, std::int32_t* radii) {
  const Mat3 rotation = rotation_of(view);
  for (std::int64_t row = begin; row < end; ++row) {
    Splat& s = splats[row];
    s.reach = -1;
    radii[row] = 0;
    Projection p;
    locate(in.means + 3 * row, view, rotation, p);
    if (!(p.point.z > view.near)) continue;
    shape(in, view, rotation, row, p);
    if (!place(p, view, in.logits[row], s)) {
      s.reach = -1;
      continue;
    }
    float values[16];
    const float inverse = 1.0f / sqrtf(dot(p.offset, p.offset));
    const Vec3 color = colour(in, row, inverse * p.offset, values);
    s.color[0] = positive(color.x);
    s.color[1] = positive(color.y);
    s.color[2] = positive(color.z);
    radii[row] = radius_of(p);
  }
}

namespace {

// Adds the SH gradient; returns that of the direction's end point, the mean.
inline Vec3 colour_backward(const GaussianArrays& in, std::int64_t row, Vec3 offset,
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

struct ShapeGradients {
  Vec3 w1, w2;
  Mat3 axes;
};

// From sums over pixels to the axes and the Jacobian, by way of the determinants, xy and yy.
inline ShapeGradients shape_backward(const Projection& p, const SplatGradient& s,
                                     bool antialiased) {
  const float log_a = -2 * kLn2 * s.guu, log_c = -2 * kLn2 * s.gvv;
  const float k = -2 * kLn2 * s.guv * p.yy / sqrtf(p.det);
  const float kept = antialiased ? 0.5f * s.g : 0.0f;  // of log(sharp_det / det)
  const float det = -(0.5f * log_a + kept) / p.det;
  const float sharp = det + (antialiased ? kept / p.sharp_det : 0.0f);
  const float yy = (0.5f * (log_a - log_c) + k * p.xy / p.yy) / p.yy;
  const float xy = -k / p.yy;
  const Vec3 t1 =
      2 * sharp * cross(p.t2, p.normal) + 2 * det * p.blur * p.t1 + xy * p.t2;
  const Vec3 t2 = 2 * sharp * cross(p.normal, p.t1) + 2 * (det * p.blur + yy) * p.t2 + xy * p.t1;
  return {times(p.axes, t1), times(p.axes, t2), outer(p.w1, t1) + outer(p.w2, t2)};
}

inline void axes_backward(const Projection& p, const Mat3& g, float* log_scales,
                          float* quaternion) {
  add(log_scales, {dot(p.axes.c0, g.c0), dot(p.axes.c1, g.c1), dot(p.axes.c2, g.c2)});
  const Mat3 rotation = {p.scale.x * g.c0, p.scale.y * g.c1, p.scale.z * g.c2};
  add_quaternion_gradient(p.quaternion, rotation, quaternion);
}

// Gradient of the point in the camera, from those of its pixel, its depth and its Jacobian.
inline Vec3 point_backward(const Projection& p, const PinholeView& view, float gx, float gy,
                           float gz, Vec3 j1, Vec3 j2) {
  if (view.orthographic) return {view.fx * gx, view.fy * gy, gz};
  const float fx = view.fx * p.inverse_z, fy = view.fy * p.inverse_z;
  Vec3 g = {fx * gx, fy * gy, gz};
  g.z -= (fx * p.point.x * gx + fy * p.point.y * gy) * p.inverse_z;
  g.z -= (dot(p.j1, j1) + dot(p.j2, j2)) * p.inverse_z;  // both rows are proportional to 1 / z
  const float slope_x = -fx * j1.z, slope_y = -fy * j2.z;
  const float free_x = p.point.x * p.inverse_z, free_y = p.point.y * p.inverse_z;
  if (free_x == p.slope_x) {
    g.x += slope_x * p.inverse_z;
    g.z -= slope_x * free_x * p.inverse_z;
  }
  if (free_y == p.slope_y) {
    g.y += slope_y * p.inverse_z;
    g.z -= slope_y * free_y * p.inverse_z;
  }
  return g;
}

inline void add_pose(double* pose, const Mat3& r, Vec3 centre) {
  const float values[12] = {r.c0.x, r.c1.x, r.c2.x, r.c0.y, r.c1.y,   r.c2.y,
                            r.c0.z, r.c1.z, r.c2.z, centre.x, centre.y, centre.z};
  for (int i = 0; i < 12; ++i) pose[i] += values[i];
}

}  // namespace

void project_backward(const GaussianArrays& in, const PinholeView& view, std::int64_t begin,
                      std::int64_t end, const Splat* splats, const SplatGradient* sums,
                      const GaussianGradients& out, float* mean_gradients, double* pose) {
  const Mat3 rotation = rotation_of(view);
  for (std::int64_t row = begin; row < end; ++row) {
    const Splat& s = splats[row];
    const SplatGradient& g = sums[row];
    mean_gradients[2 * row] = mean_gradients[2 * row + 1] = 0;
    if (s.reach < 0) continue;
    Projection p;
    locate(in.means + 3 * row, view, rotation, p);
    shape(in, view, rotation, row, p);
    const float gx = 2 * kLn2 * s.a * g.gu;
    const float gy = 2 * kLn2 * (s.a * s.k * g.gu + s.c * g.gv);
    mean_gradients[2 * row] = gx;
    mean_gradients[2 * row + 1] = gy;
    out.logits[row] += g.g * opacity_of(-in.logits[row]);
    const ShapeGradients shapes = shape_backward(p, g, view.antialiased);
    axes_backward(p, shapes.axes, out.log_scales + 3 * row, out.quaternions + 4 * row);
    const Vec3 j1 = transposed_times(rotation, shapes.w1);
    const Vec3 j2 = transposed_times(rotation, shapes.w2);
    const Vec3 point = point_backward(p, view, gx, gy, g.depth, j1, j2);
    const Vec3 mean =
        times(rotation, point) + colour_backward(in, row, p.offset, g.color, out.sh);
    add(out.means + 3 * row, mean);
    add_pose(pose, outer(shapes.w1, p.j1) + outer(shapes.w2, p.j2) + outer(p.offset, point),
             -1.0f * mean);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
