// Real spherical harmonics up to degree 3, in the order and with the signs of 3D Gaussian splatting.
#pragma once

namespace sparse3d::SPARSE3D_ISA {

// values[coefficients] at the unit direction (x, y, z).
static inline void harmonics(int coefficients, float x, float y, float z, float* values) {
  values[0] = 0.28209479177387814f;
  if (coefficients < 4) return;
  values[1] = -0.4886025119029199f * y;
  values[2] = 0.4886025119029199f * z;
  values[3] = -0.4886025119029199f * x;
  if (coefficients < 9) return;
  const float xx = x * x, yy = y * y, zz = z * z;
  values[4] = 1.0925484305920792f * x * y;
  values[5] = -1.0925484305920792f * y * z;
  values[6] = 0.31539156525252005f * (3 * zz - 1);
  values[7] = -1.0925484305920792f * x * z;
  values[8] = 0.5462742152960396f * (xx - yy);
  if (coefficients < 16) return;
  values[9] = -0.5900435899266435f * y * (3 * xx - yy);
  values[10] = 2.890611442640554f * x * y * z;
  values[11] = -0.4570457994644658f * y * (5 * zz - 1);
  values[12] = 0.3731763325901154f * z * (5 * zz - 3);
  values[13] = -0.4570457994644658f * x * (5 * zz - 1);
  values[14] = 1.445305721320277f * z * (xx - yy);
  values[15] = -0.5900435899266435f * x * (xx - 3 * yy);
}

// Gradient of sum_k weights[k] values[k] with respect to x, y, z as independent variables.
static inline void harmonics_backward(int coefficients, float x, float y, float z, const float* w,
                                      float* gradient) {
  gradient[0] = gradient[1] = gradient[2] = 0;
  if (coefficients < 4) return;
  gradient[0] = -0.4886025119029199f * w[3];
  gradient[1] = -0.4886025119029199f * w[1];
  gradient[2] = 0.4886025119029199f * w[2];
  if (coefficients < 9) return;
  const float a = 1.0925484305920792f;
  gradient[0] += a * (y * w[4] - z * w[7] + x * w[8]);
  gradient[1] += a * (x * w[4] - z * w[5] - y * w[8]);
  gradient[2] += a * (-y * w[5] - x * w[7]) + 1.8923493915151202f * z * w[6];
  if (coefficients < 16) return;
  const float xx = x * x, yy = y * y, zz = z * z;
  const float b = 1.7701307697799304f, c = 2.890611442640554f, d = 0.4570457994644658f;
  gradient[0] += -2 * b * x * y * w[9] + c * y * z * w[10] - d * (5 * zz - 1) * w[13] +
                 c * x * z * w[14] - b * (xx - yy) * w[15];
  gradient[1] += -b * (xx - yy) * w[9] + c * x * z * w[10] - d * (5 * zz - 1) * w[11] -
                 c * y * z * w[14] + 2 * b * x * y * w[15];
  gradient[2] += c * x * y * w[10] - 10 * d * z * (y * w[11] + x * w[13]) +
                 1.1195289977703462f * (5 * zz - 1) * w[12] + 0.5f * c * (xx - yy) * w[14];
}

}  // namespace sparse3d::SPARSE3D_ISA
