#include "eval/faulty_codec.h"

#include <algorithm>
#include <functional>

#include "turboquant/codec.h"

// Names as the linker's --wrap gives them.
#define TQ_MAKE_CODEC "_ZN2tq10make_codecERKNS_9CodecSpecEm"

namespace tq {
namespace {

using test::CodecFault;

CodecFault planted = CodecFault::kNone;

class FaultyCodec final : public Codec {
 public:
  FaultyCodec(std::shared_ptr<const Codec> sound, CodecFault fault)
      : Codec(sound->spec(), sound->dim(), sound->group_rows(), sound->group_bytes()),
        sound_(std::move(sound)),
        half_(fault == CodecFault::kHalfOfOneRow),
        gain_(fault == CodecFault::kCodebook ? 1.02F : 1.0F) {}

  void encode(const float* x, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    sound_->encode(x, storage, row, scratch);
  }
  void encode_rows(const float* x, std::size_t n_rows, std::byte* storage, std::size_t first,
                   Workspace& scratch) const override {
    if (!half_ || n_rows > 1) return sound_->encode_rows(x, n_rows, storage, first, scratch);
    std::vector<float> row(x, x + dim());
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(dim() / 2), row.end(), 0.0F);
    sound_->encode_rows(row.data(), 1, storage, first, scratch);
  }
  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    sound_->decode_coded(storage, first, n_rows, out);
    scale(out, n_rows * dim());
  }
  void to_coded(const float* x, float* y) const override { sound_->to_coded(x, y); }
  void from_coded(float* x) const override { sound_->from_coded(x); }
  void make_room(std::size_t count, Query& query) const override { sound_->make_room(count, query); }
  void complete(Query& query, std::size_t begin, std::size_t end) const override {
    sound_->complete(query, begin, end);
  }
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
              std::size_t out_stride, Workspace& scratch) const override {
    sound_->scores(query, storage, first, n_rows, out, out_stride, scratch);
    for (std::size_t i = 0; i < query.count; ++i) scale(out + i * out_stride, n_rows);
  }
  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage,
                  std::size_t first, std::size_t n_rows, float* acc, Workspace& scratch) const override {
    std::vector<float> heavier(weights, weights + (count - 1) * stride + n_rows);
    scale(heavier.data(), heavier.size());
    sound_->accumulate(heavier.data(), count, stride, storage, first, n_rows, acc, scratch);
  }
  void accumulate_softmax(float* scores, std::size_t count, std::size_t stride, const std::size_t* begins,
                          const std::size_t* ends, const std::byte* storage, std::size_t first, std::size_t n_rows,
                          float* acc, float* tops, float* totals, Workspace& scratch) const override {
    std::vector<float> sums(count * dim(), 0.0F);
    sound_->accumulate_softmax(scores, count, stride, begins, ends, storage, first, n_rows, sums.data(), tops, totals,
                               scratch);
    scale(sums.data(), sums.size());
    std::transform(sums.begin(), sums.end(), acc, acc, std::plus<>());
  }

 private:
  void scale(float* x, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) x[i] *= gain_;
  }

  std::shared_ptr<const Codec> sound_;
  bool half_;
  float gain_;
};

}  // namespace

Result<std::shared_ptr<const Codec>> make_sound_codec(const CodecSpec& spec,
                                                      std::size_t dim) asm("__real_" TQ_MAKE_CODEC);
Result<std::shared_ptr<const Codec>> make_planted_codec(const CodecSpec& spec,
                                                        std::size_t dim) asm("__wrap_" TQ_MAKE_CODEC);

Result<std::shared_ptr<const Codec>> make_planted_codec(const CodecSpec& spec, std::size_t dim) {
  Result<std::shared_ptr<const Codec>> codec = make_sound_codec(spec, dim);
  if (!codec || planted == CodecFault::kNone || spec.family != CodecFamily::kTurbo) return codec;
  return std::make_shared<FaultyCodec>(std::move(*codec), planted);
}

test::PlantedFault::PlantedFault(CodecFault fault) { planted = fault; }
test::PlantedFault::~PlantedFault() { planted = CodecFault::kNone; }

}  // namespace tq
