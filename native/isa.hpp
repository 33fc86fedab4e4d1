// Instruction sets: which ones this binary holds, which one the kernels run with.
//
// A file in native/kernels is compiled once for every instruction set, with SPARSE3D_ISA set to
// `baseline`, `avx2` or `avx512`, and puts its functions into `sparse3d::SPARSE3D_ISA`. It must not
// include standard headers with inline functions that the linker could share with generic code
// (<vector>, <algorithm>, ...): the shared copy might hold instructions that the machine lacks.
//
// In the header of a kernel:       SPARSE3D_KERNEL(void step(float* values, int64_t count))
// To run it:                       SPARSE3D_PICK(step)(values, count)
#pragma once

#include <cstdint>

namespace sparse3d {

enum class Isa : std::uint8_t { baseline, avx2, avx512 };

// The instruction set that kernels run with: the best the machine has, or what a test forced.
Isa active_isa();

}  // namespace sparse3d

#ifdef SPARSE3D_X86_LEVELS
#define SPARSE3D_KERNEL(declaration)      \
  namespace baseline { declaration; }     \
  namespace avx2 { declaration; }         \
  namespace avx512 { declaration; }
#define SPARSE3D_PICK(function)                                                       \
  (::sparse3d::active_isa() == ::sparse3d::Isa::avx512 ? ::sparse3d::avx512::function \
   : ::sparse3d::active_isa() == ::sparse3d::Isa::avx2 ? ::sparse3d::avx2::function   \
                                                       : ::sparse3d::baseline::function)
#else
#define SPARSE3D_KERNEL(declaration) \
  namespace baseline { declaration; }
#define SPARSE3D_PICK(function) (::sparse3d::baseline::function)
#endif
