"""Tries the libraries of `lazy.py`: a program that is linked to them starts with none of CUDA's, says which one is missing, finds them where it
should, and counts its calls. In the place of CUDA's stand libraries whose functions do nothing."""

import os
import pathlib
import re
import subprocess
import tempfile

PROGRAM = r"""
#include <stdio.h>
int cuInit(unsigned), cuGetErrorString(int, const char **), cuDeviceGet(int *, int), cublasCreate_v2(void **), curandSetStream(void *, void *);
int main(void) {
    void *handle;
    const char *text;
    int device, error = cuInit(0);
    if (error != 0) { cuGetErrorString(error, &text); puts(text); return 1; }
    return cuDeviceGet(&device, 0) + cuDeviceGet(&device, 1) + cublasCreate_v2(&handle) + curandSetStream(0, 0);
}
"""


def check(folder):
    """Raises where something is not so; `folder` is what `lazy.write` made."""
    header = (folder / "lazy.h").read_text()
    libraries = re.findall(r'\{"(lib[^"]+)", [01]\}', header)
    symbols = re.findall(r'\{"((?:cu|nv)\w+)", (\d)\}', header)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "program.c").write_text(PROGRAM)
        subprocess.run(["cc", "program.c", f"-L{folder}", "-lcuda", "-lcublas", "-lcurand", "-o", "program"], check=True, cwd=work)
        for number, library in enumerate(libraries):
            place = work / ("driver" if number == 0 else "toolkit")
            place.mkdir(exist_ok=True)
            source = "".join(f"int {name}(void) {{ return 0; }}\n" for name, of in symbols if int(of) == number)
            command = ["cc", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", place / library]
            subprocess.run(command, input=source, text=True, check=True)

        def run(driver, toolkit=""):
            env = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(work / "driver") if driver else "", "KILN_CUDA_LIBRARIES": str(toolkit)}
            env["KILN_CUDA_CALLS"] = str(work / "calls")
            done = subprocess.run([work / "program"], env=env, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

        # Where this machine has a driver or CUDA, what is missing cannot be tried.
        has = {name: subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout.count(name) for name in libraries}
        if not has["libcuda.so.1"]:
            expect("without a driver", run(False), 1, "there is no NVIDIA driver")
        if not has["libcublasLt.so.13"] and not pathlib.Path("/usr/local/cuda/lib64").exists():
            expect("without the toolkit", run(True), 1, "libcublasLt.so.13 cannot be loaded")
        expect("by the variable", run(True, f"/nowhere:{work / 'toolkit'}"), 0, "")
        calls = dict(line.split() for line in (work / "calls").read_text().splitlines())
        if calls != {"cuDeviceGet": "2", "cublasCreate_v2": "1", "curandSetStream": "1"}:
            raise SystemExit(f"the calls were counted as {calls}")
        (work / "toolkit").rename(work / "lib")
        expect("beside the program", run(True), 0, "")


def expect(what, got, status, text):
    if got[0] != status or text not in got[1]:
        raise SystemExit(f"{what}: status {got[0]}, {got[1]!r}")
