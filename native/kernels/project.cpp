#include "kernels/project.hpp"

#include "kernels/projection.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

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
    paint(in, row, p.offset, s);
    radii[row] = radius_of(p);
  }
}

namespace {

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
