// The codecs of the table, one function each. `dim` is at least 1; the table has checked that the spec fits it.
#pragma once

#include <cstddef>
#include <memory>

#include "turboquant/codec.h"

namespace tq {

std::shared_ptr<const Codec> make_float_codec(const CodecSpec& spec, std::size_t dim);  ///< f32, f16, bf16
std::shared_ptr<const Codec> make_block_codec(const CodecSpec& spec, std::size_t dim);  ///< q8_0, q4_0
std::shared_ptr<const Codec> make_turbo_codec(const CodecSpec& spec, std::size_t dim);  ///< codebook and scale, no rotation
std::shared_ptr<const Codec> make_trellis_codec(const CodecSpec& spec, std::size_t dim);  ///< window trellis and scale, no rotation
std::shared_ptr<const Codec> make_interleaved_codec(const CodecSpec& spec, std::size_t dim);  ///< the same, rows interleaved

/// `inner` behind the rotation of `spec`.
std::shared_ptr<const Codec> make_rotated_codec(const CodecSpec& spec, std::shared_ptr<const Codec> inner);

}  // namespace tq
