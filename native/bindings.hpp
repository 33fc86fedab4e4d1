// One function an operator; each adds its kernels to the Python module `sparse3d.ops._native`.
#pragma once

#include <nanobind/nanobind.h>

namespace sparse3d {

void bind_adam(nanobind::module_& module);
void bind_draw(nanobind::module_& module);
void bind_finite(nanobind::module_& module);
void bind_grid(nanobind::module_& module);
void bind_halves(nanobind::module_& module);
void bind_interpolate(nanobind::module_& module);
void bind_isa(nanobind::module_& module);
void bind_knn(nanobind::module_& module);
void bind_pool(nanobind::module_& module);
void bind_rasterize(nanobind::module_& module);
void bind_rulebook(nanobind::module_& module);
void bind_segment(nanobind::module_& module);
void bind_set_partition(nanobind::module_& module);
void bind_sparse_conv(nanobind::module_& module);
void bind_ssim(nanobind::module_& module);
void bind_threads(nanobind::module_& module);
void bind_voxelize(nanobind::module_& module);

}  // namespace sparse3d
