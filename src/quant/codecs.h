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
std::shared_ptr<const Codec> make_transposed_codec(const CodecSpec& spec, std::size_t dim);  ///< the same, up to 4 bits, rows transposed

std::shared_ptr<const Codec> make_rabitq_codec(const CodecSpec& spec, std::size_t dim);    ///< exact and fast, no rotation
std::shared_ptr<const Codec> make_two_pass_codec(const CodecSpec& spec, std::size_t dim);  ///< both kinds of S, no rotation
std::shared_ptr<const Codec> make_first_quarter_codec(const CodecSpec& spec, std::size_t dim);  ///< make_split_codec of channels 0 … dim/4 − 1

/// `inner` behind the rotation of `spec`.
std::shared_ptr<const Codec> make_rotated_codec(const CodecSpec& spec, std::shared_ptr<const Codec> inner);

}  // namespace tq
