#include "check/check.hpp"

int main() {
  using namespace sparse3d::check;
  check_lanes();
  check_finite();
  check_rasterize();
  check_ssim();
  check_adam();
  check_knn();
  check_sparse();
  check_halves();
  check_octree();
  check_pool();
  check_sets();
  check_draw();
  check_points();
  return 0;
}
