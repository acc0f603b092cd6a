// GGUF files that are not what they claim to be. Many of these crashed or misled other readers once.
#include <fmt/format.h>

#include "base/random.h"
#include "formats/gguf.h"
#include "formats/refusals.h"

namespace tq::test {
namespace {

Result<File> read(const std::string& bytes) { return TensorFile::from_gguf(bytes_of(bytes), "bad.gguf"); }

void expect_all_refused(const std::vector<Refusal>& refusals) {
  ASSERT_TRUE(read(small_gguf().bytes()).has_value());
  for (const Refusal& refusal : refusals) expect_refused(read(refusal.bytes), "bad.gguf", refusal.words, refusal.what);
}

/// small_gguf() with one change.
template <class Change>
std::string changed(Change&& change) {
  Gguf file = small_gguf();
  change(file);
  return file.bytes();
}

std::string with_key(const std::string& entry) {
  return changed([&](Gguf& file) { file.keys.push_back(entry); });
}

std::string with_tensor(const GgufTensor& tensor) {
  return changed([&](Gguf& file) { file.tensors[0] = tensor; });
}

constexpr std::uint64_t k63 = std::uint64_t{1} << 63, kMost = UINT64_MAX;

TEST(GgufMalformed, every_prefix) {
  const std::string whole = small_gguf().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string prefix = whole.substr(0, size);
    expect_refused(read(prefix), "bad.gguf", size < 4 ? "cut off" : "", "cut at " + std::to_string(size));
  }
}

TEST(GgufMalformed, header) {
  const auto version = [](std::uint32_t number) { return changed([&](Gguf& file) { file.version = number; }); };
  expect_all_refused({
      {"another magic", changed([](Gguf& file) { file.magic = "GGUX"; }), "letters GGUF"},
      {"a big-endian magic", changed([](Gguf& file) { file.magic = "FUGG"; }), "letters GGUF"},
      {"version 0", version(0), "version 0"},
      {"version 1", version(1), "version 1"},
      {"version 4", version(4), "version 4"},
      {"version 2^32 - 1", version(UINT32_MAX), "version"},
      {"big-endian version 3", version(0x03000000), "big-endian"},
      {"big-endian version 2", version(0x02000000), "big-endian"},
  });
}

TEST(GgufMalformed, counts_beyond_the_file) {
  for (const std::int64_t count :
       {std::int64_t{-1}, std::int64_t{1} << 62, INT64_MIN, std::int64_t{1} << 32, std::int64_t{7}}) {
    expect_refused(read(changed([&](Gguf& file) { file.n_tensors = count; })), "bad.gguf", "",
                   fmt::format("{} tensors", count));
    expect_refused(read(changed([&](Gguf& file) { file.n_keys = count; })), "bad.gguf", "",
                   fmt::format("{} keys", count));
  }
}

/// Where the count is one too many, what follows is read as something else, and must not fit either.
TEST(GgufMalformed, counts_that_are_off_by_one) {
  for (const std::int64_t step : {-1, 1}) {
    expect_refused(read(changed([&](Gguf& file) { file.n_tensors = 2 + step; })), "bad.gguf", "", "tensors");
    expect_refused(read(changed([&](Gguf& file) { file.n_keys = 6 + step; })), "bad.gguf", "", "keys");
  }
}

TEST(GgufMalformed, key_names) {
  const std::string value = Bytes().add<std::uint32_t>(kU8).add<std::uint8_t>(1).get();
  const auto named = [&](std::uint64_t length, const std::string& name) {
    return with_key(Bytes().add(length).add(name).add(value).get());
  };
  expect_all_refused({
      {"empty", named(0, ""), "name of 0 bytes"},
      {"65536 bytes", named(65536, std::string(65536, 'k')), "name of 65536 bytes"},
      {"2^63 bytes", named(k63, "k"), "longest allowed"},
      {"2^64 - 1 bytes", named(kMost, "k"), "longest allowed"},
      {"1 GiB in a small file", named(1 << 30, "k"), "longest allowed"},
      {"beyond the end", named(100000, "k"), "cut off"},
      {"a NUL", named(3, std::string("a\0b", 3)), "printable ASCII"},
      {"a newline", named(3, "a\nb"), "printable ASCII"},
      {"not ASCII", named(2, "\xc3\xa9"), "printable ASCII"},
      {"twice", with_key(text_key("general.architecture", "llama")), "stands twice"},
      {"twice with another type", with_key(key<std::uint8_t>("texts", kU8, 1)), "stands twice"},
  });
}

TEST(GgufMalformed, values) {
  const auto typed = [](std::uint32_t type, const std::string& value) {
    return with_key(Bytes().add_text("k").add(type).add(value).get());
  };
  expect_all_refused({
      {"type 13", typed(13, std::string(8, '\0')), "unknown value type 13"},
      {"type 255", typed(255, std::string(8, '\0')), "unknown value type 255"},
      {"type 2^32 - 1", typed(UINT32_MAX, std::string(8, '\0')), "unknown value type"},
      {"a bool of 2", typed(kBool, "\2"), "neither 0 nor 1"},
      {"a bool of 255", typed(kBool, "\xff"), "neither 0 nor 1"},
      {"a text of 2^64 - 1 bytes", typed(kText, Bytes().add(kMost).get()), "longest allowed"},
      {"a text of 1 GiB", typed(kText, Bytes().add<std::uint64_t>(1 << 30).get()), "longest allowed"},
      {"a text beyond the end", typed(kText, Bytes().add<std::uint64_t>(1 << 20).get()), "cut off"},
  });
}

TEST(GgufMalformed, arrays) {
  const auto list = [](std::uint32_t type, std::uint64_t count, const std::string& elements) {
    return with_key(array_key("k", type, count, elements));
  };
  std::string nested;  // a thousand arrays of one array each
  for (int depth = 0; depth < 1000; ++depth) nested += Bytes().add<std::uint32_t>(kArray).add<std::uint64_t>(1).get();
  expect_all_refused({
      {"2^64 - 1 bytes", list(kU8, kMost, ""), "cut off"},
      {"2^61 + 1 of 8 bytes, which wraps to 8", list(kU64, (kMost >> 3) + 2, std::string(8, '\0')), "cut off"},
      {"2^62 of 4 bytes, which wraps to 0", list(kI32, std::uint64_t{1} << 62, ""), "cut off"},
      {"2^60 texts", list(kText, std::uint64_t{1} << 60, ""), "cut off"},
      {"a thousand texts in a small file", list(kText, 1000, Bytes().add_text("a").get()), "cut off"},
      {"a text of 2^63 bytes", list(kText, 1, Bytes().add(k63).get()), "longest allowed"},
      {"an unknown type", list(13, 1, std::string(8, '\0')), "unknown value type 13"},
      {"an unknown type, no elements", list(255, 0, ""), "unknown value type 255"},
      {"arrays of arrays", list(kArray, 1, nested), "array of arrays"},
      {"a bool of 2", list(kBool, 3, std::string("\0\1\2", 3)), "neither 0 nor 1"},
      {"2^63, which no list of integers holds", list(kU64, 1, Bytes().add(k63).get()), "too large"},
      {"bytes called integers", list(kI32, 64, std::string(64, '\1')), ""},
  });
}

TEST(GgufMalformed, alignment) {
  const auto aligned = [](const std::string& entry) { return with_key(entry); };
  std::vector<Refusal> refusals;
  for (const std::uint32_t value : {0U, 3U, 13U, 33U, 1U << 21, 1U << 30, 1U << 31, UINT32_MAX}) {
    refusals.push_back({std::to_string(value), aligned(key("general.alignment", kU32, value)), "power of two"});
  }
  refusals.push_back({"a text", aligned(text_key("general.alignment", "32")), "power of two"});
  refusals.push_back({"a float", aligned(key("general.alignment", kF32, 32.0F)), "power of two"});
  refusals.push_back({"-32", aligned(key<std::int32_t>("general.alignment", kI32, -32)), "power of two"});
  refusals.push_back({"2^63", aligned(key("general.alignment", kU64, k63)), "power of two"});
  refusals.push_back(
      {"2^64 - 1, where rounding up wraps", aligned(key("general.alignment", kU64, kMost)), "power of two"});
  expect_all_refused(refusals);
}

TEST(GgufMalformed, tensor_names) {
  const auto named = [](const std::string& name) { return with_tensor({name, {8, 2}, 0, 0}); };
  const auto claimed = [](std::uint64_t length) {
    Gguf file = small_gguf();
    file.tensors.clear();
    file.n_tensors = 1;
    file.data = Bytes().add(length).add(std::string(100, 'x')).get();
    return file.bytes();
  };
  expect_all_refused({
      {"empty", named(""), "name of 0 bytes"},
      {"64 bytes", named(std::string(64, 'n')), "name of 64 bytes"},
      {"a NUL", named(std::string("a\0b", 3)), "printable UTF-8"},
      {"an escape sequence", named("a\x1b[2J"), "printable UTF-8"},
      {"not UTF-8", named("a\xff"), "printable UTF-8"},
      {"a control character beyond ASCII", named("a\xc2\x9b"), "printable UTF-8"},
      {"twice", named("b.weight"), "stands twice"},
      {"2^63 bytes", claimed(k63), "longest allowed"},
      {"2^64 - 1 bytes", claimed(kMost), "longest allowed"},
      {"more than is left", claimed(1000), "cut off"},
  });
}

TEST(GgufMalformed, dimensions) {
  const auto shaped = [](const std::vector<std::uint64_t>& dims, std::uint32_t type = 0) {
    return with_tensor({"a.weight", dims, type, 0});
  };
  const auto claimed = [](std::uint32_t n_dims) {
    Gguf file = small_gguf();
    file.tensors.clear();
    file.n_tensors = 1;
    file.data = Bytes().add_text("a").add(n_dims).add(std::string(100, '\1')).get();
    return file.bytes();
  };
  const std::uint64_t k32 = std::uint64_t{1} << 32;
  expect_all_refused({
      {"none", shaped({}), "0 dimensions"},
      {"five", shaped({2, 2, 2, 2, 1}), "5 dimensions"},
      {"2^32 - 1", claimed(UINT32_MAX), "4294967295 dimensions"},
      {"a dimension of 0", shaped({8, 0}), "dimension of 0"},
      {"an innermost dimension of 0", shaped({0, 8}), "dimension of 0"},
      {"-1", shaped({kMost}), "larger than the whole file"},
      {"a product of 2^64, which wraps to 0", shaped({k32, k32}), "larger than the whole file"},
      {"a product of 2^64 + 2^33, which wraps", shaped({k32, k32 + 2}), "larger than the whole file"},
      {"four of 2^32 - 1", shaped({k32 - 1, k32 - 1, k32 - 1, k32 - 1}), "larger than the whole file"},
      {"2^62 floats, whose bytes wrap to 0", shaped({std::uint64_t{1} << 62}), "larger than the whole file"},
      {"2^63 values of f64", shaped({k63}, 28), "larger than the whole file"},
      {"2^62 in blocks of 32", shaped({std::uint64_t{1} << 62, 2}, 8), "larger than the whole file"},
      {"0x7FFF…C0 bytes", shaped({0x7FFFFFFFFFFFFFC0}, 24), "larger than the whole file"},
      {"a row that is no whole block", shaped({33, 2}, 8), "blocks of 32"},
      {"a row shorter than a block", shaped({8, 4}, 2), "blocks of 32"},
  });
}

TEST(GgufMalformed, types_that_were_withdrawn_or_never_given) {
  for (const std::uint32_t type :
       {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 43U, 255U, 0x7FFFFFFFU, 0x80000000U, UINT32_MAX}) {
    expect_refused(read(with_tensor({"a.weight", {8, 2}, type, 0})), "bad.gguf", fmt::format("type id {}", type),
                   "type");
  }
}

TEST(GgufMalformed, extents) {
  const auto placed = [](std::uint64_t a, std::uint64_t b, std::size_t data = 96) {
    return changed([&](Gguf& file) {
      file.tensors[0].offset = a;
      file.tensors[1].offset = b;
      file.data.resize(data);
    });
  };
  expect_all_refused({
      {"unaligned", placed(0, 65), "no multiple of the alignment"},
      {"both at one place", placed(0, 0), "overlaps"},
      {"overlapping by one block", placed(0, 32), "overlaps"},
      {"a hole", placed(0, 96, 128), "belong to nothing"},
      {"a hole in front", placed(32, 96, 128), "belong to nothing"},
      {"beyond the end", placed(0, 128), "reaches beyond"},
      {"far beyond the end", placed(0, std::uint64_t{1} << 40), "reaches beyond"},
      {"2^64 - 32, where the end wraps", placed(0, kMost - 31), "reaches beyond"},
      {"2^63", placed(0, k63), "reaches beyond"},
      {"backwards with a hole", placed(64, 0, 160), "belong to nothing"},
      {"a byte short", placed(0, 64, 95), "reaches beyond"},
      {"no data", placed(0, 64, 0), "reaches beyond"},
      {"a block behind the last tensor", placed(0, 64, 128), "belong to nothing"},
      {"a second file behind the first", small_gguf().bytes() + small_gguf().bytes(), "belong to nothing"},
      {"data without a tensor", changed([](Gguf& file) { file.tensors.clear(); }), "belong to nothing"},
  });
}

TEST(GgufMalformed, sizes_whose_sum_wraps) {
  Gguf file = small_gguf();
  file.tensors = {{"a", {0x7FFFFFFFFFFFFFC0}, 24, 0}, {"b", {0x7FFFFFFFFFFFFFC0}, 24, 0x7FFFFFFFFFFFFFC0}};
  expect_refused(read(file.bytes()), "bad.gguf", "larger than the whole file", "two of 2^63 - 64");
}

TEST(GgufMalformed, one_part_of_many) {
  expect_refused(read(with_key(key<std::uint16_t>("split.count", kU16, 3))), "bad.gguf", "split GGUF", "3 parts");
}

/// Names come out of the file into the message: they must not break the line or drive a terminal.
TEST(GgufMalformed, messages_stay_one_line) {
  const std::string long_name(60, 'x');
  expect_refused(read(with_tensor({long_name, {8, 2}, 99, 0})), "bad.gguf", long_name, "long");
  const std::string long_key(2000, 'k');
  expect_refused(read(with_key(Bytes().add_text(long_key).add<std::uint32_t>(77).get())), "bad.gguf", "kkkk…'",
                 "long key");
}

/// Refused by its size, not by the allocator: each empty text costs 8 bytes in the file and 32 in memory.
TEST(GgufMalformed, metadata_that_would_fill_the_memory) {
  Gguf file;
  const std::uint64_t count = (std::uint64_t{256} << 20) / sizeof(std::string) + 1;
  file.keys = {array_key("k", kText, count, std::string(count * 8, '\0'))};
  expect_refused(read(file.bytes()), "bad.gguf", "bytes of memory", "empty texts");
  Gguf bytes;
  const std::uint64_t most = (std::uint64_t{256} << 20) / 8;
  bytes.keys = {array_key("first", kU8, 1, "x"), array_key("second", kU8, most, std::string(most, '\1'))};
  expect_refused(read(bytes.bytes()), "bad.gguf", "'second'",
                 "bytes, eight times as large in memory, and one more before");
}

/// A hundred thousand keys or tensors take no longer than their bytes; comparing each pair would take 10^10 steps, a
/// minute.
TEST(GgufMalformed, many_keys_and_tensors_are_not_compared_in_pairs) {
  Gguf keys;
  for (int i = 0; i < 65536; ++i) keys.keys.push_back(key<std::uint8_t>(fmt::format("k{}", i), kU8, 1));
  EXPECT_EQ(must(read(keys.bytes()))->metadata().values().size(), 65536U);
  keys.keys.push_back(key<std::uint8_t>("one more", kU8, 1));
  expect_refused(read(keys.bytes()), "bad.gguf", "65537 keys", "too many");

  Gguf tensors;
  tensors.keys = {key<std::uint32_t>("general.alignment", kU32, 1)};
  tensors.alignment = 1;
  for (std::uint64_t i = 0; i < 100000; ++i) tensors.tensors.push_back({fmt::format("t{}", i), {1}, 24, i});
  tensors.data = std::string(100000, '\0');
  EXPECT_EQ(must(read(tensors.bytes()))->tensors().size(), 100000U);
  tensors.tensors.back().name = "t0";
  expect_refused(read(tensors.bytes()), "bad.gguf", "stands twice", "the last name is the first");
}

/// Whatever one byte says, the file is refused or its tensors lie within it, one behind the other.
TEST(GgufMalformed, any_byte_may_change) {
  const std::string whole = small_gguf().bytes();
  std::uint64_t state = 1;
  std::size_t accepted = 0;
  for (std::size_t at = 0; at < whole.size() - 96; ++at) {
    for (int i = 0; i < 16; ++i) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(next_random(state) % 255 + 1));
      const Result<File> file = read(bytes);
      if (!file) {
        expect_bad_file(file.error(), "bad.gguf", "", "byte " + std::to_string(at));
        continue;
      }
      ++accepted;
      std::uint64_t total = 0;
      for (const TensorView& tensor : (*file)->tensors()) {
        ASSERT_GE(tensor.bytes.data(), bytes_of(bytes).data());
        ASSERT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes_of(bytes).data() + bytes.size());
        total += tensor.bytes.size();
      }
      // A tensor may have become smaller, and what it left is padding: less than the alignment for each of the two.
      ASSERT_LE(total, 96U);
      ASSERT_GT(total, 96U - 2 * 32);
    }
  }
  EXPECT_GT(accepted, 0U);  // letters of names and values may change
}

}  // namespace
}  // namespace tq::test
