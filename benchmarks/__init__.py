"""What the library costs, beside a yardstick that does the least: ``python -m benchmarks``."""
