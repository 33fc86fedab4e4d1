#include "sparse/convolve.hpp"

#include <algorithm>
#include <type_traits>

#include "cache_lines.hpp"
#include "kernels/half_rows.hpp"
#include "sparse/panels.hpp"

namespace sparse3d {
namespace {

// All matrices packed as panels of float32, one after the other.
Values pack(const float* weight, std::int64_t offsets, const PanelShape& shape, bool transposed) {
  Values packed = new_values(offsets * shape.packed());
  const auto pack_one = SPARSE3D_PICK(pack_panels);
  const std::int64_t step = std::int64_t{shape.inputs} * shape.outputs;
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < offsets; ++k)
    pack_one(weight + k * step, shape.inputs, shape.outputs, transposed,
             packed.get() + k * shape.packed());
  return packed;
}

// What multiplies: packed matrices that threads share, and for each thread a Worker.

class FloatMatrices {
 public:
  FloatMatrices(const Convolution<float>& of, std::int64_t offsets)
      : features_(of.features),
        shape_(of.inputs, of.outputs),
        packed_(pack(of.weight, offsets, shape_, of.transposed)) {}

  int outputs() const { return shape_.outputs; }
  int stride() const { return shape_.stride; }

  struct Worker {
    const FloatMatrices& all;

    explicit Worker(const FloatMatrices& matrices) : all(matrices) {}
    void begin() {}
    void end() {}
    void add(const RulePairs& pairs, std::int64_t offset, std::int64_t first, float* sums) {
      const PanelShape& shape = all.shape_;
      SPARSE3D_PICK(multiply_pairs)(pairs, all.features_, shape.inputs,
                                    all.packed_.get() + offset * shape.packed(), shape.outputs,
                                    first, sums);
    }
  };

 private:
  const float* features_;
  PanelShape shape_;
  Values packed_;
};

class WidenedMatrices {
 public:
  WidenedMatrices(const Convolution<bfloat16>& of, std::int64_t offsets)
      : features_(bits_of(of.features)), shape_(of.inputs, of.outputs) {
    const std::int64_t count = offsets * of.inputs * of.outputs;
    const Values wide = new_values(count);
    SPARSE3D_PICK(widen)(bits_of(of.weight), count, wide.get());
    packed_ = pack(wide.get(), offsets, shape_, of.transposed);
  }

  int outputs() const { return shape_.outputs; }
  int stride() const { return shape_.stride; }

  struct Worker {
    const WidenedMatrices& all;
    Values space;

    explicit Worker(const WidenedMatrices& matrices)
        : all(matrices),
          space(new_values(SPARSE3D_PICK(widening_space)(matrices.shape_.inputs))) {}
    void begin() {}
    void end() {}
    void add(const RulePairs& pairs, std::int64_t offset, std::int64_t first, float* sums) {
      const PanelShape& shape = all.shape_;
      SPARSE3D_PICK(multiply_halves)(pairs, all.features_, shape.inputs,
                                     all.packed_.get() + offset * shape.packed(), shape.outputs,
                                     first, space.get(), sums);
    }
  };

 private:
  const std::uint16_t* features_;
  PanelShape shape_;
  Values packed_;
};

class HalfMatrices {
 public:
  HalfMatrices(const Convolution<bfloat16>& of, std::int64_t offsets, const HalfProducts& products)
      : of_(of),
        products_(products),
        size_(packed_halves(products, of.inputs, of.outputs)),
        packed_(offsets * size_) {
    const std::int64_t step = std::int64_t{of.inputs} * of.outputs;
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < offsets; ++k)
      pack_halves(products_, bits_of(of_.weight) + k * step, of_.inputs, of_.outputs,
                  of_.transposed, packed_.get() + k * size_);
  }

  int outputs() const { return of_.outputs; }
  int stride() const { return padded_to(kHalfColumns, of_.outputs); }

  struct Worker {
    const HalfMatrices& all;
    CacheLines<unsigned char> space;

    explicit Worker(const HalfMatrices& matrices)
        : all(matrices), space(matrices.products_.space_size(matrices.of_.inputs)) {}
    void begin() { all.products_.begin(); }
    void end() { all.products_.end(); }
    void add(const RulePairs& pairs, std::int64_t offset, std::int64_t first, float* sums) {
      const HalfOperands operands{bits_of(all.of_.features), all.of_.inputs,
                                  all.packed_.get() + offset * all.size_, all.of_.outputs};
      all.products_.multiply(operands, pairs, first, space.get(), sums);
    }
  };

 private:
  const Convolution<bfloat16>& of_;
  const HalfProducts& products_;
  std::int64_t size_;
  CacheLines<std::uint16_t> packed_;
};

// Sums stand in the output itself where they fit, else in a buffer.
float* sums_in(float* out, bool fits, float* buffer) { return fits ? out : buffer; }
float* sums_in(bfloat16*, bool, float* buffer) { return buffer; }

void finish(const Epilogue& epilogue, float* sums, std::int64_t rows, int width, int stride,
            float* out) {
  if (sums != out || !epilogue.empty())
    SPARSE3D_PICK(finish_rows)(epilogue, sums, rows, width, stride, out, width);
}
void finish(const Epilogue& epilogue, float* sums, std::int64_t rows, int width, int stride,
            bfloat16* out) {
  if (!epilogue.empty())
    SPARSE3D_PICK(finish_rows)(epilogue, sums, rows, width, stride, sums, stride);
  SPARSE3D_PICK(narrow_rows)(sums, rows, width, stride, bits_of(out));
}

// Rows of a block: more where rows are short, since runs of pairs are longer then; sums take 64 KiB,
// and there stay blocks for many threads.
std::int64_t block_rows(std::int64_t rows, int stride) {
  constexpr std::int64_t kSums = 16384, kMost = 1024, kBlocks = 64;
  const std::int64_t most = std::min(kMost, kSums / std::max(stride, 1));
  return std::max(kConvolutionBlock, std::min(most, rows / kBlocks));
}

template <typename Matrices, typename T>
void run(const PairList& rules, const Matrices& matrices, const Epilogue& epilogue,
         std::int64_t rows, T* out) {
  const int width = matrices.outputs(), stride = matrices.stride();
  const PairBlocks blocks(rules, rows, block_rows(rows, stride));
  const bool in_place = std::is_same_v<T, float> && width == stride;
#pragma omp parallel
  {
    const CacheLines<float> buffer(in_place ? 0 : blocks.most_rows() * stride);
    typename Matrices::Worker worker(matrices);
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
      const std::int64_t first = blocks.first(block), count = blocks.rows(block);
      T* own = out + first * width;
      float* sums = sums_in(own, in_place, buffer.get());
      std::fill_n(sums, count * stride, 0.0f);
      worker.begin();
      for (std::int64_t k = 0; k < rules.offsets(); ++k)
        worker.add(blocks.pairs(k, block), k, first, sums);
      worker.end();
      finish(epilogue, sums, count, width, stride, own);
    }
  }
}

}  // namespace

void convolve(const PairList& rules, const Convolution<float>& convolution, std::int64_t rows,
              float* out) {
  run(rules, FloatMatrices(convolution, rules.offsets()), convolution.epilogue, rows, out);
}

void convolve(const PairList& rules, const Convolution<bfloat16>& convolution, std::int64_t rows,
              const HalfProducts* products, bfloat16* out) {
  if (products == nullptr)
    run(rules, WidenedMatrices(convolution, rules.offsets()), convolution.epilogue, rows, out);
  else
    run(rules, HalfMatrices(convolution, rules.offsets(), *products), convolution.epilogue, rows,
        out);
}

}  // namespace sparse3d
