goos: linux
goarch: amd64
pkg: corobench
cpu: Synthetic 2-core
Unit insn/op assume=exact
Unit stored-B/op assume=exact
Unit loaded-B/op assume=exact
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.25 ns/op 14 insn/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.265625 ns/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.28125 ns/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.296875 ns/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.3125 ns/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.328125 ns/op
BenchmarkSwitch/coro/site=diff/place=same-cpu 100000 1.34375 ns/op
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
BenchmarkFootprint/coro/place=same-cpu 100000 4152 resident-B/flow
