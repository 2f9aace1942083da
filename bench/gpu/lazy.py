"""Writes the libraries that stand for CUDA's where Kiln is linked: jumps to functions that `lazy.c` finds when they are needed.

Their names are those that the Rust bindings declare, so that nothing of CUDA has to be there. For Linux on x86-64."""

import pathlib
import re
import subprocess

# Library of the linker, its bindings, the file it is loaded from, what a missing function answers, whether it must be there.
LIBRARIES = [
    ("cuda", "driver", "libcuda.so.1", "driver", True),
    ("cublasLt", "cublaslt", "libcublasLt.so.13", "cublas", True),
    ("cublas", "cublas", "libcublas.so.13", "cublas", True),
    ("curand", "curand", "libcurand.so.10", "curand", True),
    ("nvrtc", "nvrtc", "libnvrtc.so.13", "nvrtc", False),
    ("cudnn", "cudnn", "libcudnn.so.9", "cudnn", True),
]
# Written by hand in lazy.c.
OWN = {"cuInit": "CU_INIT", "cuGetErrorString": "CU_GET_ERROR_STRING", "cuGetErrorName": "CU_GET_ERROR_NAME"}


def declared(source):
    """The functions of CUDA's that a file of bindings declares."""
    return sorted(set(re.findall(r"^\s+fn ((?:cu|nvrtc)[A-Za-z]\w*)\(", source.read_text(), re.MULTILINE)))


def write(cudarc, kernels, folder, cudnn):
    """Makes `folder` with the libraries, from the sources of the crates cudarc and candle-kernels."""
    folder.mkdir(parents=True, exist_ok=True)
    libraries = [entry for entry in LIBRARIES if cudnn or entry[0] != "cudnn"]
    symbols = []
    for number, (_, bindings, _, missing, _) in enumerate(libraries):
        for name in declared(cudarc / "src" / bindings / "sys" / "mod.rs"):
            text = name.endswith(("ErrorString", "StatusString", "StatusName")) and name not in OWN
            symbols.append((name, number, "text" if text else missing))
    left_out = re.findall(r"pub fn (\w+)\(", (kernels / "src" / "ffi.rs").read_text())

    header = [f"#define KILN_LAZY_LIBRARIES {len(libraries)}", f"#define KILN_LAZY_SYMBOLS {len(symbols)}", "#define KILN_LAZY_DRIVER 0"]
    header += [f"#define KILN_LAZY_{OWN[name]} {i}" for i, (name, _, _) in enumerate(symbols) if name in OWN]
    header += [
        "struct kiln_lazy_library { const char *name; int needed; };",
        "struct kiln_lazy_symbol { const char *name; int library; };",
        "extern void *kiln_lazy_slots[KILN_LAZY_SYMBOLS];",
        "extern unsigned long long kiln_lazy_calls[KILN_LAZY_SYMBOLS];",
        "static const struct kiln_lazy_library kiln_lazy_libraries[] = {",
        *[f'    {{"{file}", {int(needed)}}},' for _, _, file, _, needed in libraries],
        "};",
        "static const struct kiln_lazy_symbol kiln_lazy_symbols[] = {",
        *[f'    {{"{name}", {library}}},' for name, library, _ in symbols],
        "};",
    ]
    (folder / "lazy.h").write_text("\n".join(header) + "\n")

    lines = ["    .text"]
    for i, (name, _, _) in enumerate(symbols):
        if name not in OWN:
            lines += [f"    .globl {name}", f"    .type {name}, @function", f"{name}:", f"    lock incq kiln_lazy_calls+{8 * i}(%rip)",
                      f"    jmp *kiln_lazy_slots+{8 * i}(%rip)"]
    for name in left_out:
        lines += [f"    .globl {name}", f"    .type {name}, @function", f"{name}:", "    jmp kiln_lazy_left_out"]
    lines += ["    .data", "    .balign 8", "    .globl kiln_lazy_slots", "kiln_lazy_slots:"]
    lines += [f"    .quad kiln_lazy_no_{missing}" for _, _, missing in symbols]
    lines += ["    .bss", "    .balign 8", "    .globl kiln_lazy_calls", "kiln_lazy_calls:", f"    .zero {8 * len(symbols)}"]
    lines += ['    .section .note.GNU-stack,"",@progbits']
    (folder / "jumps.s").write_text("\n".join(lines) + "\n")

    objects = []
    for source in (pathlib.Path(__file__).parent / "lazy.c", folder / "jumps.s"):
        objects.append(folder / f"{source.stem}.o")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-fPIC", f"-I{folder}", "-c", source, "-o", objects[-1]], check=True)
    # One library has it all; the others are there because the linker is told their names.
    for name in [library[0] for library in libraries] + ["cudart"]:
        archive = folder / f"lib{name}.a"
        archive.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", archive, *(objects if name == "cuda" else [])], check=True)
    return len(symbols)
