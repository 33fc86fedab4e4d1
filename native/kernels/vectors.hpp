// Vectors, matrices and quaternions of one Gaussian.
#pragma once

#include <math.h>

namespace sparse3d::SPARSE3D_ISA {

struct Vec3 {
  float x, y, z;
};

static inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
static inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
static inline Vec3 operator*(float s, Vec3 a) { return {s * a.x, s * a.y, s * a.z}; }
static inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
static inline Vec3 load(const float* p) { return {p[0], p[1], p[2]}; }
static inline void add(float* p, Vec3 a) {
  p[0] += a.x;
  p[1] += a.y;
  p[2] += a.z;
}

// 3x3 by its columns.
struct Mat3 {
  Vec3 c0, c1, c2;
};

static inline Vec3 times(const Mat3& m, Vec3 v) { return v.x * m.c0 + v.y * m.c1 + v.z * m.c2; }
static inline Vec3 transposed_times(const Mat3& m, Vec3 v) {
  return {dot(m.c0, v), dot(m.c1, v), dot(m.c2, v)};
}
static inline Mat3 outer(Vec3 a, Vec3 b) { return {b.x * a, b.y * a, b.z * a}; }
static inline Mat3 operator+(const Mat3& a, const Mat3& b) {
  return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2};
}

struct Quaternion {
  float w, x, y, z, inverse_norm;
};

static inline Quaternion unit(const float* q) {
  const float inverse = 1.0f / sqrtf(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  return {q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse, inverse};
}

static inline Mat3 matrix(const Quaternion& q) {
  const float xx = q.x * q.x, yy = q.y * q.y, zz = q.z * q.z;
  const float xy = q.x * q.y, xz = q.x * q.z, yz = q.y * q.z;
  const float wx = q.w * q.x, wy = q.w * q.y, wz = q.w * q.z;
  return {{1 - 2 * (yy + zz), 2 * (xy + wz), 2 * (xz - wy)},
          {2 * (xy - wz), 1 - 2 * (xx + zz), 2 * (yz + wx)},
          {2 * (xz + wy), 2 * (yz - wx), 1 - 2 * (xx + yy)}};
}

// Gradient of the raw quaternion, from that of the matrix by columns.
static inline void add_quaternion_gradient(const Quaternion& q, const Mat3& g, float* out) {
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

}  // namespace sparse3d::SPARSE3D_ISA
