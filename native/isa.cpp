#include "isa.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings.hpp"

namespace sparse3d {
namespace {

constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};

bool available(Isa isa) {
#ifdef SPARSE3D_X86_LEVELS
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx512)
    return available(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw");
#endif
  return isa == Isa::baseline;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (available(isa)) names.emplace_back(kNames[static_cast<int>(isa)]);
  return names;
}

Isa best() {
  if (available(Isa::avx512)) return Isa::avx512;
  return available(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

std::atomic<Isa>& current() {
  static std::atomic<Isa> isa{best()};
  return isa;
}

void set_isa(const std::string& name) {
  const std::vector<std::string> names = available_isas();
  if (name != "auto" && std::find(names.begin(), names.end(), name) == names.end())
    throw std::invalid_argument("instruction set '" + name + "' is not available on this machine");
  Isa wanted = best();
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (name == kNames[static_cast<int>(isa)]) wanted = isa;
  current() = wanted;
}

}  // namespace

Isa active_isa() { return current().load(std::memory_order_relaxed); }

void bind_isa(nanobind::module_& module) {
  module.def("isa", [] { return std::string(kNames[static_cast<int>(active_isa())]); },
             "Instruction set that the kernels run with.");
  module.def("available_isas", &available_isas,
             "Instruction sets that both this build and this machine have.");
  module.def("set_isa", &set_isa, nanobind::arg("name"),
             "Force an instruction set, or 'auto' for the best one; for tests.");
}

}  // namespace sparse3d
