"""How long `import lapwing` takes; for the bench and for the trial of the wheel."""

import subprocess
import sys
import time

IMPORT_MS_MAX = 30.0
RUNS = 7


def import_ms() -> float:
    """Milliseconds of `import lapwing` in a fresh interpreter, less those of an empty program; the best of several."""
    def best(code: str) -> float:
        times = []
        for _ in range(RUNS):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
        return min(times) * 1000

    return best("import lapwing") - best("pass")
