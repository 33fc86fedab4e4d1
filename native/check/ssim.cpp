// The rows of SSIM. Multiply-adds are fused where the machine can.
#include "check/check.hpp"
#include "kernels/ssim.hpp"

namespace sparse3d::check {
namespace {

constexpr std::int64_t kChannels = 3, kCount = 19 * kChannels;
constexpr std::int64_t kPad = kSsimTaps / 2 * kChannels, kStride = kCount + 2 * kPad;

Floats zeros(std::int64_t count) { return Floats(static_cast<std::size_t>(count)); }

// Blurs padded rows along themselves.
Floats blur(const Floats& padded, int rows) {
  Floats out = zeros(rows * kCount);
  for (int row = 0; row < rows; ++row) {
    const float* taps[kSsimTaps];
    for (std::int64_t tap = 0; tap < kSsimTaps; ++tap)
      taps[tap] = padded.data() + row * kStride + tap * kChannels;
    SPARSE3D_PICK(ssim_blur)(taps, kCount, out.data() + row * kCount);
  }
  return out;
}

void check_row(const std::string& name, const float* mask) {
  Random random(4);
  const Floats x = random.many(kCount, 0, 1), y = random.many(kCount, 0, 1);
  Floats products = zeros(kSsimMoments * kStride), derivatives = zeros(kSsimDerivatives * kStride);
  SPARSE3D_PICK(ssim_products)(x.data(), y.data(), mask, kCount, kStride, products.data() + kPad);
  const double l1 = SPARSE3D_PICK(ssim_distance)(x.data(), y.data(), mask, kCount);
  const Floats moments = blur(products, kSsimMoments);
  const auto values = SPARSE3D_PICK(ssim_values);
  const double alone = values(moments.data(), kCount, kCount, 0, nullptr);
  const double sum = values(moments.data(), kCount, kCount, kStride, derivatives.data() + kPad);
  close(name + ".sums", std::vector<double>{l1, alone, sum});
  close(name + ".moments", moments);
  close(name + ".derivatives", derivatives);
  const Floats blurred = blur(derivatives, kSsimDerivatives);
  Floats gradient = zeros(kCount);
  SPARSE3D_PICK(ssim_gradient)(x.data(), y.data(), mask, blurred.data(), kCount, 0.3f, 0.7f,
                               gradient.data());
  close(name + ".gradient", gradient);
}

}  // namespace

void check_ssim() {
  Floats mask(kCount, 1.0f);
  for (std::size_t i = 12; i < 21; ++i) mask[i] = 0.0f;
  check_row("ssim", nullptr);
  check_row("ssim.masked", mask.data());
}

}  // namespace sparse3d::check
