// Weights: rows of a matrix held through a codec, and their product with activations.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/large_bytes.h"
#include "base/thread_pool.h"
#include "turboquant/codec.h"
#include "turboquant/tensor_file.h"

namespace tq {

/// rows x cols; row r, which codes the weights of output r, is row first + r of the storage. The bytes lie in the model
/// file, or in `owned` when they were changed or copied; matrices that are parts of one tensor share them.
struct Matrix {
  std::size_t rows = 0, cols = 0;
  std::shared_ptr<const Codec> codec;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte[]> owned;  ///< copies of the matrix share it
  std::size_t first = 0;

  /// Replaces the bytes by ones that the matrix owns.
  void own(LargeBytes changed, std::size_t size) {
    owned = std::move(changed);
    bytes = {owned.get(), size};
    first = 0;
  }
  /// Rows from … from + count − 1, in the same bytes.
  Matrix part(std::size_t from, std::size_t count) const { return {count, cols, codec, bytes, owned, first + from}; }
  /// The bytes of its rows, and of those that share a group with them.
  std::span<const std::byte> row_bytes() const;
  /// Floats of row r.
  void decode(std::size_t row, std::size_t count, float* out) const {
    codec->decode(bytes.data(), first + row, count, out);
  }
};

/// Codecs that have been made, so that matrices of the same type and width share one (and with it a rotated
/// activation).
class CodecCache {
 public:
  Result<std::shared_ptr<const Codec>> get(const CodecSpec& spec, std::size_t dim);

 private:
  std::vector<std::shared_ptr<const Codec>> codecs_;
};

/// The tensor as a matrix of the shape that the config asks for, used where it is mapped. kBadFile for another shape,
/// kUsage for a type that cannot be decoded.
Result<Matrix> load_matrix(const TensorFile& file, const std::string& name, std::size_t rows, std::size_t cols,
                           CodecCache& codecs);
/// The same of a tensor of n x rows x cols, or of n · rows x cols: the matrices one below the other.
Result<Matrix> load_stack(const TensorFile& file, const std::string& name, const std::vector<std::uint64_t>& shape,
                          CodecCache& codecs);
/// The transposed tensor, copied. kUsage for a type other than f32, f16 and bf16.
Result<Matrix> load_transposed(const TensorFile& file, const std::string& name, std::size_t rows, std::size_t cols,
                               CodecCache& codecs);

/// A tensor of one dimension, as floats.
Result<std::vector<float>> load_vector(const TensorFile& file, const std::string& name, std::size_t length);

/// Row 2i of a head comes from row i, row 2i + 1 from i + rope_dim/2; rows that do not rotate stay.
std::size_t rotary_source_row(std::size_t row, std::size_t head_dim, std::size_t rope_dim);
/// Reorders the rows of each head from rotary pairs (i, i + rope_dim/2) to (2i, 2i + 1). Copies the matrix.
void interleave_rotary_rows(Matrix& matrix, std::size_t head_dim, std::size_t rope_dim);
std::vector<float> interleaved_rotary(const std::vector<float>& bias, std::size_t head_dim, std::size_t rope_dim);

/// Decodes every row and codes it again as `spec`.
Result<void> recode(Matrix& matrix, const CodecSpec& spec, CodecCache& codecs, ThreadPool& pool);

/// Activations in the basis of the last codec they were prepared for: rotated once for all matrices that share it.
class Activations {
 public:
  /// count x codec.dim() floats at `x`, which stay unchanged until the last multiply().
  void set(const float* x, std::size_t count);
  /// out[i * matrix.rows + r] = ⟨activation i, row r⟩ for each of the products. Those of one codec that follow each
  /// other are shared out together: small matrices would leave threads waiting for each other.
  struct Product {
    const Matrix& matrix;
    float* out;
  };
  /// Products of matrices without rows are skipped. `next`: the rows that are read afterwards, for which threads
  /// without work ask where it is memory that everybody waits for.
  void multiply(std::initializer_list<Product> products, ThreadPool& pool, std::vector<Workspace>& scratch,
                const ThreadPool::Stretches& next);

 private:
  void prepare(const Codec& codec, ThreadPool& pool);

  const float* x_ = nullptr;
  std::size_t count_ = 0;
  const Codec* prepared_for_ = nullptr;
  Query query_;
};

}  // namespace tq
