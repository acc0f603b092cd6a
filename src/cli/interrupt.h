// Ctrl-C as a flag that long work looks at.
#pragma once

namespace tq::cli {

/// From now on the first SIGINT sets the flag; a second one ends the program at once.
void watch_for_interrupt();
bool interrupted();

/// From now on every SIGINT sets the flag and none ends the program: for a conversation, in which it ends an answer.
void catch_every_interrupt();
/// Takes the flag back.
void forget_interrupt();

}  // namespace tq::cli
