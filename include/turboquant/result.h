// A value, or one sentence why not.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace tq {

/// What kind of failure, and with it the exit code of the program.
enum class ErrorCode {
  kFailed = 1,       ///< the system refused: a file cannot be opened, written, …
  kUsage = 2,        ///< the caller asked for something that does not exist or does not fit
  kBadFile = 3,      ///< the bytes of a file are not what they claim to be
  kOutOfMemory = 4,  ///< it does not fit in memory
  kQualityGate = 5,  ///< a measured quality is worse than the caller allowed
  kInterrupted = 130
};

/// `message` is one sentence: what is wrong, where, and how to mend it. It ends without a full stop.
struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;
};

/// Every function that meets input from outside returns one. Our own bugs are asserts, not errors.
template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorCode::kBadFile, "…");` in a function that returns any Result.
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

/// Passes the error of one Result on through a function that returns another.
template <class T>
std::unexpected<Error> fail(Result<T>&& result) {
  return std::unexpected(std::move(result).error());
}

}  // namespace tq
