// Arithmetic of the instructions for bfloat16: fused multiply-adds of float32 to the nearest even,
// with subnormal numbers, given or made, as zeros of their sign (Intel 64 and IA-32 Architectures
// Software Developer's Manual, volume 2, VDPBF16PS and TDPBF16PS).
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace sparse3d {
namespace {

inline float float_with(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline float flushed(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7F800000) == 0 ? float_with(bits & 0x80000000) : value;
}

inline float fused_flushed(float a, float b, float sum) {
  return flushed(fmaf(flushed(a), flushed(b), flushed(sum)));
}

inline float plus_flushed(float a, float b) { return flushed(flushed(a) + flushed(b)); }

}  // namespace
}  // namespace sparse3d
