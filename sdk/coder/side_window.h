/* side_window.h: which window of a side input a main window sees: the one that holds its last instant, the
 * earliest of them for sliding windows, as all SDKs map them by default. */
#ifndef BEAMC_CODER_SIDE_WINDOW_H
#define BEAMC_CODER_SIDE_WINDOW_H

#include <beamc/window.h>

beamc_window beamc__side_window(const beamc_window_fn *fn, beamc_window w);

#endif
