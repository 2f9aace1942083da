// The CUDA libraries of a program that starts without any of them: what is linked in place of the real ones.
//
// Every function of the libraries is a jump through a slot (`lazy.py` writes the jumps and the table of names). `cuInit`, which a
// program has to call before any other, loads the libraries and fills the slots. Where one is missing, `cuInit` fails, and the text
// of its error says which and where it was sought. Each jump counts its calls; `KILN_CUDA_CALLS` names a file that gets the counts
// when the program ends.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lazy.h"

// CUDA_ERROR_STUB_LIBRARY: the library that a program runs with is not the real one.
#define STUB_LIBRARY 34

static char problem[4096];
static int loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// What a function returns whose library lacks it: each library's own "not initialised".
int kiln_lazy_no_driver(void) { return STUB_LIBRARY; }
int kiln_lazy_no_cublas(void) { return 1; }
int kiln_lazy_no_curand(void) { return 203; }
int kiln_lazy_no_cudnn(void) { return 1001; }
int kiln_lazy_no_nvrtc(void) { return 11; }
const char *kiln_lazy_no_text(void) { return "the library has no such function"; }

// candle has kernels for quantised networks, which Kiln has none of; they are left out of the program.
void kiln_lazy_left_out(void) {
    fputs("kernels for quantised networks are not part of this program\n", stderr);
    abort();
}

static void *try_folder(const char *folder, size_t length, const char *name) {
    char path[PATH_MAX];
    if (length == 0 || (size_t)snprintf(path, sizeof path, "%.*s/%s", (int)length, folder, name) >= sizeof path) return NULL;
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
}

// The folder `lib` beside the program.
static size_t beside(char *folder, size_t size) {
    ssize_t length = readlink("/proc/self/exe", folder, size - 5);
    if (length <= 0) return 0;
    while (length > 0 && folder[length - 1] != '/') length--;
    memcpy(folder + length, "lib", 4);
    return (size_t)length + 3;
}

static void *open_library(const char *name, int driver) {
    static const char *const of_driver[] = {"/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib", NULL};
    static const char *const of_toolkit[] = {"/usr/local/cuda/lib64", "/opt/cuda/lib64", NULL};
    char folder[PATH_MAX];
    void *library = NULL;
    const char *named = getenv("KILN_CUDA_LIBRARIES");
    while (!driver && named != NULL && library == NULL) {
        const char *end = strchrnul(named, ':');
        library = try_folder(named, (size_t)(end - named), name);
        named = *end == '\0' ? NULL : end + 1;
    }
    if (library == NULL && !driver) library = try_folder(folder, beside(folder, sizeof folder), name);
    if (library == NULL) library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    for (const char *const *known = driver ? of_driver : of_toolkit; library == NULL && *known != NULL; known++) {
        library = try_folder(*known, strlen(*known), name);
    }
    return library;
}

static void load(void) {
    void *open[KILN_LAZY_LIBRARIES];
    for (int i = 0; i < KILN_LAZY_LIBRARIES; i++) {
        const struct kiln_lazy_library *library = &kiln_lazy_libraries[i];
        open[i] = open_library(library->name, i == KILN_LAZY_DRIVER);
        if (open[i] != NULL || !library->needed) continue;
        if (i == KILN_LAZY_DRIVER) {
            snprintf(problem, sizeof problem, "there is no NVIDIA driver: %s cannot be loaded", library->name);
        } else {
            const char *why = dlerror();
            snprintf(problem, sizeof problem,
                     "%s cannot be loaded: it is sought in the folders of KILN_CUDA_LIBRARIES, in `lib` beside the program, "
                     "where the system has its libraries, and in /usr/local/cuda/lib64 (%s)",
                     library->name, why == NULL ? "not found" : why);
        }
        return;
    }
    for (int i = 0; i < KILN_LAZY_SYMBOLS; i++) {
        const struct kiln_lazy_symbol *symbol = &kiln_lazy_symbols[i];
        void *function = open[symbol->library] == NULL ? NULL : dlsym(open[symbol->library], symbol->name);
        if (function != NULL) kiln_lazy_slots[i] = function;
    }
    loaded = 1;
}

int cuInit(unsigned flags) {
    pthread_once(&once, load);
    if (!loaded) return STUB_LIBRARY;
    return ((int (*)(unsigned))kiln_lazy_slots[KILN_LAZY_CU_INIT])(flags);
}

int cuGetErrorString(int error, const char **text) {
    if (loaded) return ((int (*)(int, const char **))kiln_lazy_slots[KILN_LAZY_CU_GET_ERROR_STRING])(error, text);
    *text = error == STUB_LIBRARY && problem[0] != '\0' ? problem : "CUDA was not initialised";
    return 0;
}

int cuGetErrorName(int error, const char **text) {
    if (loaded) return ((int (*)(int, const char **))kiln_lazy_slots[KILN_LAZY_CU_GET_ERROR_NAME])(error, text);
    *text = "CUDA_ERROR_STUB_LIBRARY";
    return 0;
}

__attribute__((destructor)) static void write_calls(void) {
    const char *path = getenv("KILN_CUDA_CALLS");
    FILE *file = path == NULL || path[0] == '\0' ? NULL : fopen(path, "w");
    if (file == NULL) return;
    for (int i = 0; i < KILN_LAZY_SYMBOLS; i++) {
        if (kiln_lazy_calls[i] > 0) fprintf(file, "%s %llu\n", kiln_lazy_symbols[i].name, kiln_lazy_calls[i]);
    }
    fclose(file);
}
