/* SPDX-License-Identifier: MIT
 *
 * ablation.S: one x86-64 switch, again and again with a larger contract; ablation.c is the map.
 *
 * All of it is assembly, so that nothing but the contract differs: no compiler decides
 * what is spilled at a call site. A body is entered by `jmp`, without a call, with
 *
 *     rax   where to resume          rdi   from        rsi   to
 *
 * and leaves by an indirect `jmp`, so that no return is mispredicted. What a suspended
 * flow's stack holds, from SP upwards, each as far as the contract has it:
 *
 *     xmm0-15 | MXCSR and x87 CW (8 bytes) | rbp, or the callee-saved, or 15 registers | PC
 *
 * XSAVE's area, FS base and signal mask are in the flow. The PC is jumped to from below SP,
 * as the widest contracts leave no register free; the 128 bytes there are the flow's own.
 * Not kept in any contract: RFLAGS, segment selectors (the kernel's switch reads these).
 */
#include "asm.h"
#include "ablation_layout.h"

.macro PUSH_ALL registers:vararg
    .irp register, \registers
    pushq %\register
    .cfi_adjust_cfa_offset 8
    .endr
.endm

.macro POP_ALL registers:vararg
    .irp register, \registers
    popq %\register
    .cfi_adjust_cfa_offset -8
    .endr
.endm

.macro ALL_XMM instruction
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    .ifc \instruction, store
    movups %xmm\n, (16 * \n)(%rsp)
    .else
    movups (16 * \n)(%rsp), %xmm\n
    .endif
    .endr
.endm

/* gpr: 0, 1 (rbp), 6 (callee-saved), 15 (all but SP); xsave: none, xsave64, xsavec64. */
.macro BODY name gpr=0 fpctl=0 xmm=0 xsave=none fs_base=0 signal_mask=0
FUNC ablation_\name\()_body
    .cfi_def_cfa_offset 0
    .cfi_register rip, rax
    LANDING
    pushq %rax
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rip, 0
    .if \gpr == 15
    PUSH_ALL rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    .elseif \gpr == 6
    PUSH_ALL rbx, rbp, r12, r13, r14, r15
    .elseif \gpr == 1
    PUSH_ALL rbp
    .endif
    .if \fpctl
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    .endif
    .if \xmm
    subq $256, %rsp
    .cfi_adjust_cfa_offset 256
    ALL_XMM store
    .endif
    .ifnc \xsave, none
    movl $-1, %eax
    movl $-1, %edx
    \xsave ABLATION_AREA(%rdi)
    .endif
    .if \fs_base
    rdfsbase %rcx
    movq %rcx, ABLATION_FS_BASE(%rdi)
    .endif
    .if \signal_mask /* rt_sigprocmask(SIG_SETMASK, &to's, &from's, 8) */
    movq %rdi, %r12
    movq %rsi, %r13
    leaq ABLATION_SIGNAL_MASK(%rdi), %rdx
    leaq ABLATION_SIGNAL_MASK(%rsi), %rsi
    movl $2, %edi
    movl $8, %r10d
    movl $14, %eax
    syscall
    movq %r12, %rdi
    movq %r13, %rsi
    .endif

    movq %rsp, ABLATION_SP(%rdi)
    movq ABLATION_SP(%rsi), %rsp

    .if \fs_base
    movq ABLATION_FS_BASE(%rsi), %rcx
    wrfsbase %rcx
    .endif
    .ifnc \xsave, none
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 ABLATION_AREA(%rsi)
    .endif
    .if \xmm
    ALL_XMM load
    addq $256, %rsp
    .cfi_adjust_cfa_offset -256
    .endif
    .if \fpctl
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .endif
    .if \gpr == 15
    POP_ALL r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    .elseif \gpr == 6
    POP_ALL r15, r14, r13, r12, rbp, rbx
    .elseif \gpr == 1
    POP_ALL rbp
    .endif
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .cfi_offset rip, -8
    jmpq *-8(%rsp)
ENDFUNC ablation_\name\()_body
.endm

.macro HOP name self peer
    leaq ablation_\self(%rip), %rdi
    leaq ablation_\peer(%rip), %rsi
    leaq 7f(%rip), %rax
    jmp ablation_\name\()_body
7:  LANDING
.endm

/* pong's start 8 bytes further: see SWITCH_ALIGN_SECOND. */
.macro HOPS name self peer
    cmpq $0, ABLATION_LEFT + ablation_\self(%rip)
    je 9f
    .p2align 6
    .ifc \self, pong
    .skip 8, 0x90
    .endif
8:  HOP \name, \self, \peer
    subq $1, ABLATION_LEFT + ablation_\self(%rip)
    jne 8b
9:
.endm

/* Two flows of one contract; `state` is called first by each, to make vectors clean or dirty.
 *
 *     void ablation_NAME_ping(long again)   makes ping's hops, and one more if `again`
 *     ablation_NAME_pong                    pong's PC: its hops, and one that never returns
 */
.macro FLOWS name state
FUNC ablation_\name\()_ping
    LANDING
    PUSH_ALL rbx, rbp, r12, r13, r14, r15, rdi
    call \state
    HOPS \name, ping, pong
    cmpq $0, (%rsp)
    je 1f
    HOP \name, ping, pong
1:  call ablation_state_none
    POP_ALL rdi, r15, r14, r13, r12, rbp, rbx
    ret
ENDFUNC ablation_\name\()_ping

FUNC ablation_\name\()_pong
    .cfi_undefined rip
    LANDING
    call \state
    HOPS \name, pong, ping
    HOP \name, pong, ping
    ud2
ENDFUNC ablation_\name\()_pong
.endm

/* ------------------------------------------------------------ the vectors' state */

/* As found, but the upper halves as the ABI wants them where the CPU has any. */
FUNC ablation_state_none
    cmpl $0, ablation_widest(%rip)
    je 1f
    vzeroupper
1:  ret
ENDFUNC ablation_state_none

/* Every component beyond x87 and XMM into its initial configuration: XRSTOR of an area
 * whose header says that all are. (vzeroupper does not reach zmm16-31, which the C library's
 * string functions use.) PKRU, bit 9, would be set open: left out. */
FUNC ablation_state_clean
    movl $0xfffffdfc, %eax
    movl $-1, %edx
    xrstor64 ablation_initial(%rip)
    ret
ENDFUNC ablation_state_clean

FUNC ablation_state_dirty
    cmpl $512, ablation_widest(%rip)
    je 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vcmptrueps %ymm\n, %ymm\n, %ymm\n
    .endr
    ret
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vpternlogd $0xff, %zmm\n, %zmm\n, %zmm\n
    .endr
    .irp n, 0,1,2,3,4,5,6,7
    kxnorw %k\n, %k\n, %k\n
    .endr
    ret
ENDFUNC ablation_state_dirty

/* void ablation_save(void *area, long compacted): XSAVE or XSAVEC of everything. */
FUNC ablation_save
    LANDING
    movl $-1, %eax
    movl $-1, %edx
    testq %rsi, %rsi
    jne 1f
    xsave64 (%rdi)
    ret
1:  xsavec64 (%rdi)
    ret
ENDFUNC ablation_save

/* ---------------------------------------------------------------- the contracts */

BODY sp_pc
BODY bp           gpr=1
BODY callee_saved gpr=6
BODY fpctl        gpr=6 fpctl=1
BODY gpr16        gpr=15 fpctl=1
BODY gpr16_alone  gpr=15
BODY xmm16        gpr=15 fpctl=1 xmm=1
BODY xsave        gpr=15 xsave=xsave64
BODY xsavec       gpr=15 xsave=xsavec64
BODY fs_base      gpr=15 xsave=xsave64 fs_base=1
BODY signal_mask  gpr=15 xsave=xsave64 signal_mask=1

FLOWS sp_pc        ablation_state_none
FLOWS bp           ablation_state_none
FLOWS callee_saved ablation_state_none
FLOWS fpctl        ablation_state_none
FLOWS gpr16        ablation_state_none
FLOWS gpr16_alone  ablation_state_none
FLOWS xmm16        ablation_state_none
FLOWS xsave        ablation_state_clean
FLOWS xsavec       ablation_state_clean
FLOWS fs_base      ablation_state_clean
FLOWS signal_mask  ablation_state_clean

/* The same bodies with the wide vectors in use. */
    .set ablation_xsave_dirty_body, ablation_xsave_body
    .set ablation_xsavec_dirty_body, ablation_xsavec_body
FLOWS xsave_dirty  ablation_state_dirty
FLOWS xsavec_dirty ablation_state_dirty
