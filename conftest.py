"""Settings of every test run: one thread a process, set before torch is imported by any test or kernel."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
