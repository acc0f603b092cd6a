// Files of every family, compressed: the same bits as compressing on load.
#include <algorithm>
#include <iterator>

#include "support/tiny_models.h"
#include "turboquant/plan.h"
#include "turboquant/quantize.h"

namespace tq::test {
namespace {

class EveryFamily : public testing::TestWithParam<std::string> {};

std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, testing::ValuesIn(tiny_models()), test_name);

std::vector<float> logits(const std::shared_ptr<const TensorFile>& file, const std::string& weights) {
  const auto model = must(Model::load(file, {.weights = weights, .threads = 1}));
  const auto session = open_session(model, {.context = 128});
  return logits_of(*session, some_tokens(70, model->config().vocab_size));
}

TEST_P(EveryFamily, a_compressed_file_gives_the_logits_of_compressing_on_load) {
  const TinyFiles files(GetParam());
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  for (const auto& file : {files.gguf, files.hugging_face}) {
    for (const char* type : {"tq4", "tt3", ""}) {
      SCOPED_TRACE(file->format() + " " + type);
      must(quantize(*file, path, {.type = type, .replace = true, .threads = 1}));
      EXPECT_EQ(logits(must(TensorFile::open(path)), ""), logits(file, type));
    }
  }
}

TEST(Families, experts_of_a_folder_are_stacked_as_a_gguf_has_them) {
  for (const char* name : {"mixtral", "qwen3moe"}) {
    const TinyFiles files(name);
    const TemporaryFolder folder;
    const auto from_folder = folder.path() / "folder.gguf", from_gguf = folder.path() / "gguf.gguf";
    for (const char* type : {"", "tt2"}) {
      must(quantize(*files.hugging_face, from_folder, {.type = type, .replace = true, .threads = 2}));
      must(quantize(*files.gguf, from_gguf, {.type = type, .replace = true, .threads = 1}));
      const auto a = must(TensorFile::open(from_folder)), b = must(TensorFile::open(from_gguf));
      std::size_t stacks = 0;
      for (const TensorView& tensor : b->tensors()) {
        if (tensor.name.find("_exps") == tensor.name.npos) continue;
        const TensorView* same = a->find(tensor.name);
        ASSERT_NE(same, nullptr) << tensor.name;
        EXPECT_EQ(same->shape, tensor.shape) << tensor.name;
        EXPECT_TRUE(std::ranges::equal(same->bytes, tensor.bytes)) << tensor.name;
        ++stacks;
      }
      EXPECT_EQ(stacks, 6U) << "gate, up and down of two layers";
    }
    must(quantize(*files.hugging_face, from_folder, {.type = "f16", .plain = true, .replace = true, .threads = 1}));
    EXPECT_EQ(must(TensorFile::open(from_folder))->find("blk.0.ffn_gate_inp.weight")->type, "f32")
        << "other programs have no other product for it";
  }
}

TEST(Families, experts_that_differ_in_shape_are_no_stack) {
  TinyModel tiny("mixtral");
  TinyModel::Tensor& one = tiny.tensors.at("model.layers.1.block_sparse_moe.experts.2.w1.weight");
  std::swap(one.shape[0], one.shape[1]);
  one.shape[1] /= 2;
  one.values.resize(one.values.size() / 2);
  const TemporaryFolder folder;
  tiny.write_folder(folder);
  const auto plan = plan_quantize(*must(TensorFile::open(folder.path())), {.type = "tq4"});
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kBadFile);
  EXPECT_NE(plan.error().message.find("layers.1.block_sparse_moe.experts.2.w1"), std::string::npos)
      << plan.error().message;
}

TEST(Families, a_tensor_for_each_expert_of_an_old_gguf_runs_and_is_compressed_as_the_stack) {
  for (const char* name : {"mixtral", "qwen3moe"}) {
    const TinyFiles files(name);
    const std::string bytes = gguf_with_single_experts(files.tiny);
    const auto old = must(TensorFile::from_gguf(bytes_of(bytes), "old.gguf"));
    const TemporaryFolder folder;
    const auto path = folder.path() / "out.gguf";
    for (const char* type : {"", "tt3"}) {
      const std::vector<float> stacked = logits(files.gguf, type);
      EXPECT_EQ(logits(old, type), stacked) << name;
      must(quantize(*old, path, {.type = type, .replace = true, .threads = 1}));
      EXPECT_EQ(logits(must(TensorFile::open(path)), ""), stacked) << name;
    }
    const auto planned = must(load_compressed(old, "tt2.5", 1));  // its names are those of the single tensors
    EXPECT_LT(planned->footprint().linear_bits_per_weight(), 5) << name;
  }
}

TEST(Families, routers_norms_biases_and_positions_stay_exact) {
  for (const char* name : {"mixtral", "qwen2", "gpt2", "gemma3"}) {
    const TinyFiles files(name);
    std::vector<QuantizedTensor> tensors = must(plan_quantize(*files.gguf, {.type = "tq4"})).tensors;
    std::ranges::copy(must(plan_quantize(*files.hugging_face, {.type = "tq4"})).tensors, std::back_inserter(tensors));
    for (const QuantizedTensor& tensor : tensors) {
      const bool matrix = tensor.shape.size() > 1 && tensor.name.starts_with("blk.") &&
                          tensor.name.find("ffn_gate_inp") == tensor.name.npos;
      EXPECT_EQ(tensor.type == "tq4", matrix) << name << " " << tensor.name;
      if (!matrix) EXPECT_EQ(tensor.type, tensor.source_type) << name << " " << tensor.name;
    }
  }
}

}  // namespace
}  // namespace tq::test
