// NEON of every ARMv8-A. A vector of 16 lanes is four registers: lanes 0 to 3, 4 to 7, 8 to 11, 12 to 15. A part of neon.cpp and of
// neondot.cpp, which have products of bytes of their own, on one register each:
//   add_products4(sum, v, q)  sum + Σ of 4 products of signed bytes, at most 127 in size
//   add_bytes4(sum, v)        sum + Σ of 4 unsigned bytes

template <class Register>
struct Four {
  Register a, b, c, d;
};
using F = Four<float32x4_t>;
using I = Four<int32x4_t>;
using B = Four<uint8x16_t>;

/// The same step for each of the four registers of every argument.
template <class Step, class... Vectors>
inline auto each(Step step, Vectors... v) {
  return Four<decltype(step(v.a...))>{step(v.a...), step(v.b...), step(v.c...), step(v.d...)};
}

constexpr int kTileRows = 2, kTileVectors = 2;  // 16 of 32 registers hold sums

inline F load(const float* x) { return {vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}; }
inline void store(F v, float* x) {
  vst1q_f32(x, v.a);
  vst1q_f32(x + 4, v.b);
  vst1q_f32(x + 8, v.c);
  vst1q_f32(x + 12, v.d);
}
inline F broadcast(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}; }
inline I broadcast(int x) { return {vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}; }
inline F add(F x, F y) {
  return each([](auto p, auto q) { return vaddq_f32(p, q); }, x, y);
}
inline F sub(F x, F y) {
  return each([](auto p, auto q) { return vsubq_f32(p, q); }, x, y);
}
inline F mul(F x, F y) {
  return each([](auto p, auto q) { return vmulq_f32(p, q); }, x, y);
}
inline F divide(F x, F y) {
  return each([](auto p, auto q) { return vdivq_f32(p, q); }, x, y);
}
/// fmax would return the NaN, whichever it is.
inline float32x4_t greater(float32x4_t p, float32x4_t q) { return vbslq_f32(vcgtq_f32(p, q), p, q); }
inline F max(F x, F y) { return each(greater, x, y); }
inline F fma(F x, F y, F z) {
  return each([](auto p, auto q, auto r) { return vfmaq_f32(r, p, q); }, x, y, z);
}

template <int h>
inline F swap(F x) {
  if constexpr (h == 1) return each([](auto p) { return vrev64q_f32(p); }, x);
  if constexpr (h == 2) return each([](auto p) { return vextq_f32(p, p, 2); }, x);
  if constexpr (h == 4) return {x.b, x.a, x.d, x.c};
  if constexpr (h == 8) return {x.c, x.d, x.a, x.b};
}
template <int h>
inline F sign() {
  const float32x4_t plus = vdupq_n_f32(1.0F), minus = vdupq_n_f32(-1.0F);
  if constexpr (h == 8) return {plus, plus, minus, minus};
  if constexpr (h == 4) return {plus, minus, plus, minus};
  constexpr float kSigns[4] = {1.0F, h == 1 ? -1.0F : 1.0F, h == 2 ? -1.0F : 1.0F, -1.0F};
  const float32x4_t signs = vld1q_f32(kSigns);
  return {signs, signs, signs, signs};
}

inline float32x4_t low_halves(float32x4_t p, float32x4_t q) { return vcombine_f32(vget_low_f32(p), vget_low_f32(q)); }
inline float32x4_t high_halves(float32x4_t p, float32x4_t q) {
  return vcombine_f32(vget_high_f32(p), vget_high_f32(q));
}
template <int h, bool with>
inline F take_swapped(F x, F y) {
  if constexpr (h == 1)
    return with ? each([](auto p, auto q) { return vtrn1q_f32(p, q); }, x, y)
                : each([](auto p, auto q) { return vtrn2q_f32(q, p); }, x, y);
  if constexpr (h == 2) return with ? each(low_halves, x, y) : each(high_halves, y, x);
  if constexpr (h == 4) return with ? F{x.a, y.a, x.c, y.c} : F{y.b, x.b, y.d, x.d};
  if constexpr (h == 8) return with ? F{x.a, x.b, y.a, y.b} : F{y.c, y.d, x.c, x.d};
}

inline float reduce_add(F x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
  return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}
inline float reduce_max(F x) {
  float32x4_t top = greater(greater(x.a, x.c), greater(x.b, x.d));
  top = greater(top, vextq_f32(top, top, 2));
  return vgetq_lane_f32(greater(top, vextq_f32(top, top, 1)), 0);
}

inline const std::uint8_t* bytes_at(const void* bytes, int offset) {
  return static_cast<const std::uint8_t*>(bytes) + offset;
}
inline I widen(int16x8_t low, int16x8_t high) {
  return {vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)};
}
inline I widen(int8x16_t bytes) { return widen(vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)); }
inline I load_i8(const void* bytes) { return widen(vreinterpretq_s8_u8(vld1q_u8(bytes_at(bytes, 0)))); }
inline I load_u8(const void* bytes) {
  const uint8x16_t small = vld1q_u8(bytes_at(bytes, 0));
  return widen(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(small))), vreinterpretq_s16_u16(vmovl_high_u8(small)));
}
inline int32x4_t widen_unsigned(uint16x4_t small) { return vreinterpretq_s32_u32(vmovl_u16(small)); }
inline I load_u16(const void* bytes) {
  const uint16x8_t low = vreinterpretq_u16_u8(vld1q_u8(bytes_at(bytes, 0))),
                   high = vreinterpretq_u16_u8(vld1q_u8(bytes_at(bytes, 16)));
  return {widen_unsigned(vget_low_u16(low)), widen_unsigned(vget_high_u16(low)), widen_unsigned(vget_low_u16(high)),
          widen_unsigned(vget_high_u16(high))};
}
/// The low 16 bits of 8 lanes.
inline int16x8_t narrow(int32x4_t low, int32x4_t high) { return vmovn_high_s32(vmovn_s32(low), high); }
inline void store_u16(I x, void* bytes) {
  auto* out = static_cast<std::uint8_t*>(bytes);
  vst1q_u8(out, vreinterpretq_u8_s16(narrow(x.a, x.b)));
  vst1q_u8(out + 16, vreinterpretq_u8_s16(narrow(x.c, x.d)));
}
inline void store_i8(I x, void* bytes) {
  const int8x16_t small = vmovn_high_s16(vmovn_s16(narrow(x.a, x.b)), narrow(x.c, x.d));
  vst1q_u8(static_cast<std::uint8_t*>(bytes), vreinterpretq_u8_s8(small));
}
inline void store_i8(I low, I high, void* bytes) {
  store_i8(low, bytes);
  store_i8(high, static_cast<std::uint8_t*>(bytes) + 16);
}
inline F load_f16(const void* bytes) {
  const float16x8_t low = vreinterpretq_f16_u8(vld1q_u8(bytes_at(bytes, 0))),
                    high = vreinterpretq_f16_u8(vld1q_u8(bytes_at(bytes, 16)));
  return {vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
          vcvt_high_f32_f16(high)};
}
inline F broadcast_f16(const void* bytes) {
  std::uint16_t half = 0;
  __builtin_memcpy(&half, bytes, sizeof half);
  const float32x4_t four = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half)));
  return {four, four, four, four};
}
inline void store_f16(F x, void* bytes) {
  auto* out = static_cast<std::uint8_t*>(bytes);
  vst1q_u8(out, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(x.a), x.b)));
  vst1q_u8(out + 16, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(x.c), x.d)));
}

inline I add(I x, I y) {
  return each([](auto p, auto q) { return vaddq_s32(p, q); }, x, y);
}
template <int n>
inline I shift_left(I x) {
  return each([](auto p) { return vshlq_n_s32(p, n); }, x);
}
template <int n>
inline I shift_right(I x) {
  return each([](auto p) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(p), n)); }, x);
}
inline I bit_and(I x, I y) {
  return each([](auto p, auto q) { return vandq_s32(p, q); }, x, y);
}
inline I bit_or(I x, I y) {
  return each([](auto p, auto q) { return vorrq_s32(p, q); }, x, y);
}
inline I min(I x, I y) {
  return each([](auto p, auto q) { return vminq_s32(p, q); }, x, y);
}
inline I max(I x, I y) {
  return each([](auto p, auto q) { return vmaxq_s32(p, q); }, x, y);
}
inline I merge(I mask, I x, I y) {
  return each([](auto m, auto p, auto q) { return vbslq_s32(vreinterpretq_u32_s32(m), p, q); }, mask, x, y);
}
inline F to_float(I x) {
  return each([](auto p) { return vcvtq_f32_s32(p); }, x);
}
inline I round_to_int(F x) {
  return each([](auto p) { return vcvtnq_s32_f32(p); }, x);
}
inline I as_int(F x) {
  return each([](auto p) { return vreinterpretq_s32_f32(p); }, x);
}
inline F as_float(I x) {
  return each([](auto p) { return vreinterpretq_f32_s32(p); }, x);
}
inline I add_if_greater(I k, F x, F b, int step) {
  const int32x4_t steps = vdupq_n_s32(step);
  return each(
      [=](auto i, auto p, auto q) { return vaddq_s32(i, vandq_s32(vreinterpretq_s32_u32(vcgtq_f32(p, q)), steps)); }, k,
      x, b);
}
inline unsigned mask_greater(F x, F y) {
  const uint32x4_t places = {1, 2, 4, 8};
  const auto bits = [=](auto p, auto q) { return vaddvq_u32(vandq_u32(vcgtq_f32(p, q), places)); };
  return bits(x.a, y.a) | bits(x.b, y.b) << 4 | bits(x.c, y.c) << 8 | bits(x.d, y.d) << 12;
}
inline I if_nan(F x, I y, I z) {
  return each([](auto p, auto q, auto r) { return vbslq_s32(vceqq_f32(p, p), r, q); }, x, y, z);
}

/// The places of the four bytes of float `index` of a table.
inline uint8x16_t float_bytes(int32x4_t index) {
  return vreinterpretq_u8_s32(vmlaq_s32(vdupq_n_s32(0x03020100), index, vdupq_n_s32(0x04040404)));
}

/// Up to 16 entries live in four registers; more are read one by one.
struct Table {
  Table(const float* values, std::size_t n) : entries(values), in_registers(n <= 16) {
    if (!in_registers) return;
    std::uint8_t padded[64] = {};
    __builtin_memcpy(padded, entries, n * sizeof(float));
    bytes = vld1q_u8_x4(padded);
  }
  const float* entries;
  bool in_registers;
  uint8x16x4_t bytes = {};
};
inline F look_up(const Table& table, I index) {
  if (table.in_registers) {
    return each([&](auto i) { return vreinterpretq_f32_u8(vqtbl4q_u8(table.bytes, float_bytes(i))); }, index);
  }
  return each(
      [&](auto i) {
        return float32x4_t{table.entries[vgetq_lane_s32(i, 0)], table.entries[vgetq_lane_s32(i, 1)],
                           table.entries[vgetq_lane_s32(i, 2)], table.entries[vgetq_lane_s32(i, 3)]};
      },
      index);
}
inline F spread(const float* x, I index) {
  const uint8x16x2_t eight = {vreinterpretq_u8_f32(vld1q_f32(x)), vreinterpretq_u8_f32(vld1q_f32(x + 4))};
  return each([&](auto i) { return vreinterpretq_f32_u8(vqtbl2q_u8(eight, float_bytes(i))); }, index);
}

/// Eight codes fill `bits` bytes. tbl brings the four bytes from each code's first bit on into its lane, a shift brings
/// the code down. `width` bits of it are kept: more than `bits` for the window of a trellis.
struct Unpacker {
  explicit Unpacker(unsigned stride) : Unpacker(stride, stride) {}
  Unpacker(unsigned stride, unsigned width) : bits(stride) {
    std::uint8_t bytes[32];
    std::int32_t shift[8];
    for (unsigned i = 0; i < 8; ++i) {
      for (unsigned j = 0; j < 4; ++j) bytes[4 * i + j] = static_cast<std::uint8_t>(i * bits / 8 + j);
      shift[i] = -static_cast<std::int32_t>(i * bits % 8);
    }
    windows[0] = vld1q_u8(bytes);
    windows[1] = vld1q_u8(bytes + 16);
    shifts[0] = vld1q_s32(shift);
    shifts[1] = vld1q_s32(shift + 4);
    mask = vdupq_n_u32((1U << width) - 1);
  }
  unsigned bits;
  uint8x16_t windows[2];
  int32x4_t shifts[2];  // negative: to the right
  uint32x4_t mask;
};
inline int32x4_t unpack_four(const Unpacker& unpacker, uint8x16_t stream, int half) {
  const uint32x4_t words = vreinterpretq_u32_u8(vqtbl1q_u8(stream, unpacker.windows[half]));
  return vreinterpretq_s32_u32(vandq_u32(vshlq_u32(words, unpacker.shifts[half]), unpacker.mask));
}
inline I unpack(const Unpacker& unpacker, const std::uint8_t* bytes) {
  const uint8x16_t low = vld1q_u8(bytes), high = vld1q_u8(bytes + unpacker.bits);
  return {unpack_four(unpacker, low, 0), unpack_four(unpacker, low, 1), unpack_four(unpacker, high, 0),
          unpack_four(unpacker, high, 1)};
}

/// tbx looks 64 entries up and leaves a byte alone whose index is beyond them; so four of them are a table of 256. A
/// ninth bit of a window chooses between two such tables.
struct WindowTable {
  WindowTable(const WindowValues& values, unsigned bits)
      : windows(bits, values.bits), size(values.bits < 8 ? 1U << values.bits : 256U), wide(values.bits > 8) {
    __builtin_memcpy(entries, values.table, std::size_t{1} << values.bits);
  }
  Unpacker windows;
  unsigned size;
  bool wide;
  std::uint8_t entries[512] = {};
};
inline B look_up_256(const std::uint8_t* entries, unsigned size, B index) {
  B values = {};
  for (unsigned first = 0; first < size; first += 64) {
    const uint8x16x4_t part = vld1q_u8_x4(entries + first);
    values = each([&](auto v, auto i) { return vqtbx4q_u8(v, part, i); }, values, index);
    index = each([](auto i) { return vsubq_u8(i, vdupq_n_u8(64)); }, index);
  }
  return values;
}
/// A byte of each lane.
inline uint8x16_t low_bytes(I x) {
  return vuzp1q_u8(vreinterpretq_u8_s16(narrow(x.a, x.b)), vreinterpretq_u8_s16(narrow(x.c, x.d)));
}
inline uint8x16_t high_bytes(I x) {
  return vuzp2q_u8(vreinterpretq_u8_s16(narrow(x.a, x.b)), vreinterpretq_u8_s16(narrow(x.c, x.d)));
}
inline void look_up(const WindowTable& table, const std::uint8_t* bytes, F* out) {
  const std::size_t stride = 2 * std::size_t{table.windows.bits};
  const Four<I> index = {unpack(table.windows, bytes), unpack(table.windows, bytes + stride),
                         unpack(table.windows, bytes + 2 * stride), unpack(table.windows, bytes + 3 * stride)};
  const B low = each(low_bytes, index);
  B values = look_up_256(table.entries, table.size, low);
  if (table.wide) {
    values = each([](auto high, auto p, auto q) { return vbslq_u8(vtstq_u8(high, high), p, q); },
                  each(high_bytes, index), look_up_256(table.entries + 256, table.size, low), values);
  }
  const auto floats = each([](auto v) { return to_float(widen(vreinterpretq_s8_u8(v))); }, values);
  out[0] = floats.a;
  out[1] = floats.b;
  out[2] = floats.c;
  out[3] = floats.d;
}

inline bool foresees_reading() { return true; }
constexpr std::size_t kQueryTile = 4;
constexpr int kBlockTile = 1;
constexpr unsigned kCheapLookup = 0;
constexpr int kDotBias = 0;

inline B load_bytes(const std::uint8_t* bytes) {
  return {vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)};
}
template <unsigned n>
inline B down(B x) {
  if constexpr (n == 0)
    return x;  // the instruction has no such shift
  else
    return each([](auto p) { return vreinterpretq_u8_u32(vshrq_n_u32(vreinterpretq_u32_u8(p), n)); }, x);
}
template <unsigned n>
inline B up(B x) {
  return each([](auto p) { return vreinterpretq_u8_u32(vshlq_n_u32(vreinterpretq_u32_u8(p), n)); }, x);
}
template <unsigned mask>
inline B keep(B x) {
  return each([](auto p) { return vandq_u8(p, vdupq_n_u8(mask)); }, x);
}
template <unsigned mask>
inline B pick(B x, B y) {
  return each([](auto p, auto q) { return vbslq_u8(vdupq_n_u8(mask), p, q); }, x, y);
}

/// Up to 4 bits the table is repeated until it has 16 entries, so that four bits of each index are enough.
template <unsigned bits>
struct ByteTable {
  explicit ByteTable(const std::int8_t* values) : wide(reinterpret_cast<const std::uint8_t*>(values)) {
    constexpr std::uint8_t kCount[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8x16_t once = {};
    __builtin_memcpy(&once, values, bits < 4 ? std::size_t{1} << bits : 16);
    entries = vqtbl1q_u8(once, vandq_u8(vld1q_u8(kCount), vdupq_n_u8(bits < 4 ? (1U << bits) - 1 : 15)));
  }
  uint8x16_t entries;        ///< up to 4 bits
  const std::uint8_t* wide;  ///< beyond
};
template <unsigned bits>
inline B look_up(const ByteTable<bits>& table, B index) {
  if constexpr (bits <= 4) {
    return each([&](auto i) { return vqtbl1q_u8(table.entries, vandq_u8(i, vdupq_n_u8(15))); }, index);
  } else if constexpr (bits == 5) {
    const uint8x16x2_t both = vld1q_u8_x2(table.wide);
    return each([&](auto i) { return vqtbl2q_u8(both, vandq_u8(i, vdupq_n_u8(31))); }, index);
  } else {
    return look_up_256(table.wide, 1U << bits, keep<(1U << bits) - 1>(index));
  }
}
inline B flip_if_negative(B x, std::uint8_t flipped) {
  return each([&](auto p) { return veorq_u8(p, vandq_u8(vcltzq_s8(vreinterpretq_s8_u8(p)), vdupq_n_u8(flipped))); }, x);
}
inline B choose(B bits, B x, B y) {
  return each([](auto bit, auto p, auto q) { return vbslq_u8(vtstq_u8(bit, vdupq_n_u8(1)), q, p); }, bits, x, y);
}
/// tbl looks up in 64 entries.
struct Nibbles {
  explicit Nibbles(B bytes) {
    const uint8x16_t table = vreinterpretq_u8_u32(vdupq_n_u32(0x30201000U));
    index = each([&](auto p) { return vorrq_u8(vandq_u8(p, vdupq_n_u8(15)), table); }, bytes);
  }
  B index;
};
inline B look_up(const std::uint8_t* entries, Nibbles nibbles) {
  const uint8x16x4_t table = vld1q_u8_x4(entries);
  return each([&](auto p) { return vqtbl4q_u8(table, p); }, nibbles.index);
}
inline B add_bytes(B x, B y) {
  return each([](auto p, auto q) { return vaddq_u8(p, q); }, x, y);
}
inline I add4(I sum, B bytes) { return each([](auto to, auto p) { return add_bytes4(to, p); }, sum, bytes); }
inline I dot4(I sum, B values, B query) {
  return each([](auto to, auto v, auto q) { return add_products4(to, vreinterpretq_s8_u8(v), vreinterpretq_s8_u8(q)); }, sum, values, query);
}
inline B repeat_four(const std::int8_t* bytes) {
  std::uint32_t four = 0;
  __builtin_memcpy(&four, bytes, sizeof four);
  const uint8x16_t repeated = vreinterpretq_u8_u32(vdupq_n_u32(four));
  return {repeated, repeated, repeated, repeated};
}
inline I dot4(I sum, B values, const std::int8_t* query) { return dot4(sum, values, repeat_four(query)); }

using W = Four<int16x8_t>;
inline W words_of_bytes(const unsigned char* bytes) {
  const int8x16_t low = vreinterpretq_s8_u8(vld1q_u8(bytes)), high = vreinterpretq_s8_u8(vld1q_u8(bytes + 16));
  return {vmovl_s8(vget_low_s8(low)), vmovl_high_s8(low), vmovl_s8(vget_low_s8(high)), vmovl_high_s8(high)};
}
inline W words_of_nibbles(const unsigned char* bytes) {
  const uint8x16_t both = vld1q_u8(bytes);
  const int8x16_t eight = vdupq_n_s8(8), low = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), eight),
                  high = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), eight);
  return {vmovl_s8(vget_low_s8(low)), vmovl_high_s8(low), vmovl_s8(vget_low_s8(high)), vmovl_high_s8(high)};
}
inline int32x4_t dot2_part(int16x8_t a, const std::int16_t* query) {
  const int16x8_t b = vld1q_s16(query);
  return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
}
inline I dot2(W a, const std::int16_t* b) { return {dot2_part(a.a, b), dot2_part(a.b, b + 8), dot2_part(a.c, b + 16), dot2_part(a.d, b + 24)}; }
/// With their signs, as words.
inline W even_bytes(B x) {
  return each([](auto p) { return vshrq_n_s16(vshlq_n_s16(vreinterpretq_s16_u8(p), 8), 8); }, x);
}
inline W odd_bytes(B x) {
  return each([](auto p) { return vshrq_n_s16(vreinterpretq_s16_u8(p), 8); }, x);
}
inline I add_products(I sum, W x, const std::int16_t* two) {
  std::int32_t pair = 0;
  __builtin_memcpy(&pair, two, sizeof pair);
  const int16x8_t b = vreinterpretq_s16_s32(vdupq_n_s32(pair));
  const auto add_four = [&](auto to, auto a) {
    int32x4_t next = vaddq_s32(to, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
    __asm__("" : "+w"(next));  // else products are put off and added up in another order
    return next;
  };
  return each(add_four, sum, x);
}

inline uint16x8_t unsigned_words(int16x8_t a) { return vreinterpretq_u16_s16(a); }
inline int16x8_t signed_words(uint16x8_t a) { return vreinterpretq_s16_u16(a); }
inline W round_to_words(F low, F high, I* invalid) {
  const auto mark = [](auto m, auto p, auto q) {  // NaN is unlike itself
    return vorrq_s32(m, vreinterpretq_s32_u32(vmvnq_u32(vandq_u32(vceqq_f32(p, p), vceqq_f32(q, q)))));
  };
  *invalid = each(mark, *invalid, low, high);
  const I a = round_to_int(low), b = round_to_int(high);
  const auto pack = [](int32x4_t p, int32x4_t q) { return signed_words(vqmovun_high_s32(vqmovun_s32(p), q)); };
  return {pack(a.a, a.b), pack(a.c, a.d), pack(b.a, b.b), pack(b.c, b.d)};
}
inline bool any_negative(I x) { return vminvq_s32(vminq_s32(vminq_s32(x.a, x.b), vminq_s32(x.c, x.d))) < 0; }
inline W repeat_word(int x) {
  const int16x8_t word = vdupq_n_s16(static_cast<std::int16_t>(x));
  return {word, word, word, word};
}
inline W add_words(W x, W y) {
  return each([](auto p, auto q) { return vaddq_s16(p, q); }, x, y);
}
inline W sub_words(W x, W y) {
  return each([](auto p, auto q) { return vsubq_s16(p, q); }, x, y);
}
inline int16x8_t multiply_high_part(int16x8_t a, int16x8_t b) {
  const uint16x8_t p = unsigned_words(a), q = unsigned_words(b);
  const uint32x4_t low = vmull_u16(vget_low_u16(p), vget_low_u16(q)), high = vmull_high_u16(p, q);
  return signed_words(vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high)));
}
inline W multiply_high(W x, W y) { return each(multiply_high_part, x, y); }
inline W multiply_round(W x, W y) {
  return each([](auto p, auto q) { return vqrdmulhq_s16(p, q); }, x, y);
}
template <unsigned n>
inline W up_words(W x) {
  return each([](auto p) { return vshlq_n_s16(p, n); }, x);
}
template <unsigned n>
inline W down_words(W x) {
  return each([](auto p) { return signed_words(vshrq_n_u16(unsigned_words(p), n)); }, x);
}
inline W down_words(W x, W n) {
  return each([](auto p, auto by) { return signed_words(vshlq_u16(unsigned_words(p), vnegq_s16(by))); }, x, n);
}
inline I add2(I sum, W x) {
  return each([](auto a, auto p) { return vpadalq_s16(a, p); }, sum, x);
}
inline int32x4_t add_high_bytes(int16x8_t low, int16x8_t high, std::int8_t* to) {
  const int8x16_t bytes = vshrn_high_n_s16(vshrn_n_s16(low, 8), high, 8);
  vst1q_s8(to, bytes);
  return vpaddlq_s16(vpaddlq_s8(bytes));
}
inline I store_high_bytes(W even, W odd, std::int8_t* to_even, std::int8_t* to_odd) {
  return {add_high_bytes(even.a, even.b, to_even), add_high_bytes(even.c, even.d, to_even + 16),
          add_high_bytes(odd.a, odd.b, to_odd), add_high_bytes(odd.c, odd.d, to_odd + 16)};
}

#include "simd/byte_tables.inl"
#include "simd/tails.inl"
inline void look_up(const WindowTable& table, const StreamEnd& end, const std::uint8_t* bytes, std::size_t, unsigned behind, F* out) {
  look_up_copied(table, end, bytes, behind, out);
}
#include "simd/kernels.inl"
