// A sequence goes into a file and comes back as it was, or not at all.
#include "engine/saved_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "support/models.h"
#include "support/short_pycoder.h"
#include "support/temporary_folder.h"

namespace tq {
namespace {

const std::shared_ptr<const Model>& model() {
  static const std::shared_ptr<const Model> loaded = test::load(test::short_pycoder_gguf());
  return loaded;
}
std::vector<TokenId> some_tokens(std::size_t n) { return test::some_tokens(n, model()->config().vocab_size); }

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}
std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

void succeed(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

/// The same file with another payload and a checksum that fits it.
std::string sealed(std::string file) {
  const std::uint64_t hash = XXH3_64bits(file.data(), file.size() - 8);
  std::memcpy(file.data() + file.size() - 8, &hash, 8);
  return file;
}

std::string saved(const std::string& cache, std::size_t n, const test::TemporaryFolder& folder) {
  const auto session = test::open_session(model(), {.cache = cache, .context = 128});
  test::logits_of(*session, some_tokens(n));
  succeed(session->save(folder.path() / "cache"));
  return contents(folder.path() / "cache");
}

void expect_refused(const std::string& file, std::string_view why, const std::string& cache = "tq3",
                    std::size_t context = 128, ErrorCode code = ErrorCode::kBadFile) {
  const auto session = test::open_session(model(), {.cache = cache, .context = context});
  test::logits_of(*session, some_tokens(3));
  const Result<void> restored = session->restore(bytes_of(file), "file");
  ASSERT_FALSE(restored.has_value()) << why;
  EXPECT_EQ(restored.error().code, code) << restored.error().message;
  EXPECT_TRUE(restored.error().message.starts_with("file: ")) << restored.error().message;
  EXPECT_NE(restored.error().message.find(why), std::string::npos) << restored.error().message;
  EXPECT_EQ(session->position(), 3U) << "nothing has changed";
}

TEST(SavedCache, what_follows_is_bit_for_bit_what_would_have_followed) {
  const std::vector<TokenId> tokens = some_tokens(90);
  const test::TemporaryFolder folder;
  for (const char* cache : {"f32", "tq3", "q8_0:tq2", "tq4:tq3+sink=4+recent=20", "tq2+sink=3+recent=9+center=mean",
                            "tq4+center=auto", "tt3:q4_0+rotate=on", "tq2.5:tq8.5+sink=3+recent=9+center=mean"}) {
    for (const std::size_t n : {0UL, 1UL, 31UL, 32UL, 77UL}) {  // around a block of 32 rows
      const std::span<const TokenId> next = std::span(tokens).subspan(n, 12);
      const auto session = test::open_session(model(), {.cache = cache, .context = 128});
      test::logits_of(*session, std::span(tokens).first(n));
      succeed(session->save(folder.path() / "cache"));
      const std::vector<float> expected = test::logits_of(*session, next);
      // Another number of threads, and a sequence of which nothing may remain.
      const auto other = test::open_session(model(), {.cache = cache, .context = 128, .threads = 2});
      test::logits_of(*other, test::some_tokens(40, model()->config().vocab_size, 7));
      const Result<void> restored = other->restore(folder.path() / "cache");
      ASSERT_TRUE(restored.has_value()) << restored.error().message;
      EXPECT_EQ(other->position(), n);
      EXPECT_TRUE(std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n), other->tokens().begin()));
      EXPECT_EQ(test::logits_of(*other, next), expected) << cache << " after " << n;
    }
  }
}

TEST(SavedCache, the_context_may_be_another_one) {
  const std::vector<TokenId> tokens = some_tokens(60);
  const test::TemporaryFolder folder;
  for (const char* cache : {"tq3", "tq3+sink=2+recent=100"}) {
    const auto small = test::open_session(model(), {.cache = cache, .context = 64}),
               large = test::open_session(model(), {.cache = cache, .context = 300});
    test::logits_of(*small, std::span(tokens).first(50));
    succeed(small->save(folder.path() / "cache"));
    succeed(large->restore(folder.path() / "cache"));
    EXPECT_EQ(test::logits_of(*large, std::span(tokens).subspan(50)),
              test::logits_of(*small, std::span(tokens).subspan(50)));
  }
}

TEST(SavedCache, the_same_sequence_gives_the_same_file) {
  const test::TemporaryFolder folder;
  const std::string fresh = saved("tq3+recent=10", 40, folder);
  const auto session = test::open_session(model(), {.cache = "tq3+recent=10", .context = 128});
  test::logits_of(*session, test::some_tokens(90, model()->config().vocab_size, 5));
  session->truncate(0);
  test::logits_of(*session, some_tokens(40));
  succeed(session->save(folder.path() / "cache"));
  EXPECT_TRUE(contents(folder.path() / "cache") == fresh) << "nothing of what was forgotten is in it";
}

TEST(SavedCache, a_flipped_byte_is_found_wherever_it_is) {
  const test::TemporaryFolder folder;
  const std::string file = saved("tq3", 20, folder);
  const auto session = test::open_session(model(), {.cache = "tq3", .context = 128});
  ASSERT_TRUE(session->restore(bytes_of(file), "file").has_value());
  const std::size_t step = file.size() / 300;
  for (std::size_t i = 0; i < file.size(); i += i < 700 ? 1 : step) {
    std::string flipped = file;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    ASSERT_FALSE(session->restore(bytes_of(flipped), "file").has_value()) << "byte " << i;
  }
  for (std::size_t size = 0; size < file.size(); size += size < 700 ? 1 : step) {
    ASSERT_FALSE(session->restore(bytes_of(file).first(size), "file").has_value()) << size << " bytes";
  }
  EXPECT_FALSE(session->restore(bytes_of(file + "x"), "file").has_value());
  EXPECT_EQ(session->position(), 20U);
}

TEST(SavedCache, another_cache_model_seed_or_version_is_refused_with_a_sentence) {
  const test::TemporaryFolder folder;
  const std::string file = saved("tq3", 20, folder);
  expect_refused(file, "saved with the cache 'tq3', and this session has 'tq4'", "tq4");
  expect_refused(file, "the cache 'tq3'", "tq3+sink=4");
  expect_refused(file, "the cache 'tq3'", "tq3+recent=4");
  expect_refused(file, "the cache 'tq3'", "tq3+center=mean");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = file;
    changed.replace(changed.find(from), from.size(), to);
    return sealed(changed);
  };
  expect_refused(with("seed=1", "seed=2"), "keys");
  expect_refused(with("version=1", "version=3"), "saved with the keys 'version=3', and this session has 'version=1'");
  expect_refused(with("vocab_size=", "vocab_sixe="), "shape");
  expect_refused(with("architecture: llama", "architecture: lloma"), "architecture");
  expect_refused(with("weights: f16", "weights: f17"), "weights");
  expect_refused(with("weights_hash: ", "weights-hash: "), "something else");
  std::string newer = file;
  newer[8] = 2;
  expect_refused(sealed(newer), "version 2");
  newer[0] = 'T';
  expect_refused(sealed(newer), "no saved cache");
}

TEST(SavedCache, layers_are_compared_one_by_one_whatever_made_them_differ) {
  const test::TemporaryFolder folder;
  const std::string file = saved("tq3.5:tq3.5", 20, folder);  // tq4 in the first layer, tq3 in the second
  const auto restore = [&](const char* first, const char* second) {
    SessionOptions options{.cache = test::must(CacheSpec::parse("tq2")), .context = 128};
    for (const char* text : {first, second}) {
      const CacheSpec layer = test::must(CacheSpec::parse(text));
      options.cache.layers.push_back({layer.k, layer.v});
    }
    options.cache.plan = "some/plan.json";
    return test::must(Session::create(model(), options))->restore(bytes_of(file), "file");
  };
  EXPECT_TRUE(restore("tq4", "tq3").has_value());
  EXPECT_NE(restore("tq3", "tq4").error().message.find("keys of layer 0"), std::string::npos);
  EXPECT_NE(restore("tq4", "tq3:tq2").error().message.find("values of layer 1"), std::string::npos);
  EXPECT_NE(restore("tq4", "tq4").error().message.find("the cache 'by layer'"), std::string::npos);
  expect_refused(file, "the cache 'by layer', and this session has 'tq3'", "tq3");
}

TEST(SavedCache, other_weights_of_the_same_shape_are_another_model) {
  const test::TemporaryFolder folder;
  saved("tq3", 20, folder);
  const auto coded =
      test::open_session(test::load(test::short_pycoder_gguf(), "tq8"), {.cache = "tq3", .context = 128});
  const Result<void> restored = coded->restore(folder.path() / "cache");
  ASSERT_FALSE(restored.has_value());
  EXPECT_NE(restored.error().message.find("weights"), std::string::npos) << restored.error().message;
}

TEST(SavedCache, sizes_that_do_not_fit_are_refused_although_the_checksum_is_right) {
  const test::TemporaryFolder folder;
  const std::string file = saved("tq3+recent=8", 20, folder);
  std::uint32_t length = 0;
  std::memcpy(&length, file.data() + 12, 4);
  const std::size_t counts = 16 + length;
  const auto with = [&](std::size_t at, std::uint64_t value, std::size_t size) {
    std::string changed = file;
    std::memcpy(changed.data() + at, &value, size);
    return sealed(changed);
  };
  for (const std::uint64_t tokens : {0ULL, 19ULL, 1ULL << 32, 1ULL << 62, 1ULL << 63, ~0ULL}) {
    const auto session = test::open_session(model(), {.cache = "tq3+recent=8", .context = 128});
    const Result<void> restored = session->restore(bytes_of(with(counts, tokens, 8)), "file");
    EXPECT_FALSE(restored.has_value()) << tokens;
  }
  expect_refused(with(counts, 21, 8), "", "tq3+recent=8");
  expect_refused(with(counts + 8, 21, 8), "recent tokens", "tq3+recent=8");
  expect_refused(with(counts + 8, 11, 8), "recent tokens", "tq3+recent=8");
  expect_refused(with(counts + 8, ~0ULL, 8), "recent tokens", "tq3+recent=8");
  expect_refused(with(counts + 16, 0xFFFFFFFF, 4), "vocabulary", "tq3+recent=8");
  expect_refused(with(12, 0xFFFFFFFF, 4), "description", "tq3+recent=8");
  std::string longer = file;
  longer.insert(file.size() - 8, 4, 'x');
  expect_refused(sealed(longer), "bytes", "tq3+recent=8");
  expect_refused(file, "raise -c", "tq3+recent=8", 19, ErrorCode::kUsage);
}

TEST(SavedCache, a_file_that_cannot_be_written_or_read_says_so) {
  const test::TemporaryFolder folder;
  const auto session = test::open_session(model(), {.context = 16});
  const Result<void> saved = session->save(folder.path() / "no" / "cache");
  ASSERT_FALSE(saved.has_value());
  EXPECT_EQ(saved.error().code, ErrorCode::kFailed);
  const Result<void> restored = session->restore(folder.path() / "none");
  ASSERT_FALSE(restored.has_value());
  EXPECT_EQ(restored.error().code, ErrorCode::kFailed);
  succeed(session->save(folder.path() / "cache"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
}

}  // namespace
}  // namespace tq
