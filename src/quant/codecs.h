// The codecs of the table, one function each. `dim` is at least 1; the table has checked that the spec fits it.
#pragma once

#include <cstddef>
#include <memory>

#include "turboquant/codec.h"

namespace tq {

std::shared_ptr<const Codec> make_float_codec(const CodecSpec& spec, std::size_t dim);  ///< f32, f16, bf16
std::shared_ptr<const Codec> make_block_codec(const CodecSpec& spec, std::size_t dim);  ///< GGUF's blocks of 32 values
std::shared_ptr<const Codec> make_super_block_codec(const CodecSpec& spec, std::size_t dim);  ///< GGUF's blocks of 256 values
std::shared_ptr<const Codec> make_affine_codec(const CodecSpec& spec, std::size_t dim);       ///< affine2 … affine8
std::shared_ptr<const Codec> make_turbo_codec(const CodecSpec& spec, std::size_t dim);  ///< codebook and scale, no rotation
std::shared_ptr<const Codec> make_trellis_codec(const CodecSpec& spec, std::size_t dim);  ///< window trellis and scale, no rotation
std::shared_ptr<const Codec> make_interleaved_codec(const CodecSpec& spec, std::size_t dim);  ///< the same, rows interleaved

/// `inner` behind the rotation of `spec`.
std::shared_ptr<const Codec> make_rotated_codec(const CodecSpec& spec, std::shared_ptr<const Codec> inner);

}  // namespace tq
