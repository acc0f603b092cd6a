#include "cli/interrupt.h"

#include <csignal>

namespace tq::cli {
namespace {

volatile std::sig_atomic_t seen = 0;

extern "C" void note_interrupt(int) { seen = 1; }

void watch(unsigned flags) {
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(flags);  // no SA_RESTART: a read from standard input has to end, too
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void watch_for_interrupt() { watch(SA_RESETHAND); }
void catch_every_interrupt() { watch(0); }
void forget_interrupt() { seen = 0; }

bool interrupted() { return seen != 0; }

}  // namespace tq::cli
