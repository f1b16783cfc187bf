// SPDX-License-Identifier: MIT

// traffic.go: messages among many goroutines. An item says who sent it and its number; it counts
// when it is a later one of its producer's than the last that the consumer saw.
package main

const (
	many       = 4 // producers, and consumers
	numberBits = 40
	hops       = 100 // goroutines of a ring
)

func produce(items chan<- uint64, self, count uint64) {
	for n := uint64(1); n <= count; n++ {
		items <- self<<numberBits | n
	}
}

type consumer struct {
	last    [many]uint64
	counted uint64
}

func (c *consumer) take(item uint64) {
	from := item >> numberBits
	if item > c.last[from] {
		c.counted++
	}
	c.last[from] = item
}

// crowd: producers and consumers at one channel.
func crowd(ops, capacity uint64) uint64 {
	items := make(chan uint64, capacity)
	counts := make([]uint64, many)
	together(2*many, func(i uint64) {
		if i < many {
			produce(items, i, share(ops, many, i))
			return
		}
		var c consumer
		part := share(ops, many, i-many)
		for n := uint64(0); n < part; n++ {
			c.take(<-items)
		}
		counts[i-many] = c.counted
	})
	return sum(counts)
}

// fanIn: a channel for each producer; the consumer selects.
func fanIn(ops, capacity uint64) uint64 {
	var items [many]chan uint64
	for i := range items {
		items[i] = make(chan uint64, capacity)
	}
	var c consumer
	together(many+1, func(i uint64) {
		if i < many {
			produce(items[i], i, share(ops, many, i))
			return
		}
		for n := uint64(0); n < ops; n++ {
			select {
			case item := <-items[0]:
				c.take(item)
			case item := <-items[1]:
				c.take(item)
			case item := <-items[2]:
				c.take(item)
			case item := <-items[3]:
				c.take(item)
			}
		}
	})
	return c.counted
}

// pass: goroutines in a ring pass one token, which counts the hops.
func pass(ops, capacity uint64) uint64 {
	var links [hops]chan uint64
	for i := range links {
		links[i] = make(chan uint64, capacity)
	}
	done := make(chan uint64)
	for i := range links {
		go func(from <-chan uint64, to chan<- uint64) {
			for token := range from {
				if token == ops {
					done <- token
					continue
				}
				to <- token + 1
			}
		}(links[i], links[(i+1)%hops])
	}
	links[0] <- 0
	token := <-done
	for i := range links {
		close(links[i])
	}
	return token
}
