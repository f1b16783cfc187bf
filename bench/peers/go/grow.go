// SPDX-License-Identifier: MIT

// grow.go: stacks that grow.
package main

const frameBytes = 512

// descend counts its frames, each of some 512 bytes, and writes to every one.
//
//go:noinline
func descend(frames uint64) uint64 {
	var frame [frameBytes - 64]byte
	if frames == 0 {
		return 0
	}
	frame[frames%uint64(len(frame))] = 1
	return descend(frames-1) + uint64(frame[frames%uint64(len(frame))])
}

// grow: each op is a new goroutine, which goes so deep once, and back.
func grow(ops, depthBytes uint64) uint64 {
	frames, back := depthBytes/frameBytes, make(chan uint64)
	n := uint64(0)
	for ; n < ops; n++ {
		go func() { back <- descend(frames) }()
		if <-back != frames {
			break
		}
	}
	return n
}
