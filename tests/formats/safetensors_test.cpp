#include "formats/safetensors.h"

#include <fmt/format.h>

#include "base/random.h"
#include "formats/refusals.h"

namespace tq::test {
namespace {

/// The bytes must outlive the file.
Result<File> read(const std::string& bytes) {
  TensorFileBuilder builder;
  if (Result<void> done = parse_safetensors(bytes_of(bytes), "bad.safetensors", builder); !done)
    return fail(std::move(done));
  return builder.finish("bad.safetensors", "safetensors");
}

void expect_all_refused(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals)
    expect_refused(read(refusal.bytes), "bad.safetensors", refusal.words, refusal.what);
}

/// A file of these entries and `size` bytes of data.
std::string with(const std::string& entries, std::size_t size) {
  return safetensors("{" + entries + "}", std::string(size, '\0'));
}

TEST(Safetensors, tensors_lie_where_their_offsets_say) {
  const std::string bytes = small_safetensors();
  const File file = must(read(bytes));
  ASSERT_EQ(file->tensors().size(), 2U);
  const TensorView* a = file->find("a");
  const TensorView* b = file->find("b");
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_EQ(a->type, "f32");
  EXPECT_EQ(a->shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(a->bytes.size(), 24U);
  EXPECT_EQ(b->type, "f16");
  EXPECT_EQ(b->bytes.data(), a->bytes.data() + 24);
  EXPECT_EQ(b->bytes.data() + 8, bytes_of(bytes).data() + bytes.size());
}

TEST(Safetensors, every_type) {
  const std::vector<std::tuple<std::string, std::string, std::size_t>> types = {// and the bytes of eight values
                                                                                {"BOOL", "bool", 8},
                                                                                {"U8", "u8", 8},
                                                                                {"I8", "i8", 8},
                                                                                {"U16", "u16", 16},
                                                                                {"I16", "i16", 16},
                                                                                {"F16", "f16", 16},
                                                                                {"BF16", "bf16", 16},
                                                                                {"U32", "u32", 32},
                                                                                {"I32", "i32", 32},
                                                                                {"F32", "f32", 32},
                                                                                {"U64", "u64", 64},
                                                                                {"I64", "i64", 64},
                                                                                {"F64", "f64", 64},
                                                                                {"C64", "c64", 64},
                                                                                {"F8_E4M3", "f8_e4m3", 8},
                                                                                {"F8_E5M2", "f8_e5m2", 8},
                                                                                {"F8_E8M0", "f8_e8m0", 8},
                                                                                {"F8_E4M3FNUZ", "f8_e4m3fnuz", 8},
                                                                                {"F8_E5M2FNUZ", "f8_e5m2fnuz", 8},
                                                                                {"F6_E2M3", "f6_e2m3", 6},
                                                                                {"F6_E3M2", "f6_e3m2", 6},
                                                                                {"F4", "f4", 4}};
  for (const auto& [dtype, name, size] : types) {
    const std::string bytes = with(entry("x", dtype, "[2,4]", 0, size), size);
    EXPECT_EQ(must(read(bytes))->tensors()[0].type, name);
  }
}

TEST(Safetensors, scalars_empty_tensors_and_empty_files) {
  const std::string bytes =
      with(entry("scalar", "F32", "[]", 0, 4) + "," + entry("empty", "F32", "[3,0]", 4, 4) + "," +
               entry("huge and empty", "F32", "[0,9223372036854775808,9223372036854775808]", 4, 4),
           4);
  const File file = must(read(bytes));
  EXPECT_EQ(file->find("scalar")->elements(), 1U);
  EXPECT_EQ(file->find("empty")->elements(), 0U);
  EXPECT_TRUE(file->find("huge and empty")->bytes.empty());
  const std::string nothing = safetensors("{}", "");
  EXPECT_TRUE(must(read(nothing))->tensors().empty());
}

TEST(Safetensors, spaces_behind_the_header) {
  const std::string bytes = safetensors("{" + entry("x", "U8", "[1]", 0, 1) + "}      ", "x");
  EXPECT_EQ(must(read(bytes))->tensors().size(), 1U);
}

TEST(Safetensors, every_prefix) {
  const std::string whole = small_safetensors();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refused(read(whole.substr(0, size)), "bad.safetensors", "", "cut at " + std::to_string(size));
  }
}

TEST(Safetensors, header_length) {
  const std::string whole = small_safetensors();
  const auto claiming = [&](std::uint64_t length) { return Bytes().add(length).add(whole.substr(8)).get(); };
  expect_all_refused({
      {"no header", claiming(0), "does not begin with '{'"},
      {"one byte", claiming(1), "JSON is broken"},
      {"one byte less", claiming(whole.size() - 8 - 32 - 1), ""},
      {"one byte more", claiming(whole.size() - 8 - 32 + 1), ""},
      {"the file and one byte", claiming(whole.size() - 8 + 1), "cut off"},
      {"the file with its length", claiming(whole.size()), "cut off"},
      {"100 million", claiming(100'000'000), "cut off"},
      {"one more than the format allows", claiming(100'000'001), "at most"},
      {"2^63", claiming(std::uint64_t{1} << 63), "at most"},
      {"2^64 - 8, which wraps", claiming(UINT64_MAX - 7), "at most"},
  });
}

TEST(Safetensors, header_that_is_no_object_of_entries) {
  const auto header = [](const std::string& text) { return safetensors(text, std::string(4, '\0')); };
  const std::string good = entry("x", "F32", "[1]", 0, 4);
  ASSERT_TRUE(read(header("{" + good + "}")).has_value());
  expect_all_refused({
      {"a list", header("[" + good + "]"), "does not begin with '{'"},
      {"white space in front", header(" {" + good + "}"), "does not begin with '{'"},
      {"a byte-order mark", header("\xef\xbb\xbf{" + good + "}"), "does not begin with '{'"},
      {"two objects", header("{" + good + "}{}"), "JSON is broken"},
      {"a comma too many", header("{" + good + ",}"), "JSON is broken"},
      {"NaN", header("{\"x\":NaN}"), "JSON is broken"},
      {"not UTF-8", header("{\"\xff\":1," + good + "}"), "JSON is broken"},
      {"half of a surrogate pair", header("{\"\\ud800\":1," + good + "}"), "JSON is broken"},
      {"a hundred thousand brackets", header("{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
       "JSON is broken"},
      {"a hundred thousand braces", header([] {
         std::string text;
         for (int i = 0; i < 100'000; ++i) text += "{\"x\":";
         return text;
       }()),
       "JSON is broken"},
      {"a number for an entry", header("{\"x\":1}"), "not described by an object"},
      {"null for an entry", header("{\"x\":null}"), "not described by an object"},
      {"a NUL behind the object", header("{" + good + "}" + std::string(1, '\0')), "JSON is broken"},
  });
}

TEST(Safetensors, fields_of_an_entry) {
  const auto fields = [](const std::string& text) {
    return safetensors("{\"x\":{" + text + "}}", std::string(4, '\0'));
  };
  const std::string dtype = "\"dtype\":\"F32\"", shape = "\"shape\":[1]", offsets = "\"data_offsets\":[0,4]";
  ASSERT_TRUE(read(fields(dtype + "," + shape + "," + offsets)).has_value());
  const auto shaped = [&](const std::string& value) { return fields(dtype + ",\"shape\":" + value + "," + offsets); };
  const auto placed = [&](const std::string& value) {
    return fields(dtype + "," + shape + ",\"data_offsets\":" + value);
  };
  const auto typed = [&](const std::string& value) {
    return fields("\"dtype\":" + value + "," + shape + "," + offsets);
  };
  expect_all_refused({
      {"no dtype", fields(shape + "," + offsets), "once each"},
      {"no shape", fields(dtype + "," + offsets), "once each"},
      {"no offsets", fields(dtype + "," + shape), "once each"},
      {"dtype twice", fields(dtype + "," + dtype + "," + shape + "," + offsets), "once each"},
      {"shape twice", fields(dtype + "," + shape + "," + shape + "," + offsets), "once each"},
      {"nothing", fields(""), "once each"},
      {"an unknown dtype", typed("\"F33\""), "unknown dtype 'F33'"},
      {"a dtype in small letters", typed("\"f32\""), "unknown dtype"},
      {"a dtype with a newline", typed("\"a\\nb\""), "unknown dtype 'a\\x0ab'"},
      {"a dtype that is a number", typed("32"), "not a text"},
      {"a shape that is a number", shaped("1"), "broken shape"},
      {"a negative dimension", shaped("[-1]"), "broken shape"},
      {"a fractional dimension", shaped("[1.0]"), "broken shape"},
      {"a dimension that is a text", shaped("[\"1\"]"), "broken shape"},
      {"a dimension that is null", shaped("[null]"), "broken shape"},
      {"a dimension of 20 digits", shaped("[99999999999999999999]"), ""},
      {"a dimension of 1e300", shaped("[1e300]"), "broken shape"},
      {"65 dimensions", shaped("[1" + fmt::format("{}", fmt::join(std::vector<std::string>(64, ",1"), "")) + "]"),
       "broken shape"},
      {"a shape too large", shaped("[2]"), "not what its shape"},
      {"a shape too small", shaped("[0]"), "not what its shape"},
      {"a product of 2^64", shaped("[4294967296,4294967296]"), "not what its shape"},
      {"2^62 floats, whose bytes wrap to 0", shaped("[4611686018427387904]"), "not what its shape"},
      {"one offset", placed("[0]"), "broken data_offsets"},
      {"three offsets", placed("[0,4,4]"), "broken data_offsets"},
      {"end before begin", placed("[4,0]"), "broken data_offsets"},
      {"negative offsets", placed("[-4,0]"), "broken data_offsets"},
      {"offsets at 2^64", placed("[18446744073709551612,18446744073709551616]"), ""},
      {"offsets near 2^64", placed("[18446744073709551611,18446744073709551615]"), "belong to nothing"},
  });
}

TEST(Safetensors, half_bytes_do_not_make_a_tensor) {
  expect_all_refused({{"three values of 4 bits", with(entry("x", "F4", "[3]", 0, 1), 1), "not what its shape"},
                      {"three values of 6 bits", with(entry("x", "F6_E2M3", "[3]", 0, 2), 2), "not what its shape"}});
}

TEST(Safetensors, every_byte_belongs_to_one_tensor) {
  const std::string a = entry("a", "F32", "[1]", 0, 4);
  expect_all_refused({
      {"a hole", with(a + "," + entry("b", "F32", "[1]", 8, 12), 12), "belong to nothing"},
      {"a hole in front", with(entry("b", "F32", "[1]", 4, 8), 8), "belong to nothing"},
      {"an overlap", with(a + "," + entry("b", "F32", "[1]", 2, 6), 6), "overlaps"},
      {"one inside the other", with(entry("a", "F32", "[4]", 0, 16) + "," + entry("b", "F32", "[1]", 4, 8), 16),
       "overlaps"},
      {"both at one place", with(a + "," + entry("b", "F32", "[1]", 0, 4), 4), "overlaps"},
      {"an empty one inside another", with(a + "," + entry("b", "F32", "[0]", 2, 2), 4), "overlaps"},
      {"a byte too many", with(a, 5), "belong to nothing"},
      {"a byte too few", with(a, 3), "cut off"},
      {"data without a tensor", with("", 1), "belong to nothing"},
      {"a second file behind the first", small_safetensors() + small_safetensors(), "belong to nothing"},
  });
}

TEST(Safetensors, names) {
  const auto named = [](const std::string& name) { return with(entry(name, "U8", "[0]", 0, 0), 0); };
  ASSERT_TRUE(read(named("a \\u00e9")).has_value());
  expect_all_refused({
      {"twice", with(entry("x", "U8", "[0]", 0, 0) + "," + entry("x", "U8", "[0]", 0, 0), 0), "stands twice"},
      {"twice, once in escapes", with(entry("x", "U8", "[0]", 0, 0) + "," + entry("\\u0078", "U8", "[0]", 0, 0), 0),
       "stands twice"},
      {"empty", named(""), "empty or has control characters"},
      {"a newline", named("a\\nb"), "'a\\x0ab'"},
      {"a NUL", named("a\\u0000b"), "empty or has control characters"},
      {"an escape sequence", named("\\u001b[2J"), "empty or has control characters"},
  });
}

TEST(Safetensors, metadata_holds_texts) {
  const auto metadata = [](const std::string& value) { return with("\"__metadata__\":" + value, 0); };
  ASSERT_TRUE(read(metadata("{\"format\":\"pt\"}")).has_value());
  expect_all_refused({
      {"a number inside", metadata("{\"format\":1}"), "not a text"},
      {"an object inside", metadata("{\"format\":{}}"), "not a text"},
      {"null inside", metadata("{\"format\":null}"), "not a text"},
      {"a list", metadata("[]"), "object of texts"},
      {"null", metadata("null"), "object of texts"},
      {"twice", metadata("{},\"__metadata__\":{}"), "stands twice"},
  });
}

/// Sorting and the map of names are all it takes; comparing each pair would take 10^10 steps.
TEST(Safetensors, many_tensors_are_not_compared_in_pairs) {
  std::string entries;
  constexpr std::size_t kCount = 100'000;
  for (std::size_t i = 0; i < kCount; ++i)
    entries += (i == 0 ? "" : ",") + entry(std::to_string(i), "U8", "[1]", i, i + 1);
  const std::string bytes = with(entries, kCount);
  EXPECT_EQ(must(read(bytes))->tensors().size(), kCount);
}

TEST(Safetensors, any_byte_may_change) {
  const std::string whole = small_safetensors();
  std::uint64_t state = 1;
  for (std::size_t at = 0; at < whole.size() - 32; ++at) {
    for (int i = 0; i < 16; ++i) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(next_random(state) % 255 + 1));
      const Result<File> file = read(bytes);
      if (!file) {
        expect_bad_file(file.error(), "bad.safetensors", "", "byte " + std::to_string(at));
        continue;
      }
      std::uint64_t total = 0;
      for (const TensorView& tensor : (*file)->tensors()) total += tensor.bytes.size();
      ASSERT_EQ(total, 32U);
    }
  }
}

}  // namespace
}  // namespace tq::test
