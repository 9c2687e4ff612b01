"""Run the checks again and again, to meet those that fail now and then. Says how each round went."""

import subprocess
import sys
import time

COMMAND = [sys.executable, "-m", "unittest", "discover", "-s", "checks", "-p", "check_*.py"]


def main(rounds: int, pause_seconds: float) -> int:
    for number in range(1, rounds + 1):
        begun = time.monotonic()
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
        print(f"round {number} of {rounds}: exit code {done.returncode}, {time.monotonic() - begun:.2f} s", flush=True)
        if done.returncode:
            print(done.stderr, flush=True)
            return done.returncode
        time.sleep(pause_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), 0.5))
