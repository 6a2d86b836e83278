# The checks that read the sources without running anything.
