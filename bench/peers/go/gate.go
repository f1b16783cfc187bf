// SPDX-License-Identifier: MIT

// gate.go: makes the goroutines of a job start together, on all Ps.
//
// Goroutines that one goroutine makes are queued at its own P, and may all have run there before
// another P wakes to steal some. So with several Ps there are as many leaders, which start the
// rest: a leader's goroutines are queued at the P that it runs on. Leaders meet first, and the
// meeting proves that they run at once: two pass a number to and fro a hundred times,
// spinning. On one P each pass would need a preemption, which takes 10 ms; a meeting that lasts
// longer than 100 ms in all is held again, and a job whose leaders never meet returns no ops.
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	passes      = 100
	meetingMost = 100 * time.Millisecond
	meetingsMax = 200
)

// meet returns how long leader `self` of `leaders` took to pass the number with the others.
func meet(turn *uint64, self, leaders uint64) time.Duration {
	start := time.Now()
	for n := self; n < passes; n += leaders {
		for atomic.LoadUint64(turn) != n {
		}
		atomic.StoreUint64(turn, n+1)
	}
	return time.Since(start)
}

// together runs body(0) to body(flows-1), a goroutine each, and waits for them. Returns false,
// having run none, when the Ps could not be had at once.
func together(flows uint64, body func(i uint64)) bool {
	leaders := uint64(runtime.GOMAXPROCS(0))
	if leaders > flows {
		leaders = flows
	}
	turns := make([]uint64, meetingsMax)
	var all sync.WaitGroup
	var late uint64
	all.Add(int(flows))
	lead := func(self uint64) {
		defer all.Done()
		met := leaders == 1
		for try := 0; try < meetingsMax && !met; try++ {
			// All see the same: the last to pass decides for all.
			took := meet(&turns[try], self, leaders)
			if self == (passes-1)%leaders && took > meetingMost {
				atomic.StoreUint64(&turns[try], passes+2)
			} else if self == (passes-1)%leaders {
				atomic.StoreUint64(&turns[try], passes+1)
			}
			for atomic.LoadUint64(&turns[try]) <= passes {
			}
			met = atomic.LoadUint64(&turns[try]) == passes+1
		}
		if !met {
			atomic.StoreUint64(&late, 1)
		}
		for i := self + leaders; i < flows; i += leaders {
			go func(i uint64) {
				if met {
					body(i)
				}
				all.Done()
			}(i)
		}
		if met {
			body(self)
		}
	}
	for self := uint64(0); self < leaders; self++ {
		go lead(self)
	}
	all.Wait()
	return atomic.LoadUint64(&late) == 0
}
