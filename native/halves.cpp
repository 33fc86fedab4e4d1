#include "halves.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "isa.hpp"

#ifdef SPARSE3D_AMX_BF16
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sparse3d {
namespace {

bool always() { return true; }

#ifdef SPARSE3D_AVX512_BF16
bool has_dot() { return __builtin_cpu_supports("avx512bf16"); }
#endif

#ifdef SPARSE3D_AMX_BF16
// Whether the system keeps tiles when it switches threads, bits 17 and 18 of XCR0.
bool tiles_are_kept() {
  constexpr unsigned kXgetbv = 1u << 27, kTileState = 3u << 17;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kXgetbv) == 0) return false;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (a & kTileState) == kTileState;
}

// Linux gives their memory to a process that asks for it (Documentation/arch/x86/xstate.rst).
bool tiles_are_permitted() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

bool find_tiles() {
  constexpr unsigned kBfloat16 = 1u << 22, kTile = 1u << 24;  // leaf 7, EDX
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (d & kBfloat16) != 0 && (d & kTile) != 0 && tiles_are_kept() && tiles_are_permitted();
}

bool has_tiles() {
  static const bool found = find_tiles();  // asks once
  return found;
}
#endif

struct Choice {
  const char* name;
  const HalfProducts* products;
  bool of_hardware;  // and of AVX-512 for the rest
  bool (*is_there)();
};

// The best one first.
const Choice kChoices[] = {
#ifdef SPARSE3D_AMX_BF16
    {"tiles", &kTiles, true, has_tiles},
#endif
#ifdef SPARSE3D_AVX512_BF16
    {"dot", &kDot, true, has_dot},
#endif
    {"widened", nullptr, false, always},
    {"tiles-emulated", &kTilesEmulated, false, always},
    {"dot-emulated", &kDotEmulated, false, always},
};

bool usable(const Choice& choice) {
  return (!choice.of_hardware || active_isa() == Isa::avx512) && choice.is_there();
}

std::atomic<const Choice*> forced{nullptr};

const Choice& active() {
  const Choice* choice = forced.load(std::memory_order_relaxed);
  if (choice != nullptr && usable(*choice)) return *choice;
  choice = kChoices;
  while (!usable(*choice)) ++choice;
  return *choice;
}

std::vector<std::string> available_halves() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices)
    if (usable(choice)) names.emplace_back(choice.name);
  return names;
}

void set_halves(const std::string& name) {
  const Choice* wanted = nullptr;
  for (const Choice& choice : kChoices)
    if (name == choice.name && usable(choice)) wanted = &choice;
  if (wanted == nullptr && name != "auto")
    throw std::invalid_argument("products of bfloat16 by '" + name +
                                "' are not available on this machine");
  forced = wanted;
}

}  // namespace

const HalfProducts* active_halves() { return active().products; }

void bind_halves(nanobind::module_& module) {
  module.def("halves", [] { return std::string(active().name); },
             "What multiplies bfloat16: 'tiles' (AMX), 'dot' (AVX512-BF16), or float32's kernels,"
             " 'widened'.");
  module.def("available_halves", &available_halves,
             "What this build and this machine have for the instruction set in use, the best first;"
             " those that end in '-emulated' are the algorithms without the instructions, slow,"
             " for tests.");
  module.def("set_halves", &set_halves, nanobind::arg("name"),
             "Force one of them, or 'auto' for the best one; for tests.");
}

}  // namespace sparse3d
