// Gaussians projected into a view one by one, forward and backward, in plain scalar code.
//
// Written from the formulas (Zwicker et al. 2001; Kerbl et al. 2023), not from native/: the peer of
// the benchmarks must share nothing with what it is compared with.
#pragma once

#include <cmath>

struct Scene {
  int count, coefficients, width, height;  // coefficients: 1 or 4
  float near;
  const float *means, *quaternions, *log_scales, *logits, *sh;
  const float *pose, *matrix, *background;  // 4x4 world_from_camera, 3x3, 3
};

struct Gradients {
  float *means, *quaternions, *log_scales, *logits, *sh;
};

constexpr float kC0 = 0.28209479f, kC1 = 0.48860251f;

// A Gaussian in the view, and what its backward pass needs again.
struct Projected {
  bool visible;
  float x, y, depth, opacity;
  float a, b, c;                  // inverse covariance [[a, b], [b, c]], pixels
  float half_width, half_height;  // of the box outside which alpha is below 1/255
  float color[3];
  float offset[3], point[3], direction[3], distance;
  float rotation[3][3], axes[3][3], scale[3];  // axes = rotation diag(scale)
  float slope[2];
  bool clamped[2];
  float jacobian[2][3], world[2][3], sigma[2][3];  // rows: in the camera, the world, own axes
};

// Gradients of what the pixels see of one Gaussian.
struct PixelGradients {
  float x, y, depth, logit, a, b, c, color[3];
};

inline void rotation_of(const float* q, float r[3][3]) {
  const float n = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const float w = q[0] / n, x = q[1] / n, y = q[2] / n, z = q[3] / n;
  const float rows[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                         2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                         2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)};
  for (int i = 0; i < 9; ++i) r[i / 3][i % 3] = rows[i];
}

inline void jacobian_of(const Scene& scene, Projected& p) {
  const int size[2] = {scene.width, scene.height};
  for (int axis = 0; axis < 2; ++axis) {
    const float focal = scene.matrix[4 * axis], principal = scene.matrix[3 * axis + 2];
    const float low = -(principal + 0.15f * size[axis]) / focal;
    const float high = (1.15f * size[axis] - principal) / focal;
    const float slope = p.point[axis] / p.point[2];
    p.clamped[axis] = slope < low || slope > high;
    p.slope[axis] = slope < low ? low : slope > high ? high : slope;
    p.jacobian[axis][axis] = focal / p.point[2];
    p.jacobian[axis][1 - axis] = 0;
    p.jacobian[axis][2] = -focal * p.slope[axis] / p.point[2];
  }
}

// Fills in the inverse covariance and the box; false if the Gaussian is too faint to be drawn.
inline bool shape_of(Projected& p) {
  for (int axis = 0; axis < 2; ++axis)
    for (int k = 0; k < 3; ++k) {
      p.sigma[axis][k] = 0;
      for (int i = 0; i < 3; ++i) p.sigma[axis][k] += p.axes[i][k] * p.world[axis][i];
    }
  float xx = 0.3f, xy = 0, yy = 0.3f;
  for (int k = 0; k < 3; ++k) {
    xx += p.sigma[0][k] * p.sigma[0][k];
    xy += p.sigma[0][k] * p.sigma[1][k];
    yy += p.sigma[1][k] * p.sigma[1][k];
  }
  const float determinant = xx * yy - xy * xy;
  if (!(255 * p.opacity > 1) || !(determinant > 0)) return false;
  p.a = yy / determinant;
  p.b = -xy / determinant;
  p.c = xx / determinant;
  const float reach = 2 * std::log(255 * p.opacity);
  p.half_width = std::sqrt(reach * xx);
  p.half_height = std::sqrt(reach * yy);
  return true;
}

inline void color_of(const Scene& scene, int row, Projected& p) {
  const float *sh = scene.sh + 3 * scene.coefficients * row, *d = p.direction;
  for (int channel = 0; channel < 3; ++channel) {
    float value = 0.5f + kC0 * sh[channel];
    if (scene.coefficients > 1)
      value += kC1 * (-d[1] * sh[3 + channel] + d[2] * sh[6 + channel] - d[0] * sh[9 + channel]);
    p.color[channel] = value > 0 ? value : 0;
  }
}

inline void place(const Scene& scene, int row, Projected& p) {
  float squared = 0;
  for (int i = 0; i < 3; ++i) {
    p.offset[i] = scene.means[3 * row + i] - scene.pose[4 * i + 3];
    squared += p.offset[i] * p.offset[i];
  }
  p.distance = std::sqrt(squared);
  for (int i = 0; i < 3; ++i) {
    p.direction[i] = p.offset[i] / p.distance;
    p.point[i] = 0;
    for (int j = 0; j < 3; ++j) p.point[i] += scene.pose[4 * j + i] * p.offset[j];
  }
  p.depth = p.point[2];
}

inline Projected project(const Scene& scene, int row) {
  Projected p{};
  place(scene, row, p);
  if (!(p.depth > scene.near)) return p;
  rotation_of(scene.quaternions + 4 * row, p.rotation);
  for (int k = 0; k < 3; ++k) {
    p.scale[k] = std::exp(scene.log_scales[3 * row + k]);
    for (int i = 0; i < 3; ++i) p.axes[i][k] = p.rotation[i][k] * p.scale[k];
  }
  jacobian_of(scene, p);
  for (int axis = 0; axis < 2; ++axis)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) p.world[axis][i] += scene.pose[4 * i + j] * p.jacobian[axis][j];
  p.opacity = 1 / (1 + std::exp(-scene.logits[row]));
  if (!shape_of(p)) return p;
  p.x = scene.matrix[0] * p.point[0] / p.depth + scene.matrix[2];
  p.y = scene.matrix[4] * p.point[1] / p.depth + scene.matrix[5];
  color_of(scene, row, p);
  p.visible = p.x + p.half_width > 0 && p.x - p.half_width < scene.width &&
              p.y + p.half_height > 0 && p.y - p.half_height < scene.height;
  return p;
}

// From the gradient of a rotation matrix to that of the quaternion, not normalised.
inline void quaternion_backward(const float* raw, const float g[3][3], float* out) {
  float n = 0, q[4], along = 0;
  for (int i = 0; i < 4; ++i) n += raw[i] * raw[i];
  n = std::sqrt(n);
  for (int i = 0; i < 4; ++i) q[i] = raw[i] / n;
  const float w = q[0], x = q[1], y = q[2], z = q[3];
  const float d[4] = {
      2 * (x * (g[2][1] - g[1][2]) + y * (g[0][2] - g[2][0]) + z * (g[1][0] - g[0][1])),
      2 * (w * (g[2][1] - g[1][2]) + y * (g[0][1] + g[1][0]) + z * (g[0][2] + g[2][0]) -
           2 * x * (g[1][1] + g[2][2])),
      2 * (w * (g[0][2] - g[2][0]) + x * (g[0][1] + g[1][0]) + z * (g[1][2] + g[2][1]) -
           2 * y * (g[0][0] + g[2][2])),
      2 * (w * (g[1][0] - g[0][1]) + x * (g[0][2] + g[2][0]) + y * (g[1][2] + g[2][1]) -
           2 * z * (g[0][0] + g[1][1]))};
  for (int i = 0; i < 4; ++i) along += d[i] * q[i];
  for (int i = 0; i < 4; ++i) out[i] = (d[i] - along * q[i]) / n;
}

// Gradients of the rows of sigma: the covariance is sigma sigma^T + 0.3, its inverse Q, and
// dL/dcovariance = -Q G Q, where G holds the gradients of Q's entries.
inline void sigma_backward(const Projected& p, const PixelGradients& g, float out[2][3]) {
  const float q[2][2] = {{p.a, p.b}, {p.b, p.c}}, gq[2][2] = {{g.a, g.b / 2}, {g.b / 2, g.c}};
  float covariance[2][2] = {};
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      covariance[i / 2][i % 2] -= q[i / 2][j / 2] * gq[j / 2][j % 2] * q[j % 2][i % 2];
  for (int axis = 0; axis < 2; ++axis)
    for (int k = 0; k < 3; ++k)
      out[axis][k] =
          2 * (covariance[axis][0] * p.sigma[0][k] + covariance[axis][1] * p.sigma[1][k]);
}

inline void axes_backward(const Scene& scene, int row, const Projected& p, const float sigma[2][3],
                          const Gradients& out) {
  float rotation[3][3];
  for (int k = 0; k < 3; ++k) {
    float log_scale = 0;
    for (int i = 0; i < 3; ++i) {
      const float axes = p.world[0][i] * sigma[0][k] + p.world[1][i] * sigma[1][k];
      rotation[i][k] = p.scale[k] * axes;
      log_scale += p.axes[i][k] * axes;
    }
    out.log_scales[3 * row + k] = log_scale;
  }
  quaternion_backward(scene.quaternions + 4 * row, rotation, out.quaternions + 4 * row);
}

// Gradient of the point in the camera, by way of its pixel, its depth and the Jacobian.
inline void point_backward(const Scene& scene, const Projected& p, const PixelGradients& g,
                           const float sigma[2][3], float out[3]) {
  const float pixel[2] = {g.x, g.y}, z = p.point[2];
  out[2] = g.depth;
  for (int axis = 0; axis < 2; ++axis) {
    const float focal = scene.matrix[4 * axis];
    float jacobian[3] = {}, along = 0;
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k)
          jacobian[j] += scene.pose[4 * i + j] * p.axes[i][k] * sigma[axis][k];
    for (int j = 0; j < 3; ++j) along += p.jacobian[axis][j] * jacobian[j];
    const float slope = p.clamped[axis] ? 0 : -focal / z * jacobian[2];
    out[axis] = focal / z * pixel[axis] + slope / z;
    out[2] -= focal * p.point[axis] / (z * z) * pixel[axis] + along / z;
    out[2] -= slope * p.slope[axis] / z;
  }
}

// Sets the gradient of the coefficients; adds to that of the mean.
inline void color_backward(const Scene& scene, int row, const Projected& p, const float* gradient,
                           float* sh_gradient, float* mean_gradient) {
  float direction[3] = {}, along = 0;
  const float* sh = scene.sh + 3 * scene.coefficients * row;
  for (int channel = 0; channel < 3; ++channel) {
    const float g = p.color[channel] > 0 ? gradient[channel] : 0;
    sh_gradient[channel] = kC0 * g;
    if (scene.coefficients == 1) continue;
    const float signs[3] = {-kC1, kC1, -kC1};
    for (int k = 0; k < 3; ++k) {
      const int axis = (k + 1) % 3;  // y, z, x
      sh_gradient[3 * (k + 1) + channel] = signs[k] * p.direction[axis] * g;
      direction[axis] += signs[k] * sh[3 * (k + 1) + channel] * g;
    }
  }
  for (int i = 0; i < 3; ++i) along += direction[i] * p.direction[i];
  for (int i = 0; i < 3; ++i)
    mean_gradient[i] += (direction[i] - along * p.direction[i]) / p.distance;
}

inline void project_backward(const Scene& scene, int row, const Projected& p,
                             const PixelGradients& g, const Gradients& out) {
  float sigma[2][3], point[3];
  sigma_backward(p, g, sigma);
  axes_backward(scene, row, p, sigma, out);
  point_backward(scene, p, g, sigma, point);
  float* mean = out.means + 3 * row;
  for (int i = 0; i < 3; ++i) {
    mean[i] = 0;
    for (int j = 0; j < 3; ++j) mean[i] += scene.pose[4 * i + j] * point[j];
  }
  out.logits[row] = g.logit;
  color_backward(scene, row, p, g.color, out.sh + 3 * scene.coefficients * row, mean);
}
