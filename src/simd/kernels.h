// The hot loops, as one table for each CPU target.
//
// Every kernel is written once over vectors of 16 lanes (kernels.inl), so all targets add in the same order: lane i of an
// accumulator sums the elements i, i+16, i+32, …; the lanes are then added pairwise, 8+8, 4+4, 2+2, 1+1; the tail is a last
// partial vector filled with zeros. Kernels marked "same bits" give equal results on every target. The others may fuse
// multiply and add where the CPU can, and differ by that rounding only.
//
// Kernels cannot fail; sizes are checked one level up. Rows of floats must be aligned to 4 bytes, bytes need no alignment.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tq {

/// The arguments of Kernels::dot_interleaved: blocks of 16 rows of interleaved codes (docs/layout.md) against int8 queries.
struct InterleavedDot {
  const std::uint8_t* words;  ///< of the first block, n_words x 64 bytes
  std::size_t n_words;
  unsigned bits;              ///< of a code, 1 to 4; 5 to 9 for dot_wide
  const std::int8_t* table;   ///< 2^bits values from −127 to 127
  const void* row_scales;     ///< 16 of the first block: floats, or halves
  const std::int8_t* queries;       ///< n_queries rows from −127 to 127, filled up with zeros to a multiple of 32, at most 131072 long
  std::size_t query_stride;
  const std::int32_t* query_sums;   ///< n_queries: the sum of each row
  const float* query_units;         ///< n_queries
  std::size_t n_queries;
  float* out;                 ///< out[q * out_stride + 16 · block + row]
  std::size_t out_stride;
  bool half_scales = false;
  float step = 1;             ///< what row scales are multiplied by
  /// More than one: two blocks follow each other, and so do their scales; words and scales of the next two are group_bytes further on.
  std::size_t n_blocks = 1, group_bytes = 0;
  std::uint8_t mirror = 0;  ///< of a trellis alone
  /// Where codes may be looked up once for all queries; without it that happens again for every few. Room for 32 bytes for each byte of a
  /// query, and 63 more.
  std::uint8_t* panel = nullptr;
};

/// Codes of 2 to 4 bits in two planes. A chunk is 32 codes of a row; `signs` has the highest bit of each, as 1-bit codes are interleaved
/// (64 bytes for a chunk of 16 rows, 4 of each row), and `words` the other bits row by row, as codes of one bit less have them: bits − 1
/// words of 4 bytes for a chunk. The arguments of Kernels::dot_plane_rows, which reads single rows:
struct PlaneRows {
  const std::uint8_t* signs;  ///< of all rows, 16 after 16
  const std::uint8_t* words;  ///< word w of chunk c of row r at 4 · ((r · (bits − 1) + w) · chunks + c); 64 bytes behind the last are readable
  std::size_t chunks;
  unsigned bits;
  const std::int8_t* table;   ///< 2^bits
  const float* row_scales;    ///< of all rows
  const std::uint32_t* rows;  ///< n_rows numbers of rows
  std::size_t n_rows;
  const std::int8_t* query;   ///< bytes 4 f … 4 f + 3 of chunk c at 4 · (f · padded + c), padded = chunks rounded up to 16, else zeros
  std::int32_t query_sum;
  float query_unit;
  float* out;                 ///< n_rows
};
/// … of Kernels::dot_planes, which reads 16 rows:
struct PlaneDot {
  const std::uint8_t* signs;  ///< chunks x 64 bytes
  const std::uint8_t* words;  ///< word w of chunk c of all 16 rows (Kernels::to_lanes) at 64 · (w · chunks + c)
  std::size_t chunks;
  unsigned bits;
  const std::int8_t* table;   ///< 2^bits
  const float* row_scales;    ///< 16
  const std::int8_t* queries;       ///< as in InterleavedDot
  std::size_t query_stride;
  const std::int32_t* query_sums;
  const float* query_units;
  std::size_t n_queries;
  float* out;                 ///< out[q * out_stride + row], always 16 rows
  std::size_t out_stride;
};
/// … and of Kernels::scan_signs, which reads the signs of n_blocks times 16 rows. A byte is two nibbles of four signs, and what a query has
/// to say about four signs is one of 16 numbers. Bits 0 to 3 of byte j of chunk c are those of coordinates 32 c + j, + 4, + 8 and + 12, the
/// upper nibble's those of the coordinates 16 further.
struct SignScan {
  const std::uint8_t* words;  ///< n_blocks x chunks x 64 bytes
  std::size_t n_blocks, chunks;
  const float *scales, *errors;  ///< n_blocks x 16
  const std::uint8_t* tables;    ///< of each query: what nibble e, upper or lower, of byte j of chunk c says, 0 to 127, at 128 c + 64 upper + 16 j + e
  std::size_t table_stride;
  const float *units, *offsets, *margins;  ///< n_queries
  std::size_t n_queries;
  float* out;                    ///< out[q * out_stride + row], n_blocks x 16 rows
  std::size_t out_stride;
};

/// The arguments of Kernels::mix_runs.
struct HartleyRuns {
  static constexpr std::size_t kMostInPlace = 9;  ///< count up to which y may be x

  const float *cosines, *sines;  ///< h x h
  float unit;
  std::size_t count, n;
  const float* x;  ///< count x n
  float* y;        ///< run j at y + j · stride
  std::size_t stride;
};

/// The arguments of Kernels::mix_pairs.
struct HartleyPairs {
  HartleyRuns runs;
  const float* turns;     ///< cosine and sine of one angle for each run but the first
  const float* mirrored;  ///< as runs.x
  float* out;             ///< as runs.y
};

/// The arguments of Kernels::weights_to_bytes: weights of n_groups times 32 rows, times what the rows are scaled by, in bytes. For each
/// query n_groups x 32 weights, `weight_stride` apart; what comes out is as TransposedSum wants it.
struct RowWeights {
  const float* weights;
  std::size_t weight_stride;
  const float* scales;   ///< n_groups x 32
  std::size_t n_groups, n_queries;
  std::int8_t* bytes;    ///< n_groups x n_queries x 32: weight · scale = byte · unit, rounded to nearest even
  float* units;          ///< n_groups x n_queries: 1/127 of the largest of 32; 0, and zeros as bytes, where that is below 2^-100; NaN where one
                         ///< is not finite or above 2^100
  std::int32_t* sums;    ///< n_groups x n_queries: of the bytes
  // weights_to_words: high bytes and their sums, then as many low ones; the unit is 1/32384 of the largest.
};
/// … of Kernels::softmax_weights: the same of exp(score − top), where `top` is the largest score of a query, but that two groups share a unit:
/// 1/127 of the largest |scale| of their rows times exp(their largest score − top). Rows that a query does not see matter in no way.
struct SoftmaxWeights {
  const float* scores;   ///< n_queries times those of the rows, `score_stride` apart
  std::size_t score_stride;
  const std::size_t *begins, *ends;  ///< n_queries: rows begin … end − 1 are seen
  const float* scales;   ///< n_groups x 32
  std::size_t n_groups, n_queries;  ///< n_groups at most 16
  std::int8_t* bytes;    ///< as RowWeights has them, bytes from −127 to 127
  float* units;          ///< (n_groups + 1) / 2 x n_queries: 0 where all scales are below 2^-100; NaN where one is not finite or above 2^100
  std::int32_t* sums;    ///< (n_groups + 1) / 2 x n_queries
  float *tops, *totals;  ///< n_queries: the largest score, and Σ exp(score − top). −∞ and 0 where nothing is seen; a total is NaN where a score is or +∞
};
/// What n queries have seen of some positions: Σ exp(score − top) of these, and of their values times it.
struct SoftmaxSums {
  float* values;         ///< n x dim
  float *tops, *totals;  ///< n: the largest score and the sum; −∞ and 0 where nothing is seen
};
/// … of Kernels::sum_transposed: what InterleavedDot calls a row is one of 16 coordinates of a block here, and what is a coordinate there is a row.
struct TransposedSum {
  const std::uint8_t* words;      ///< n_blocks x bits x 64 bytes for each group of 32 rows, …
  std::size_t group_bytes;        ///< … so far apart
  std::size_t n_groups;
  std::size_t n_blocks = 1;       ///< of 16 coordinates each
  unsigned bits;                  ///< of a code, 1 to 4
  const std::int8_t* table;       ///< 2^bits values from −127 to 127
  const std::int8_t* weights;     ///< n_groups x n_queries x 32, from −127 to 127
  std::size_t unit_groups = 1;    ///< groups that share a sum and a unit of weights: 1, or 2, of which the last unit may have one
  const std::int32_t* weight_sums;  ///< for each unit, n_queries
  const float* weight_units;      ///< likewise
  std::size_t n_queries;
  float* sums;                    ///< sums[q * stride + coordinate], n_blocks x 16 coordinates
  std::size_t stride;
};

/// Rows whose codes are little-endian bit streams: code i of a row is bits [i·bits, (i+1)·bits) of its ⌈n·bits/8⌉ bytes. Nothing in front of
/// the first stream or behind the last one is read. The arguments of Kernels::decode_codes and decode_windows.
struct CodedRows {
  const std::uint8_t* packed;
  std::size_t stride;   ///< bytes from one row's stream to the next one's
  std::size_t n_rows;
  unsigned bits;        ///< of a code
  std::size_t n;        ///< codes of a row
  const float* scales;  ///< n_rows
  float* out;           ///< n_rows x n
};

/// What the codes of a trellis stand for: table[w], where w is the code and what follows it in its stream, `bits` bits.
struct WindowValues {
  const std::int8_t* table;  ///< 2^bits, with 3 more readable bytes
  unsigned bits;             ///< from those of a code to 9, at most 8 more
  bool closed;               ///< the stream, of 8 bits at least, begins again behind its end, where else zeros follow
  std::uint8_t mirror = 0;   ///< unless 0: table[w] = table[w ^ mirror] for all w of 8 bits, and bit 7 of it is set
};

/// The arguments of Kernels::search_windows. A state is the window − bits low bits of a window: all that the codes in front of it see.
/// For each x, from the last to the first, and each window w of 2^window:
///     cost of w = costs[w >> bits] + (x − values[w])², its low `bits` bits of mantissa replaced by w >> (window − bits)
///     costs[state] = the smallest of the 2^bits windows with that state, choices[i · states + state] = its w >> (window − bits)
/// so that equal costs go to the smaller window. Every 64 steps the smallest cost is subtracted from all. Same bits.
struct WindowSearch {
  const float* x;
  std::size_t n;
  unsigned bits, window;  ///< 2^(window − bits) = 16, 32, 64 or 128 states, bits at least 1
  const float* values;    ///< 2^window
  float* costs;           ///< of the states behind x[n − 1], not negative; on return of those in front of x[0]
  std::uint8_t* choices;  ///< n x states
};

/// The arguments of Kernels::quantize_lanes: 16 rows whose lane r of vector i is value i of row r.
struct LaneQuantizer {
  const float* x;           ///< n x 16
  std::size_t n;
  const float* factors;     ///< 16: what each row is multiplied by first. NaN gives it the code 0 everywhere
  unsigned bits;            ///< of a code, 1 to 4
  const float* boundaries;  ///< 2^bits − 1, ascending
  const float* centroids;   ///< 2^bits
  bool squares_of_x;        ///< squares are those of x · factor, else those of its centroids
  std::uint8_t* fields;     ///< ⌈n / 4⌉ x 64 bytes: byte j of the 4 of row r in field f is the code of value 4·f + j, or 0 behind the end
  float* products;          ///< 16: Σ (x · factor) · centroid, as ordered_dot adds
  float* squares;           ///< 16: likewise
};

/// How rows of n values are stored: floats, halves, or GGUF's blocks of 32 (decode_q8_0, decode_q4_0), n then a multiple of 32.
enum class RowFormat { kF32, kF16, kBF16, kQ8_0, kQ4_0 };
struct StoredRows {
  const void* bytes;
  std::size_t stride;  ///< bytes from one row to the next
  std::size_t n_rows;
  std::size_t n;       ///< values of a row
};

/// The arguments of Kernels::dot_blocks.
struct BlockDot {
  StoredRows rows;               ///< of q8_0, …
  bool four_bits;                ///< … or q4_0
  const std::int16_t* queries;   ///< n_queries rows, from −32767 to 32767
  std::size_t query_stride;
  const float* query_units;      ///< n_queries
  std::size_t n_queries;
  float* out;                    ///< out[q * out_stride + row]
  std::size_t out_stride;
};

/// … and of Kernels::dot_runs: rows of integers whose runs of 16 have a scale and an offset each.
struct RunDot {
  const std::int8_t* codes;   ///< n_rows x n
  std::size_t n_rows, n;      ///< n a multiple of 32
  const float *scales, *offsets;  ///< n_rows times n / 16, then zeros up to a multiple of 16
  const std::int16_t* queries;    ///< as in BlockDot
  std::size_t query_stride;
  const float* query_runs;    ///< n_queries times the sums of 16 values, zeros behind them as in `offsets`
  const float* query_units;
  std::size_t n_queries;
  float* out;                 ///< out[q * out_stride + row]
  std::size_t out_stride;
};
/// … and of Kernels::dot_interleaved_runs: rows of codes whose runs have a scale, and maybe an offset: table[code] · scale + offset. Blocks of
/// 16 rows lie one behind the other, each a header and words for every few chunks of 32 values (docs/layout.md, "Rows of runs").
struct InterleavedRuns {
  const std::uint8_t* blocks;
  std::size_t n_blocks, block_bytes;
  std::size_t n;                ///< values of a row, a multiple of 64, of 256 where there are units
  unsigned bits;                ///< of a code: 2 to 6, or 8 that stand for themselves
  bool has_offsets;
  bool has_units;               ///< scales and offsets are small integers in units of two halves for each 256 values, else halves. A run is 16
                                ///< values where there are units for 2, 3 or 6 bits, else 32
  const std::int8_t* table;     ///< 2^bits values from −127 to 127
  const std::int16_t* queries;  ///< n_queries times n values of at most 32384, of every four the first, third, second, fourth
  const float* query_runs;      ///< n_queries times, for each run, the sum of the values
  const float* query_units;     ///< n_queries
  std::size_t n_queries;
  float* out;                   ///< out[q * out_stride + row]
  std::size_t out_stride;
};
constexpr std::size_t kUnitChunks = 8, kHalfChunks = 2;  ///< that share a header, with units and without

struct Kernels {
  const char* name;  ///< "scalar", "neon", "neondot", "avx2", "avxvnni", "avx512"

  /// ⟨a, b⟩ over n floats in double-free fixed order, mul then add. Same bits. Used wherever a stored byte depends on the sum.
  float (*ordered_dot)(const float* a, const float* b, std::size_t n);

  /// out[x * out_stride + r] = ⟨row r, vector x⟩ for n_rows x n_vectors pairs of n floats. The value of a pair does not depend on
  /// its place in the tile.
  void (*dot_tile)(const float* rows, std::size_t row_stride, std::size_t n_rows, const float* vectors,
                   std::size_t vector_stride, std::size_t n_vectors, std::size_t n, float* out, std::size_t out_stride);

  /// acc[j] += Σ_r weights[r] · rows[r * row_stride + j], r ascending.
  void (*weighted_sum)(const float* weights, const float* rows, std::size_t row_stride, std::size_t n_rows, std::size_t n,
                       float* acc);

  /// y = factor · H (signs · x) for each of n_runs runs of n values: the unnormalized Walsh-Hadamard transform in natural order, n a power
  /// of two. `signs` are n_runs · n, or null for none; y may be x. Same bits: stage h = 1, 2, 4, … replaces (a, b), h apart, by (a + b, a − b).
  void (*hadamard_runs)(const float* x, std::size_t n, std::size_t n_runs, const float* signs, float factor, float* y);

  /// x[i] *= factors[i]. Same bits.
  void (*multiply)(float* x, const float* factors, std::size_t n);
  /// x[i] *= factor. Same bits.
  void (*scale)(float* x, float factor, std::size_t n);

  /// The Hartley transform of `count` = 2 h + 1 runs of n values, from one to the other: y_j = unit · x_0 + Σ_k (cos(j k) s_k + sin(j k) d_k)
  /// and y_(count − j) the same with − before the sines, where s_k = x_k + x_(count − k), d_k = x_k − x_(count − k), and cos(j k) is
  /// cosines[(j − 1) h + k − 1], j and k from 1 to h; y_0 = unit · Σ x. k ascending, mul then add. Same bits. h > 0. x and y do not overlap,
  /// or x is y, `count` at most kMostInPlace and stride n.
  void (*mix_runs)(const HartleyRuns& job);
  /// With p_k = cos(k) x_k + sin(k) mirrored_k and q_k = cos(k) mirrored_k − sin(k) x_k, k > 0 (turns), p_0 = x_0 and q_0 = mirrored_0: y as
  /// mix_runs() makes it of p, but with the differences of q; `out` of q, with the differences of p, and run 0 behind the others. `count` at
  /// most kMostInPlace. Nothing overlaps. Same bits.
  void (*mix_pairs)(const HartleyPairs& job);

  /// lanes[i * 16 + r] = rows[r * stride + i] for i < n; zeros for the rows from n_rows ≤ 16 on. Same bits.
  void (*to_lanes)(const float* rows, std::size_t stride, std::size_t n_rows, std::size_t n, float* lanes);
  /// hadamard_runs() of 16 rows in lanes, bit for bit.
  void (*hadamard_lanes)(float* lanes, std::size_t n, std::size_t n_runs, const float* signs, float factor);
  /// largest[r] = the largest |value| of row r. Values that are not finite become 0 first. Same bits.
  void (*measure_lanes)(float* lanes, std::size_t n, float* largest);
  /// Row r *= factors[r]; squares[r] = ordered_dot of the row with itself. Same bits.
  void (*scale_lanes)(float* lanes, std::size_t n, const float* factors, float* squares);
  /// The codes of 16 rows, as quantize() finds them, and the sums from which their scale is made. Same bits.
  void (*quantize_lanes)(const LaneQuantizer& job);

  /// codes[i] = number of boundaries strictly below x[i]. `boundaries` ascending, n_boundaries = 2^b − 1 with b in 1…9. Same bits.
  /// A NaN gets code 0.
  void (*quantize)(const float* x, std::size_t n, const float* boundaries, std::size_t n_boundaries, std::uint16_t* codes);

  /// out = scale · table[code]. bits in 1…9, table of 2^bits. Same bits.
  void (*decode_codes)(const CodedRows& rows, const float* table);

  /// out[i] = scale · table[codes[i]], every code below table_size ≤ 512. Same bits.
  void (*look_up_codes)(const std::uint16_t* codes, std::size_t n, const float* table, std::size_t table_size, float scale, float* out);

  /// out = scale · values.table[w], where w is bits [i·bits, i·bits + values.bits) of the row, bits in 1…5. Same bits.
  void (*decode_windows)(const CodedRows& rows, const WindowValues& values);
  /// Viterbi's search over x[n − 1], …, x[0] for codes whose windows decode near x.
  void (*search_windows)(const WindowSearch& search);

  /// A query in bytes: x = out · unit, rounded to nearest even, with the unit and the sum of the bytes. The unit is 1/127 of the largest |x|; 0,
  /// and zeros as bytes, where that is below 2^-100; NaN, and zeros, where one is not finite or above 2^100. n ≤ 131072. Same bits.
  void (*to_bytes)(const float* x, std::size_t n, std::int8_t* out, float* unit, std::int32_t* sum);
  /// out = (Σ table[code] · query) · (row_scale · step) · query_unit, the sum exact in 32 bits. Same bits.
  void (*dot_interleaved)(const InterleavedDot& job);
  /// The same for codes of 5 to 9 bits, which stand for 254 · high + low: `table` has 2^bits high bytes, then as many low ones; a query
  /// its high bytes, then, half a stride on, its low ones, at most 65536 each; query_sums two sums. What is left out is Σ low · low. Same bits.
  void (*dot_wide)(const InterleavedDot& job);
  /// A query for it: x = (254 · high + low) · unit, to_bytes() with a unit of 1/32384 of the largest |x|. Two sums; n ≤ 65536. Same bits.
  void (*to_words)(const float* x, std::size_t n, std::int8_t* high, std::int8_t* low, float* unit, std::int32_t* sums);
  /// The same for codes of a trellis, 2 to 4 bits of windows of 8 (docs/layout.md, "Streams"): `table` has the values of the windows up to 127,
  /// and a window w above has that of w ^ mirror, bit 7 of which is set. n_words is a multiple of `bits`, and byte 4·t + j of a query meets
  /// code j · dim/4 + t. Same bits.
  void (*dot_windows)(const InterleavedDot& job);

  /// out = (Σ table[code] · query) · row_scale · query_unit, the sum exact in 32 bits, for codes in two planes. Same bits.
  void (*dot_planes)(const PlaneDot& job);
  void (*dot_plane_rows)(const PlaneRows& job);
  /// out = (Σ table[nibble] · unit + offset) · scale + margin · error. Same bits.
  void (*scan_signs)(const SignScan& job);
  /// The indices i < n of x[i] > threshold, ascending; returns how many. Room for n. Same bits.
  std::size_t (*find_above)(const float* x, std::size_t n, float threshold, std::uint32_t* found);

  void (*weights_to_bytes)(const RowWeights& job);
  /// Before it is rounded to a byte, each exponential is off by less than 2.5e-3 of itself and 2^−15 of the largest one of its unit, which
  /// is exact; alike in bytes and totals.
  void (*softmax_weights)(const SoftmaxWeights& job);
  /// sums += unit · Σ table[code] · weight, unit after unit, mul then add; Σ is exact. Same bits.
  void (*sum_transposed)(const TransposedSum& job);
  /// The same two for codes of 5 to 9 bits: tables, weights and sums in two bytes as dot_wide has them, all high bytes in front of
  /// all low ones.
  void (*weights_to_words)(const RowWeights& job);
  void (*sum_wide)(const TransposedSum& job);

  /// IEEE half and bfloat16, round to nearest even, NaN stays NaN, overflow becomes infinity. Same bits. Any alignment of the bytes.
  void (*f16_to_f32)(const void* in, std::size_t n, float* out);
  void (*f32_to_f16)(const float* in, std::size_t n, void* out);
  void (*bf16_to_f32)(const void* in, std::size_t n, float* out);
  void (*f32_to_bf16)(const float* in, std::size_t n, void* out);

  /// GGUF blocks of 32 values (n a multiple of 32): q8_0 = f16 scale, 32 int8; q4_0 = f16 scale, 16 bytes whose low nibbles
  /// are values 0…15 and high nibbles values 16…31, each minus 8. Same bits.
  void (*decode_q8_0)(const void* blocks, std::size_t n, float* out);
  void (*decode_q4_0)(const void* blocks, std::size_t n, float* out);

  /// dot_tile and, for each of n_sums rows of weights and of acc, weighted_sum, of rows that are decoded on the way: the same bits as after
  /// decoding them first. For a few vectors; with many, decoding once is faster.
  void (*dot_stored)(RowFormat format, const StoredRows& rows, const float* vectors, std::size_t vector_stride, std::size_t n_vectors,
                     float* out, std::size_t out_stride);
  void (*sum_stored)(RowFormat format, const StoredRows& rows, const float* weights, std::size_t weight_stride, std::size_t n_sums,
                     float* acc);

  /// out = query_unit · Σ over blocks of scale · (Σ value · query), the inner sums exact. Same order whatever n_queries is.
  void (*dot_blocks)(const BlockDot& job);
  /// codes[i] |= the bits of value i, moved up by `shift`, of a plane of n values (Plane in quant/blocks.h) whose `run` is 1, 16,
  /// 32 or 64 bytes. Same bits.
  void (*unpack_plane)(const std::uint8_t* bytes, unsigned bits, std::size_t run, std::size_t n, unsigned shift, std::uint8_t* codes);
  /// out = query_unit · Σ over runs of (scale · (Σ code · query) + offset · Σ query), the inner sums exact. Likewise.
  void (*dot_runs)(const RunDot& job);
  /// The same of rows that alternate. Likewise, but that sums of offsets and scales go run by run.
  void (*dot_interleaved_runs)(const InterleavedRuns& job);

  /// y[i] = x[i] · weight[i] / √(mean x² + eps).
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float eps, float* y);
  /// x[i] = exp(x[i] − max), relative error of each below 1e-6. Returns max; `sum` is that of the new x. n ≥ 1.
  float (*exponentials)(float* x, std::size_t n, float* sum);
  /// … divided by their sum. Returns log Σ exp(x[i]).
  float (*softmax)(float* x, std::size_t n);
  /// all = all and `added`, which other positions gave, for n queries; relative error of each share below 1e-6.
  void (*merge_softmax)(const SoftmaxSums& added, std::size_t n, std::size_t dim, const SoftmaxSums& all);
  /// gate[i] = gate[i] / (1 + exp(−gate[i])) · up[i].
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
};

/// The table in use: the best target of this CPU, or the one that the environment variable TQ_SIMD names. Chosen at the first call, then
/// fixed but for use_kernels(). When TQ_SIMD names a target that is unknown or that this CPU lacks, the best target runs and kernels_error() says so; the
/// program refuses to start then.
const Kernels& kernels();
/// Another of available_kernels() from now on. Not while another thread computes.
void use_kernels(const Kernels& table);
/// Empty, or one sentence why TQ_SIMD was not obeyed.
const char* kernels_error();

/// All targets compiled in that this CPU can run, best first; the last is always scalar. For tests and benchmarks.
std::size_t available_kernels(const Kernels* const** tables);

}  // namespace tq
