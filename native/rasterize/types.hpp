// What the parts of the rasteriser hand to each other. Plain data: kernels include this.
#pragma once

#include <cstdint>

namespace sparse3d {

constexpr int kTile = 16;  // pixels of a tile's edge; a row of a tile is one vector

// Raw parameters, rows correspond; sh is [count, coefficients, 3].
struct GaussianArrays {
  const float* means;
  const float* quaternions;
  const float* log_scales;
  const float* logits;
  const float* sh;
  int coefficients;
};

// Where gradients are added, same layouts.
struct GaussianGradients {
  float* means;
  float* quaternions;
  float* log_scales;
  float* logits;
  float* sh;
};

// A camera without distortion.
struct PinholeView {
  float rotation[9];  // world_from_camera, row-major
  float centre[3];
  float fx, fy, cx, cy;
  float slope_low[2], slope_high[2];  // x / z and y / z of the Jacobian are clamped to these
  int width, height;
  float near;
  float blur;         // added to the covariance in pixels
  float max_alpha;    // no Gaussian covers more of a pixel
  bool orthographic;  // x, y instead of x / z, y / z; nothing is clamped
  bool antialiased;   // opacity keeps the volume of a blurred Gaussian
  bool surfels;       // flat discs that rays hit exactly; `blur` is that of their low-pass filter
};

// A Gaussian in pixels. Where dx, dy lead from its centre to a pixel,
//   alpha = 2^(log2_opacity - u^2 - v^2),  u = a (dx + k dy),  v = c dy.
struct Splat {
  float x, y;
  float a, k, c;
  float log2_opacity;
  float color[3];
  float depth;
  float reach;    // u^2 + v^2 beyond which alpha is below 1/255; negative: not visible
  float height;   // largest |dy| within reach
  float skew;     // dy of the rightmost point within reach
  float padding[3];
};

// A disc as rays meet it (2D Gaussian Splatting, Huang et al. 2024, section 4.1), beside the splat
// of the same row, whose ellipse covers all that is drawn. Where dx, dy lead from (x, y), the
// projected centre, to a pixel, the ray of that pixel meets the disc's plane at
//   u = (a0 dx + a1 dy) / q,  v = (b0 dx + b1 dy) / q,  q = q0 + q1 dx + q2 dy,
// farther than the near plane where z q > 0, z = z0 + z1 dx + z2 dy. The low-pass filter takes over
// where it is larger:
//   alpha = 2^(log2_opacity - min(u^2 + v^2, log2(e) (dx^2 + dy^2))).
struct Surfel {
  float x, y;
  float a0, a1, b0, b1;
  float q0, q1, q2;
  float z0, z1, z2;
};

// Sums over the pixels of a tile, or of all tiles, with g = alpha dL/dalpha. The first kShape are
// about shape and place only.
struct SplatGradient {
  static constexpr int kShape = 6;
  float g, gu, gv, guu, guv, gvv;
  float color[3];
  float depth;
};

// The same of a surfel, with gu = g u / q, gv = g v / q and gq = g (u^2 + v^2) / q where the disc is
// seen, and f = g where the filter is; x and y stand for dx and dy.
struct SurfelGradient {
  static constexpr int kShape = 12;
  float g, gu, gux, guy, gv, gvx, gvy, gq, gqx, gqy, fx, fy;
  float color[3];
  float depth;
};

// Values of Gaussians to blend: value j of Gaussian i belongs to channel indices[i * each + j], or
// to channel j where there are no indices.
struct ChannelSet {
  const float* values;
  const std::int32_t* indices;
  int each;
  int count;  // channels
};

// An entry of a tile's list. Slots number all entries Gaussian by Gaussian, front to back.
struct Entry {
  std::int32_t splat;
  std::int32_t slot;
};

// One tile: its entries front to back, and its part of the images.
struct TileView {
  const Splat* splats;
  const Surfel* surfels;  // null unless surfels are drawn
  const Entry* entries;
  int count;
  int x, y;           // first pixel
  int columns, rows;  // pixels inside the image
  int width;          // of the image
  float max_alpha;
};

// All row-major images; `last` is the number in the tile's list of the last entry drawn, or -1.
// `weights` is no image: the sum over the tile's pixels of each entry's weights, by slot, or null.
struct ForwardImages {
  const float* background;
  float* colors;
  float* alphas;
  float* depths;
  float* transmittances;
  std::int32_t* last;
  float* weights;
};

struct BackwardImages {
  const float* background;
  const float* alphas;
  const float* depths;
  const float* transmittances;
  const std::int32_t* last;
  const float* color_gradients;
  const float* alpha_gradients;
  const float* depth_gradients;
};

}  // namespace sparse3d
