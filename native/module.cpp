#include "bindings.hpp"

NB_MODULE(_native, module) {
  module.doc() = "C++ CPU kernels; import torch first, so that both share one OpenMP runtime";
  // An image that is alive at exit holds its graph, and that a RasterizePlan: no leak.
  nanobind::set_leak_warnings(false);
  sparse3d::bind_adam(module);
  sparse3d::bind_draw(module);
  sparse3d::bind_finite(module);
  sparse3d::bind_grid(module);
  sparse3d::bind_halves(module);
  sparse3d::bind_interpolate(module);
  sparse3d::bind_isa(module);
  sparse3d::bind_knn(module);
  sparse3d::bind_pool(module);
  sparse3d::bind_rasterize(module);
  sparse3d::bind_rulebook(module);
  sparse3d::bind_segment(module);
  sparse3d::bind_set_partition(module);
  sparse3d::bind_sparse_conv(module);
  sparse3d::bind_ssim(module);
  sparse3d::bind_threads(module);
  sparse3d::bind_voxelize(module);
}
