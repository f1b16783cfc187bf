// SPDX-License-Identifier: MIT

// work.go: the jobs, each as a Go programmer would write it.
package main

import (
	"runtime"
	"sync"
)

// yield: `flows` goroutines, each with its share of the yields.
func yield(ops, flows uint64) uint64 {
	counts := make([]uint64, flows)
	together(flows, func(i uint64) {
		n, part := uint64(0), share(ops, flows, i)
		for ; n < part; n++ {
			runtime.Gosched()
		}
		counts[i] = n
	})
	return sum(counts)
}

// roundTrip: the driver asks, a goroutine answers what it was asked.
func roundTrip(ops, capacity uint64) uint64 {
	request, reply := make(chan uint64, capacity), make(chan uint64, capacity)
	go func() {
		for item := range request {
			reply <- item
		}
		close(reply)
	}()
	n := uint64(0)
	for ; n < ops; n++ {
		request <- n
		if <-reply != n {
			break
		}
	}
	close(request)
	return n
}

// stream: the driver produces, a goroutine consumes; what the consumer saw is what counts.
func stream(ops, capacity uint64) uint64 {
	items, seen := make(chan uint64, capacity), make(chan uint64)
	go func() {
		n := uint64(0)
		for item := range items {
			if item == n {
				n++
			}
		}
		seen <- n
	}()
	for n := uint64(0); n < ops; n++ {
		items <- n
	}
	close(items)
	return <-seen
}

// spawn: `batch` goroutines are started, then all are waited for, and so on.
func spawn(ops, batch uint64) uint64 {
	counts := make([]uint64, batch)
	var all sync.WaitGroup
	for left := ops; left > 0; {
		size := batch
		if left < size {
			size = left
		}
		all.Add(int(size))
		for i := uint64(0); i < size; i++ {
			go func(i uint64) {
				counts[i]++
				all.Done()
			}(i)
		}
		all.Wait()
		left -= size
	}
	return sum(counts)
}

// counter: `flows` goroutines raise one number under a mutex.
func counter(ops, flows uint64) uint64 {
	var (
		mutex  sync.Mutex
		number uint64
	)
	together(flows, func(i uint64) {
		part := share(ops, flows, i)
		for n := uint64(0); n < part; n++ {
			mutex.Lock()
			number++
			mutex.Unlock()
		}
	})
	return number // less than ops if an increment was lost
}

// owner: two goroutines send increments to a third, whose number it is.
func owner(ops, capacity uint64) uint64 {
	const flows = 2
	increments, total := make(chan uint64, capacity), make(chan uint64)
	go func() {
		number := uint64(0)
		for increment := range increments {
			number += increment
		}
		total <- number
	}()
	together(flows, func(i uint64) {
		part := share(ops, flows, i)
		for n := uint64(0); n < part; n++ {
			increments <- 1
		}
	})
	close(increments)
	return <-total
}

// skynet: a tree of goroutines, ten children each, that add up the leaves' numbers.
func skynet(up chan<- uint64, first, leaves uint64) {
	if leaves == 1 {
		up <- first
		return
	}
	children := uint64(10)
	if leaves < children {
		children = leaves
	}
	sums := make(chan uint64)
	for i := uint64(0); i < children; i++ {
		below := share(leaves, children, i)
		go skynet(sums, first, below)
		first += below
	}
	total := uint64(0)
	for i := uint64(0); i < children; i++ {
		total += <-sums
	}
	up <- total
}

// skynetRun: trees of `leaves` leaves, and one of the rest. Their sums are known: a leaf that
// did not run, or ran twice, shows.
func skynetRun(ops, leaves uint64) uint64 {
	done := uint64(0)
	for done < ops {
		size := leaves
		if ops-done < size {
			size = ops - done
		}
		root := make(chan uint64)
		go skynet(root, 0, size)
		if <-root != size*(size-1)/2 {
			break
		}
		done += size
	}
	return done
}

// descend: so many frames of 512 bytes, and back. Go clears each of them.
//
//go:noinline
func descend(frames uint64) uint64 {
	var frame [frameBytes - 24]byte
	frame[0], frame[len(frame)-1] = 1, 1
	if frames > 1 {
		return descend(frames-1) + uint64(frame[0])
	}
	return 1
}

const frameBytes = 512

// descents: by one goroutine, whose stack is as large as it needs from the second on.
func descents(ops, bytes uint64) (done uint64) {
	for ; ops > 0; ops-- {
		if descend(bytes/frameBytes) == bytes/frameBytes {
			done++
		}
	}
	return done
}

// descentsAnew: each by a goroutine of its own, that begins with a small stack and gives it
// back as it ends.
func descentsAnew(ops, bytes uint64) (done uint64) {
	result := make(chan uint64)
	for ; ops > 0; ops-- {
		go func() { result <- descend(bytes / frameBytes) }()
		if <-result == bytes/frameBytes {
			done++
		}
	}
	return done
}
