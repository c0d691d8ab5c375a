/* Lets User-Mode Linux run on a processor whose state is larger than its own idea of it (AMX).

   It saves what of a process' XSAVE area fits its buffer, and hands that back. The kernel takes nothing but the whole
   area and says EFAULT, which ends the guest at its first process. So here a short area is laid over the one that the
   process has: what the guest does not know of stays as it is. Loaded with LD_PRELOAD; needs no header, so that any
   compiler will do. x86-64. */

struct iovec { void *base; unsigned long length; };
extern long syscall(long number, ...);

#define SYS_PTRACE 101
#define PEEK_FIRST 1 /* the three requests whose answer the C library returns, and the kernel writes */
#define PEEK_LAST 3
#define GETREGSET 0x4204
#define SETREGSET 0x4205
#define XSTATE 0x202

static unsigned char whole[1 << 16];

static int widened(long process, struct iovec *given, struct iovec *all)
{
    if (syscall(SYS_PTRACE, GETREGSET, process, XSTATE, all) != 0 || all->length <= given->length)
        return 0;
    for (unsigned long i = 0; i < given->length; i++)
        whole[i] = ((unsigned char *)given->base)[i];
    return 1;
}

long ptrace(long request, long process, void *address, void *data)
{
    struct iovec all = { whole, sizeof whole };
    long word;

    if (request >= PEEK_FIRST && request <= PEEK_LAST)
        return syscall(SYS_PTRACE, request, process, address, &word) < 0 ? -1 : word;
    if (request == SETREGSET && (long)address == XSTATE && widened(process, data, &all))
        data = &all;
    return syscall(SYS_PTRACE, request, process, address, data);
}
