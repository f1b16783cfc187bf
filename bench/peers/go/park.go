// SPDX-License-Identifier: MIT

// park.go: goroutines that wait, for their weight.
package main

// #include <stdint.h>
import "C"

var never = make(chan struct{}) // a package's variable: else they would wait for garbage

//export go_park
func go_park(flows C.uint64_t) C.uint64_t {
	begun := make(chan uint64)
	for i := C.uint64_t(0); i < flows; i++ {
		go func() {
			begun <- 1
			<-never
		}()
	}
	count := uint64(0)
	for i := C.uint64_t(0); i < flows; i++ {
		count += <-begun
	}
	return C.uint64_t(count)
}
