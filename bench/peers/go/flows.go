// SPDX-License-Identifier: MIT

// flows.go: how the C side (cases.c) has goroutines do its work.
//
// C's main thread must not be among those measured: a call from C into Go is dear, and its
// goroutine is tied to its thread. So it hands each job to a driver, an ordinary goroutine,
// and sleeps until the driver is done; what that costs is the same for any number of ops.
//
// Every goroutine of a job counts what it did itself; the job returns the sum.
package main

// #include "flows.h"
import "C"

import "runtime"

type job struct {
	work func(ops, parameter uint64) uint64
	ops  uint64
	// What the case's table says: flows, a capacity, a batch.
	parameter uint64
}

var (
	jobs    = make(chan job)
	results = make(chan uint64)
)

func drive() {
	for j := range jobs {
		results <- j.work(j.ops, j.parameter)
	}
}

//export go_start
func go_start(workers C.int) {
	runtime.GOMAXPROCS(int(workers))
	go drive()
}

//export go_run
func go_run(kind C.int, ops, parameter C.uint64_t) C.uint64_t {
	works := [...]func(ops, parameter uint64) uint64{
		C.GO_YIELD:        yield,
		C.GO_ROUNDTRIP:    roundTrip,
		C.GO_STREAM:       stream,
		C.GO_SPAWN:        spawn,
		C.GO_COUNTER:      counter,
		C.GO_OWNER:        owner,
		C.GO_CROWD:        crowd,
		C.GO_FAN_IN:       fanIn,
		C.GO_PASS:         pass,
		C.GO_SKYNET:       skynetRun,
		C.GO_SIEVE:        sieve,
		C.GO_RING:         ringRun,
		C.GO_SUM:          sumRun,
		C.GO_DESCEND:      descents,
		C.GO_DESCEND_ANEW: descentsAnew,
	}
	jobs <- job{works[kind], uint64(ops), uint64(parameter)}
	return C.uint64_t(<-results)
}

// share is flow i's part of `ops` ops that `flows` flows do together.
func share(ops, flows, i uint64) uint64 {
	part := ops / flows
	if i < ops%flows {
		part++
	}
	return part
}

func sum(counts []uint64) (total uint64) {
	for _, count := range counts {
		total += count
	}
	return total
}

func main() {} // never called: the program's main() is C's
