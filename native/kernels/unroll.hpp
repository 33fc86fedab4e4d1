// Loops over registers: unrolled, so that arrays of them stay in registers.
#pragma once

#if defined(__clang__)
#define SPARSE3D_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define SPARSE3D_UNROLL _Pragma("GCC unroll 32")
#else
#define SPARSE3D_UNROLL
#endif
