// SPDX-License-Identifier: MIT

// net.go: an echo server over Go's net package, as a Go programmer would write it: a goroutine per
// connection.
package main

// #include <stdint.h>
import "C"

import (
	"net"
	"os"
	"sync/atomic"
)

const bufferBytes = 1024

func serve(connection net.Conn, echoed *uint64) {
	defer connection.Close()
	buffer := make([]byte, bufferBytes)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		atomic.AddUint64(echoed, uint64(n))
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// go_listen takes over the listener (a duplicate of it: C closes its own), and counts in C's memory
// the bytes read over all connections.
//
//export go_listen
func go_listen(fd C.int, echoed *C.uint64_t) C.int {
	listener, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
	if err != nil {
		return -1
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(connection, (*uint64)(echoed))
		}
	}()
	return 0
}
