/// Stand-in for dlopen.
///
/// libc finds a library by the run path of the object that called dlopen, which it tells from the return address. A
/// stand-in that called the real function would put itself in the caller's place, so this one records the name and then
/// *jumps* to the real function, with the stack and the arguments as they came.
#include "observer.h"

__attribute__((visibility("hidden"), used)) void *before_dlopen(const char *name, const void *caller) {
    int before = errno;
    if (observing()) {
        name = WASHED(name);
        if (name) {
            saw_plain(caller, LARDER_DLOPEN, name);
            expect_new_objects();
        }
    }
    void *real = real_function(REAL_dlopen);
    errno = before;
    return real;
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "push %rdi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "push %rsi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "sub $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "mov 24(%rsp), %rsi\n"
        "call before_dlopen\n"
        "add $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "pop %rsi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "pop %rdi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "jmp *%rax\n"
        ".cfi_endproc\n"
        ".size dlopen, .-dlopen\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl dlopen\n"
        ".type dlopen, %function\n"
        "dlopen:\n"
        ".cfi_startproc\n"
        "hint #34\n"
        "stp x29, x30, [sp, #-32]!\n"
        ".cfi_adjust_cfa_offset 32\n"
        "stp x0, x1, [sp, #16]\n"
        "mov x1, x30\n"
        "bl before_dlopen\n"
        "mov x16, x0\n"
        "ldp x0, x1, [sp, #16]\n"
        "ldp x29, x30, [sp], #32\n"
        ".cfi_adjust_cfa_offset -32\n"
        "br x16\n"
        ".cfi_endproc\n"
        ".size dlopen, .-dlopen\n");
#endif
