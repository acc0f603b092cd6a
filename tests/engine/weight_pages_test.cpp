// Weights that were moved for speed: the same numbers, from elsewhere or in another order.
#include "engine/weight_pages.h"

#include <algorithm>

#include "support/models.h"

namespace tq {
namespace {

std::shared_ptr<const Model> load(WeightsPlace place, const std::string& weights = {}) {
  return test::must(Model::load(test::must(TensorFile::open(test::pycoder_gguf())),
                                {.weights = weights, .threads = 2, .place = place}));
}

std::vector<float> logits(const std::shared_ptr<const Model>& model) {
  const auto session = test::open_session(model);
  return test::logits_of(*session, test::some_tokens(20, model->config().vocab_size));
}

LoadedModel& internals(const std::shared_ptr<const Model>& model) {
  return const_cast<LoadedModel&>(static_cast<const LoadedModel&>(*model));
}

TEST(WeightPages, a_copied_model_has_the_bits_of_the_mapped_one) {
  for (const char* weights : {"", "tq4"}) EXPECT_EQ(logits(load(WeightsPlace::kLargePages, weights)), logits(load(WeightsPlace::kFile, weights))) << weights;
}

/// Products of rows that alternate add up in another order, and an activation next to a boundary then rounds to the other of two multiples
/// of 1/32384 of the largest one. After a few layers that is all the noise of this rounding, 1e-8 of the energy of each of 56 products
/// (Codec::scores): 5e-4 of logits of up to 20.
TEST(WeightPages, types_of_gguf_alternate_their_rows_and_compute_the_same) {
  for (const std::string weights : {"q8_0", "q4_0", "q4_1", "q5_0", "iq4_nl"}) {
    const auto moved = load(WeightsPlace::kFile, weights), stays = load(WeightsPlace::kFile);
    std::vector<Matrix*> matrices = internals(stays).matrices();
    matrices.pop_back();  // the output
    CodecCache codecs;
    ThreadPool pool(2);
    for (Matrix* matrix : matrices) {
      if (matrix->rows != 0) ASSERT_TRUE(recode(*matrix, CodecSpec::parse(weights).value(), codecs, pool).has_value());
    }
    const Codec &codec = *internals(moved).matrices().front()->codec, &rows = *internals(stays).matrices().front()->codec;
    EXPECT_EQ(codec.spec(), rows.spec().with_layout(Layout::kInterleavedRuns));
    EXPECT_EQ(rows.spec().layout, Layout::kRows);
    EXPECT_EQ(moved->weights_name(), weights);
    const std::vector<float> a = logits(moved), b = logits(stays);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-2F) << weights;
  }
}

TEST(WeightPages, every_matrix_leaves_the_mapping_and_begins_a_cache_line) {
  const auto model = load(WeightsPlace::kLargePages);
  const std::vector<Matrix*> matrices = internals(model).matrices();
  ASSERT_GT(matrices.size(), 50U);
  for (const Matrix* matrix : matrices) {
    if (matrix->rows == 0) continue;
    ASSERT_NE(matrix->owned, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix->bytes.data()) % 64, 0U);
    for (const TensorView& tensor : model->file().tensors()) {
      const auto begin = tensor.bytes.data(), end = begin + tensor.bytes.size();
      EXPECT_FALSE(matrix->bytes.data() >= begin && matrix->bytes.data() < end) << tensor.name;
    }
  }
}

TEST(WeightPages, threads_for_tokens_and_for_batches_give_the_same_logits) {
  const auto model = load(WeightsPlace::kFile, "tq4");
  std::vector<std::vector<float>> all;
  for (const auto& [token_threads, batch_threads] : {std::pair{0U, 0U}, {1U, 3U}, {3U, 1U}, {2U, 9U}}) {
    const auto session = test::must(Session::create(model, {.context = 64,
                                                            .batch = 7,
                                                            .threads = make_thread_pool(3, true),
                                                            .token_threads = token_threads,
                                                            .batch_threads = batch_threads}));
    all.push_back(test::logits_of(*session, test::some_tokens(15, model->config().vocab_size)));
  }
  for (const std::vector<float>& one : all) EXPECT_EQ(one, all[0]);
}

}  // namespace
}  // namespace tq
