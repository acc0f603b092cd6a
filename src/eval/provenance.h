// Where a report comes from: the machine, the text, the memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "turboquant/eval.h"

namespace tq::eval {

/// The model as a report names it.
decltype(EvalReport::model) describe(const Model& model, const TensorFile& file);
/// The machine; also restarts the peak of the memory.
decltype(EvalReport::machine) describe_machine(const ThreadPool& threads);

/// As the processor calls itself; "unknown" where the system does not say.
std::string cpu_name();

/// 64 hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

/// Starts the peak of the resident memory anew, from what is resident now. False where the system does not allow it.
bool restart_peak_memory();
/// The most memory that was resident since then, or since the process began; 0 where the system does not say.
std::uint64_t peak_memory_bytes();

}  // namespace tq::eval
