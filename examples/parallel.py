"""Three tasks at once, then a join: which compressor is worth its time on Python source?"""
# ruff: noqa: ANN001, ANN201 - tasks need no annotations

import bz2
import lzma
import os
import zlib
from pathlib import Path
from time import thread_time

import cloaca

SOURCES = Path(os.__file__).parent  # the standard library's own


def measure(context, *, name, compress):
    data = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.py")))
    started = thread_time()
    ratio = len(data) / len(compress(data))
    seconds = thread_time() - started
    # The three tasks append to one list side by side, and what depends on all of them finds all that was appended.
    context.set("results", [*context.get("results", []), {"name": name, "ratio": ratio, "seconds": seconds}])
    return context


@cloaca.task(id="try_zlib")
def try_zlib(context):
    return measure(context, name="zlib", compress=lambda data: zlib.compress(data, level=9))


@cloaca.task(id="try_bz2")
def try_bz2(context):
    return measure(context, name="bz2", compress=bz2.compress)


@cloaca.task(id="try_lzma")
def try_lzma(context):
    return measure(context, name="lzma", compress=lambda data: lzma.compress(data, preset=1))


@cloaca.task(id="compare", dependencies=["try_zlib", "try_bz2", "try_lzma"])
def compare(context, *, results: list[dict]):
    context.set("smallest", max(results, key=lambda result: result["ratio"])["name"])
    context.set("computing", sum(result["seconds"] for result in results))
    return context


with cloaca.WorkflowBuilder("compressors") as builder:
    builder.description("Compress in parallel, then compare")
    builder.add_task("try_zlib").add_task("try_bz2").add_task("try_lzma").add_task("compare")


if __name__ == "__main__":
    with cloaca.DefaultRunner() as runner:
        result = runner.execute("compressors", check=True)
    for row in result["results"]:
        print(f"{row['name']:<5} {row['ratio']:.1f} times smaller in {row['seconds']:.2f} s")
    print(f"smallest: {result['smallest']}; {result['computing']:.2f} s of computing took {result.duration}")
