// SPDX-License-Identifier: MIT

// ring.go: so many goroutines that making or waking them all in each run would be all that
// is measured. They are made once and yield for ever, in turn; a run lets them yield `ops`
// times more and stops them where they are (ring.c is the side that waits).
//
// The one whose turn comes when no op is left keeps its P: it sleeps in the kernel without
// telling the scheduler (RawSyscall), so that all others stay in the run queue, in their order.
// Sysmon may preempt it after 10 ms; then another sleeps in its place. An op is counted when
// Gosched has returned, by the one to which it did.
//
// With one P no two goroutines run at once, and none is preempted between two yields unless
// they are 10 ms apart, so that the number of ops left needs no atomic instruction.
package main

// #include "flows.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const futexWaitPrivate, futexWakePrivate = 0 | 128, 1 | 128

// With a timeout, as without one the kernel goes on waiting after sysmon's signal.
var holdTimeout = syscall.Timespec{Sec: 1}

func futex(word *uint32, operation, value uintptr) {
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), operation, value,
		uintptr(unsafe.Pointer(&holdTimeout)), 0, 0)
}

// hold sleeps unless a run began after `generation`, and tells C that this one is over. Before
// the first run it only yields.
//
//go:noinline
func hold(r *C.struct_ring, generation uint32) {
	if generation == 0 {
		runtime.Gosched() // C's own goroutine may be far behind in the queue
		return
	}
	if atomic.LoadUint32((*uint32)(&r.finished)) != generation {
		atomic.StoreUint32((*uint32)(&r.finished), generation)
		futex((*uint32)(&r.finished), futexWakePrivate, 1)
	}
	futex((*uint32)(&r.generation), futexWaitPrivate, uintptr(generation))
}

func ringAlone(r *C.struct_ring, turns *C.uint32_t) {
	left := (*int64)(&r.left)
	for {
		runtime.Gosched()
		for atomic.LoadInt64(left) == 0 {
			generation := atomic.LoadUint32((*uint32)(&r.generation))
			if atomic.LoadInt64(left) == 0 {
				hold(r, generation)
			}
		}
		*left--
		*turns++
	}
}

func ringShared(r *C.struct_ring, turns *C.uint32_t) {
	left := (*int64)(&r.left)
	for {
		runtime.Gosched()
		// Read before the attempt: that one fails means that no op of this run is left.
		generation := atomic.LoadUint32((*uint32)(&r.generation))
		for atomic.AddInt64(left, -1) < 0 {
			atomic.AddInt64(left, 1)
			hold(r, generation)
			generation = atomic.LoadUint32((*uint32)(&r.generation))
		}
		*turns++
	}
}

//export go_ring_start
func go_ring_start(r *C.struct_ring, flows C.uint64_t) {
	loop := ringShared
	if runtime.GOMAXPROCS(0) == 1 {
		loop = ringAlone
	}
	// None yields before all are made: each slice of time in which this makes some would
	// else be followed by a lap of those that there are.
	start := make(chan struct{})
	turns := unsafe.Slice(r.turns, flows)
	for i := range turns {
		go func(turns *C.uint32_t) {
			<-start
			loop(r, turns)
		}(&turns[i])
	}
	close(start)
}
