// Any codec behind a rotation. Rows are rotated once, when they are encoded; queries once; sums of rows once, at the end.
#include <algorithm>

#include "quant/codecs.h"
#include "quant/lane_codec.h"
#include "turboquant/rotation.h"

namespace tq {
namespace {

class RotatedCodec final : public Codec {
 public:
  RotatedCodec(const CodecSpec& spec, std::shared_ptr<const Codec> inner)
      : Codec(spec, inner->dim(), inner->group_rows(), inner->group_bytes()), inner_(std::move(inner)), by_lanes_(lanes_of(*inner_)),
        rotation_(spec.rotation, inner_->dim(), spec.rounds, spec.seed, spec.max_block) {}

  void encode(const float* x, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    scratch.rotated.assign(x, x + dim());
    rotation_.apply(scratch.rotated.data());
    inner_->encode(scratch.rotated.data(), storage, row, scratch);
  }

  void encode_rows(const float* x, std::size_t n_rows, std::byte* storage, std::size_t first, Workspace& scratch) const override {
    encode_short_rows(x, dim(), n_rows, storage, first, scratch);
  }

  void encode_short_rows(const float* x, std::size_t length, std::size_t n_rows, std::byte* storage, std::size_t first,
                         Workspace& scratch) const override {
    if (by_lanes_ == nullptr) return Codec::encode_short_rows(x, length, n_rows, storage, first, scratch);
    scratch.lanes.resize(std::max(scratch.lanes.size(), 2 * LaneCodec::kLanes * dim()));
    LaneCodec::for_blocks(
        first, n_rows,
        [&](std::size_t r) { Codec::encode_short_rows(x + r * length, length, 1, storage, first + r, scratch); },
        [&](std::size_t r) {
          const float* rows = x + r * length;
          const float* next = r + 2 * LaneCodec::kLanes <= n_rows ? rows + LaneCodec::kLanes * length : nullptr;
          by_lanes_->encode_lanes(rotation_.apply_to_16(rows, length, scratch.lanes.data(), next), storage, first + r, scratch);
        });
  }

  void make_room(std::size_t count, Query& query) const override { inner_->make_room(count, query); }
  void complete(Query& query, std::size_t begin, std::size_t end) const override { inner_->complete(query, begin, end); }

  using Codec::to_coded;
  void to_coded(const float* x, float* y) const override {
    rotation_.apply(x, y);
    inner_->to_coded(y);
  }
  void from_coded(float* x) const override {
    inner_->from_coded(x);
    rotation_.apply_inverse(x);
  }

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    inner_->decode_coded(storage, first, n_rows, out);
  }
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
              std::size_t out_stride, Workspace& scratch) const override {
    inner_->scores(query, storage, first, n_rows, out, out_stride, scratch);
  }
  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                  std::size_t n_rows, float* acc, Workspace& scratch) const override {
    inner_->accumulate(weights, count, stride, storage, first, n_rows, acc, scratch);
  }
  void accumulate_softmax(float* scores, std::size_t count, std::size_t stride, const std::size_t* begins, const std::size_t* ends,
                          const std::byte* storage, std::size_t first, std::size_t n_rows, float* acc, float* tops, float* totals,
                          Workspace& scratch) const override {
    inner_->accumulate_softmax(scores, count, stride, begins, ends, storage, first, n_rows, acc, tops, totals, scratch);
  }

 private:
  const LaneCodec* lanes_of(const Codec& codec) const {
    const auto* lanes = dynamic_cast<const LaneCodec*>(&codec);
    return lanes != nullptr && lanes->takes_lanes() && spec().rotation != RotationKind::kDenseHaar ? lanes : nullptr;
  }

  std::shared_ptr<const Codec> inner_;
  const LaneCodec* by_lanes_;  ///< inner_, or null where it takes one row after the other
  Rotation rotation_;
};

}  // namespace

std::shared_ptr<const Codec> make_rotated_codec(const CodecSpec& spec, std::shared_ptr<const Codec> inner) {
  return std::make_shared<RotatedCodec>(spec, std::move(inner));
}

}  // namespace tq
