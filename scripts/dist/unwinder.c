/* The unwinder of a shared library for glibc: the one that glibc itself would take.
 *
 * It has LLVM's in it, so that no image needs libgcc_s.so.1 for our sake. But pthread_exit
 * and pthread_cancel unwind by libgcc_s.so.1, which glibc loads for them (CPython before
 * 3.14 ends threads so when it exits), and come through our frames with a context that is
 * that library's own: its accessors have to be the same library's. So where there is one,
 * all is done by it; where there is none, nobody else unwinds either.
 *
 * LLVM's functions are compiled under the names that begin with llvm (unwinder.py). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef void (*Function)(void);

/* All of the Itanium C++ ABI's level 1 and of GCC's additions that libgcc_s.so.1 has had
 * since GCC 4.2: name, result, parameters, arguments. */
#define FUNCTIONS(DO)                                                                          \
    DO(RaiseException, int, (void *exception), (exception))                                    \
    DO(ForcedUnwind, int, (void *exception, void *stop, void *argument),                       \
       (exception, stop, argument))                                                            \
    DO(Resume, void, (void *exception), (exception))                                           \
    DO(Resume_or_Rethrow, int, (void *exception), (exception))                                 \
    DO(DeleteException, void, (void *exception), (exception))                                  \
    DO(Backtrace, int, (void *trace, void *argument), (trace, argument))                       \
    DO(FindEnclosingFunction, void *, (void *address), (address))                              \
    DO(GetGR, uintptr_t, (void *context, int index), (context, index))                         \
    DO(SetGR, void, (void *context, int index, uintptr_t value), (context, index, value))      \
    DO(GetIP, uintptr_t, (void *context), (context))                                           \
    DO(GetIPInfo, uintptr_t, (void *context, int *before), (context, before))                  \
    DO(SetIP, void, (void *context, uintptr_t value), (context, value))                        \
    DO(GetCFA, uintptr_t, (void *context), (context))                                          \
    DO(GetLanguageSpecificData, uintptr_t, (void *context), (context))                         \
    DO(GetRegionStart, uintptr_t, (void *context), (context))                                  \
    DO(GetTextRelBase, uintptr_t, (void *context), (context))                                  \
    DO(GetDataRelBase, uintptr_t, (void *context), (context))

#define DECLARE(name, result, parameters, arguments) result llvm_Unwind_##name parameters;
FUNCTIONS(DECLARE)

#define INDEX(name, result, parameters, arguments) INDEX_##name,
enum { FUNCTIONS(INDEX) COUNT };

#define NAME(name, result, parameters, arguments) "_Unwind_" #name,
static const char *const names[COUNT] = {FUNCTIONS(NAME)};

#define OWN(name, result, parameters, arguments) (Function) llvm_Unwind_##name,
static const Function own[COUNT] = {FUNCTIONS(OWN)};

static Function chosen[COUNT];

/* Threads that come here at once find the same. */
static Function choose(int index) {
    Function found[COUNT];
    const Function *all = found;
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    for (int i = 0; i < COUNT; i++) {
        found[i] = library ? (Function)dlsym(library, names[i]) : NULL;
        if (!found[i]) {
            all = own;
            break;
        }
    }
    for (int i = 0; i < COUNT; i++)
        __atomic_store_n(&chosen[i], all[i], __ATOMIC_RELEASE);
    return all[index];
}

/* In a tail call: no frame of this file is unwound. */
#define DEFINE(name, result, parameters, arguments)                                            \
    result _Unwind_##name parameters {                                                         \
        Function function = __atomic_load_n(&chosen[INDEX_##name], __ATOMIC_ACQUIRE);          \
        if (!function)                                                                         \
            function = choose(INDEX_##name);                                                   \
        __attribute__((musttail)) return ((result(*) parameters)function)arguments;            \
    }
FUNCTIONS(DEFINE)
