"""Run all benchmarks, of the pacing the quick one."""

from benchmarks import engine
from benchmarks.compliance import __main__ as compliance
from benchmarks.pacing import __main__ as pacing

if __name__ == "__main__":
    engine.main()
    compliance.main([])
    pacing.main(["--quick"])
