// SPDX-License-Identifier: MIT

// scale.go: programs of very many goroutines, as bench/scale.c says.
package main

func filter(in <-chan uint64, out chan<- uint64, prime uint64) {
	for number := range in {
		if number%prime != 0 {
			out <- number
		}
	}
	close(out)
}

// primesUpTo finds primes by trial division: how far the source has to count, and their sum.
func primesUpTo(count uint64) (limit, total uint64) {
	for found := uint64(0); found < count; {
		limit++
		divisor := uint64(2)
		for divisor*divisor <= limit && limit%divisor != 0 {
			divisor++
		}
		if limit > 1 && divisor*divisor > limit {
			total += limit
			found++
		}
	}
	return limit, total
}

func oneSieve(primes, limit, total uint64) uint64 {
	in := make(chan uint64)
	go func(out chan<- uint64) {
		for number := uint64(2); number <= limit; number++ {
			out <- number
		}
		close(out)
	}(in)
	found, sum := uint64(0), uint64(0)
	for prime, more := <-in; more; prime, more = <-in {
		found++
		sum += prime
		out := make(chan uint64)
		go filter(in, out, prime)
		in = out
	}
	if sum != total || found != primes {
		return 0
	}
	return found
}

var sieveKnown struct{ primes, limit, total uint64 }

func sieve(ops, primes uint64) uint64 {
	if sieveKnown.primes != primes {
		sieveKnown.limit, sieveKnown.total = primesUpTo(primes)
		sieveKnown.primes = primes
	}
	counted := uint64(0)
	for done := uint64(0); done < ops; done += primes {
		counted += oneSieve(primes, sieveKnown.limit, sieveKnown.total)
	}
	if counted > ops {
		return ops // a part of a sieve is a whole one, too
	}
	return counted
}

func oneRing(flows uint64) uint64 {
	first := make(chan uint64)
	from := first
	for i := uint64(0); i < flows; i++ {
		to := make(chan uint64)
		go func(from <-chan uint64, to chan<- uint64) {
			to <- <-from + 1
		}(from, to)
		from = to
	}
	first <- 0
	return <-from
}

// ringRun: a ring is made, one token goes through it, and its goroutines end.
func ringRun(ops, flows uint64) uint64 {
	counted := uint64(0)
	for done := uint64(0); done < ops; done += flows {
		size := flows
		if ops-done < size {
			size = ops - done
		}
		counted += oneRing(size)
	}
	return counted
}

const sumChunk = 8192

var sumNumbers []uint64

func oneSum(parts uint64) uint64 {
	sums := make(chan uint64, 128)
	go func() {
		for part := uint64(0); part < parts; part++ {
			go func(numbers []uint64) {
				total := uint64(0)
				for _, number := range numbers {
					total += number
				}
				sums <- total
			}(sumNumbers[part*sumChunk : (part+1)*sumChunk])
		}
	}()
	total, numbers := uint64(0), parts*sumChunk
	for part := uint64(0); part < parts; part++ {
		total += <-sums
	}
	if total != numbers*(numbers-1)/2 {
		return 0
	}
	return parts
}

func sumRun(ops, parts uint64) uint64 {
	for uint64(len(sumNumbers)) < parts*sumChunk {
		sumNumbers = append(sumNumbers, uint64(len(sumNumbers)))
	}
	counted := uint64(0)
	for done := uint64(0); done < ops; done += parts {
		size := parts
		if ops-done < size {
			size = ops - done
		}
		counted += oneSum(size)
	}
	return counted
}
