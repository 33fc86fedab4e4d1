#include <omp.h>

#include "bindings.hpp"

namespace sparse3d {

void bind_threads(nanobind::module_& module) {
  module.def("threads", [] { return omp_get_max_threads(); },
             "Number of threads of the next kernel; torch.set_num_threads sets it where torch and"
             " this module share one OpenMP runtime.");
}

}  // namespace sparse3d
