// Ctrl-C as a flag that long work looks at.
#pragma once

namespace tq::cli {

/// From now on the first SIGINT sets the flag; a second one ends the program at once.
void watch_for_interrupt();
bool interrupted();

}  // namespace tq::cli
