#include "engine/matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tq {
namespace {

/// Rows that one thread takes at a time: a group of the codecs that interleave rows.
constexpr std::size_t kRowGrain = 32;

Result<const TensorView*> find_tensor(const TensorFile& file, const std::string& name,
                                      const std::vector<std::uint64_t>& shape) {
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr)
    return fail(ErrorCode::kBadFile, fmt::format("{}: the tensor {} is missing", file.path(), name));
  if (tensor->shape != shape) {
    return fail(ErrorCode::kBadFile,
                fmt::format("{}: the tensor {} has the shape {}, and the model's configuration asks for {}",
                            file.path(), name, tensor->shape, shape));
  }
  return tensor;
}

Result<std::shared_ptr<const Codec>> codec_of(const TensorFile& file, const TensorView& tensor, std::size_t cols,
                                              CodecCache& codecs) {
  const Result<CodecSpec> spec = tensor.coding ? Result<CodecSpec>(*tensor.coding) : CodecSpec::parse(tensor.type);
  if (!spec) {
    return fail(ErrorCode::kUsage, fmt::format("{}: the tensor {} is stored as {}, which this build cannot decode yet",
                                               file.path(), tensor.name, tensor.type));
  }
  Result<std::shared_ptr<const Codec>> codec = codecs.get(*spec, cols);
  if (!codec)
    return fail(ErrorCode::kBadFile,
                fmt::format("{}: the tensor {}: {}", file.path(), tensor.name, codec.error().message));
  return codec;
}

}  // namespace

std::span<const std::byte> Matrix::row_bytes() const {
  if (rows == 0) return {};
  const std::size_t begin = first / codec->group_rows() * codec->group_bytes();
  return bytes.subspan(begin, codec->storage_bytes(first + rows) - begin);
}

Result<std::shared_ptr<const Codec>> CodecCache::get(const CodecSpec& spec, std::size_t dim) {
  for (const std::shared_ptr<const Codec>& codec : codecs_) {
    if (codec->spec() == spec && codec->dim() == dim) return codec;
  }
  Result<std::shared_ptr<const Codec>> codec = make_codec(spec, dim);
  if (codec) codecs_.push_back(*codec);
  return codec;
}

Result<Matrix> load_matrix(const TensorFile& file, const std::string& name, std::size_t rows, std::size_t cols,
                           CodecCache& codecs) {
  return load_stack(file, name, {rows, cols}, codecs);
}

Result<Matrix> load_stack(const TensorFile& file, const std::string& name, const std::vector<std::uint64_t>& shape,
                          CodecCache& codecs) {
  const auto cols = static_cast<std::size_t>(shape.back());
  std::size_t rows = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) rows *= static_cast<std::size_t>(shape[i]);
  const TensorView* flat = file.find(name);  // as `tq quantize` writes stacks
  const bool is_flat = flat != nullptr && flat->coding && flat->shape == std::vector<std::uint64_t>{rows, cols};
  const Result<const TensorView*> tensor = is_flat ? Result<const TensorView*>(flat) : find_tensor(file, name, shape);
  if (!tensor) return std::unexpected(tensor.error());
  Result<std::shared_ptr<const Codec>> codec = codec_of(file, **tensor, cols, codecs);
  if (!codec) return fail(std::move(codec));
  if ((*tensor)->bytes.size() != (*codec)->storage_bytes(rows)) {
    return fail(ErrorCode::kBadFile,
                fmt::format("{}: the tensor {} has {} bytes, and its shape asks for {}", file.path(), name,
                            (*tensor)->bytes.size(), (*codec)->storage_bytes(rows)));
  }
  return Matrix{rows, cols, *codec, (*tensor)->bytes, {}};
}

Result<Matrix> load_transposed(const TensorFile& file, const std::string& name, std::size_t rows, std::size_t cols,
                               CodecCache& codecs) {
  Result<Matrix> stored = load_matrix(file, name, cols, rows, codecs);
  if (!stored) return stored;
  const CodecFamily family = stored->codec->spec().family;
  const std::size_t size = family == CodecFamily::kF32 ? 4 : 2;
  if (family != CodecFamily::kF32 && family != CodecFamily::kF16 && family != CodecFamily::kBF16) {
    return fail(ErrorCode::kUsage, fmt::format("{}: the tensor {} is stored transposed as {}; that is supported for "
                                               "f32, f16 and bf16",
                                               file.path(), name, stored->codec->spec().name()));
  }
  Result<std::shared_ptr<const Codec>> codec = codecs.get(stored->codec->spec(), cols);
  if (!codec) return fail(std::move(codec));
  LargeBytes turned = make_large_bytes(stored->bytes.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c)
      std::memcpy(turned.get() + (r * cols + c) * size, stored->bytes.data() + (c * rows + r) * size, size);
  }
  Matrix matrix{rows, cols, *codec, {}, {}};
  matrix.own(std::move(turned), stored->bytes.size());
  return matrix;
}

Result<std::vector<float>> load_vector(const TensorFile& file, const std::string& name, std::size_t length) {
  const Result<const TensorView*> tensor = find_tensor(file, name, {length});
  if (!tensor) return std::unexpected(tensor.error());
  CodecCache codecs;
  const Result<std::shared_ptr<const Codec>> codec = codec_of(file, **tensor, length, codecs);
  if (!codec) return std::unexpected(codec.error());
  if ((*tensor)->bytes.size() != (*codec)->storage_bytes(1)) {
    return fail(ErrorCode::kBadFile,
                fmt::format("{}: the tensor {} has {} bytes, and its shape asks for {}", file.path(), name,
                            (*tensor)->bytes.size(), (*codec)->storage_bytes(1)));
  }
  std::vector<float> values(length);
  (*codec)->decode((*tensor)->bytes.data(), 0, 1, values.data());
  return values;
}

std::size_t rotary_source_row(std::size_t row, std::size_t head_dim, std::size_t rope_dim) {
  const std::size_t in_head = row % head_dim;
  return row - in_head + (in_head < rope_dim ? in_head / 2 + in_head % 2 * (rope_dim / 2) : in_head);
}

void interleave_rotary_rows(Matrix& matrix, std::size_t head_dim, std::size_t rope_dim) {
  assert(matrix.codec->group_rows() == 1);  // as all types of model files
  const std::size_t row_bytes = matrix.codec->group_bytes();
  const std::size_t size = matrix.rows * row_bytes;
  LargeBytes moved = make_large_bytes(size);
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    const std::size_t source = matrix.first + rotary_source_row(r, head_dim, rope_dim);
    std::memcpy(moved.get() + r * row_bytes, matrix.bytes.data() + source * row_bytes, row_bytes);
  }
  matrix.own(std::move(moved), size);
}

std::vector<float> interleaved_rotary(const std::vector<float>& bias, std::size_t head_dim, std::size_t rope_dim) {
  std::vector<float> moved(bias.size());
  for (std::size_t r = 0; r < bias.size(); ++r) moved[r] = bias[rotary_source_row(r, head_dim, rope_dim)];
  return moved;
}

Result<void> recode(Matrix& matrix, const CodecSpec& spec, CodecCache& codecs, ThreadPool& pool) {
  const Result<std::shared_ptr<const Codec>> codec = codecs.get(spec, matrix.cols);
  if (!codec) return std::unexpected(codec.error());
  const std::size_t size = (*codec)->storage_bytes(matrix.rows);
  LargeBytes coded = make_large_bytes(size);
  std::memset(coded.get(), 0, size);
  pool.for_ranges(matrix.rows, kRowGrain, [&](std::size_t begin, std::size_t end, unsigned) {
    Workspace scratch;
    std::vector<float> rows(kRowGrain * matrix.cols);
    for (std::size_t r = begin; r < end; r += kRowGrain) {
      const std::size_t n = std::min(kRowGrain, end - r);
      matrix.decode(r, n, rows.data());
      (*codec)->encode_rows(rows.data(), n, coded.get(), r, scratch);
    }
  });
  matrix.codec = *codec;
  matrix.own(std::move(coded), size);
  return {};
}

void Activations::set(const float* x, std::size_t count) {
  x_ = x;
  count_ = count;
  prepared_for_ = nullptr;
}

void Activations::prepare(const Codec& codec, ThreadPool& pool) {
  if (prepared_for_ == &codec) return;
  codec.make_room(count_, query_);
  pool.for_ranges(count_, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    codec.fill(x_, codec.dim(), begin, end, query_);
  });
  prepared_for_ = &codec;
}

void Activations::multiply(std::initializer_list<Product> products, ThreadPool& pool, std::vector<Workspace>& scratch,
                           const ThreadPool::Stretches& next) {
  constexpr std::size_t kFew = 4;  // activations whose products take no longer than the rows take to arrive
  if (count_ <= kFew) pool.expect(next);
  const auto grains_of = [](const Product& product) { return (product.matrix.rows + kRowGrain - 1) / kRowGrain; };
  for (const Product* first = products.begin(); first != products.end();) {
    if (first->matrix.rows == 0) {
      ++first;
      continue;
    }
    const Codec& codec = *first->matrix.codec;
    std::size_t grains = 0;
    const Product* last = first;
    for (; last != products.end() && last->matrix.codec.get() == &codec; ++last) grains += grains_of(*last);
    prepare(codec, pool);
    pool.for_ranges(grains, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
      std::size_t before = 0;
      for (const Product* product = first; product != last; before += grains_of(*product), ++product) {
        const Matrix& matrix = product->matrix;
        const std::size_t from = std::max(begin, before) - before,
                          to = std::min(end, before + grains_of(*product)) - before;
        if (end <= before || from >= to) continue;
        const std::size_t row = from * kRowGrain, count = std::min(to * kRowGrain, matrix.rows) - row;
        codec.scores(query_, matrix.bytes.data(), matrix.first + row, count, product->out + row, matrix.rows,
                     scratch[thread]);
      }
    });
    first = last;
  }
}

}  // namespace tq
