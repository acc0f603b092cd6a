// Items of tasks in JSONL. The first byte chooses the task.
#include "base/bytes.h"
#include "check.h"
#include "turboquant/tasks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  if (size == 0) return 0;
  std::vector<std::string> names = task_names();
  names.emplace_back("choices");
  const auto task =
      parse_task(names[data[0] % names.size()], as_text(std::as_bytes(std::span(data + 1, size - 1))), "input");
  if (!task) {
    fuzz::check_error(task.error(), "input");
    return 0;
  }
  fuzz::require(!task->items.empty());
  for (const TaskItem& item : task->items) {
    fuzz::require(item.line >= 1 && item.answer < item.candidates());
    fuzz::require(item.contexts.size() == 1 || item.continuations.size() == 1);
    for (const std::string& text : item.continuations) fuzz::require(!text.empty());
  }
  return 0;
}
