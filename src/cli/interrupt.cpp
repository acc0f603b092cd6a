#include "cli/interrupt.h"

#include <csignal>

namespace tq::cli {
namespace {

volatile std::sig_atomic_t seen = 0;

extern "C" void note_interrupt(int) { seen = 1; }

}  // namespace

void watch_for_interrupt() {
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: a read from standard input has to end, too
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return seen != 0; }

}  // namespace tq::cli
