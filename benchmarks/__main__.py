"""Run all benchmarks, of the pacing the quick one."""

from benchmarks import driving, engine
from benchmarks.compliance import __main__ as compliance
from benchmarks.gateway import __main__ as gateway
from benchmarks.pacing import __main__ as pacing
from benchmarks.storage import __main__ as storage

if __name__ == "__main__":
    engine.main()
    driving.main([])
    compliance.main([])
    storage.main([])
    gateway.main([])
    pacing.main(["--quick"])
