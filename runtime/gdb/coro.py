# SPDX-License-Identifier: MIT
"""coro.py: what all flows are doing, for gdb: of a process that runs, or of a core file.

    (gdb) source runtime/gdb/coro.py
    (gdb) coro flows          every flow: name, state, what it waits for
    (gdb) coro bt [FLOW]      the same with backtraces; of one flow, by name or address
    (gdb) coro select FLOW    bt, up, info locals... are about that flow, which does not run
    (gdb) coro select         and about the thread again

The runtime must have been built with debug information. Of core files take the kernel's: those of
gdb's own generate-core-file lack stacks with guards by madvise. Nothing of the program is changed: an
unwinder tells gdb that the selected thread's innermost frame was called from where the flow goes
on, so gdb finds the rest by the flow's own CFI, and a core file serves as well. A flow that runs has
the frames of its thread. A copied flow that is put away has none.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import gdb
from gdb.unwinder import Unwinder, register_unwinder

REGISTERS = {  # SP, PC, FP
    "i386:x86-64": ("rsp", "rip", "rbp"),
    "aarch64": ("sp", "pc", "x29"),
    "riscv:rv64": ("sp", "pc", "fp"),
}
CANCELLED, PINNED, DONE, NAMED = 1, 2, 8, 16  # enum coro_flow_flags
COPIED, SEGMENTED = 3, 4  # enum coro_stack_policy
FRAMES_MAX = 64


class FrameId:
    def __init__(self, sp: Any, pc: Any) -> None:
        self.sp = sp
        self.pc = pc


class FlowUnwinder(Unwinder):
    """While it has a context, the innermost frame of `top` was called from there."""

    def __init__(self) -> None:
        super().__init__("coro")
        self.top: Optional[tuple[int, int]] = None
        self.context: Optional[dict[str, gdb.Value]] = None

    def set(self, context: Optional[dict[str, gdb.Value]]) -> None:
        self.top = self.context = None
        gdb.invalidate_cached_frames()
        if context is not None:
            frame = gdb.newest_frame()
            sp = REGISTERS[frame.architecture().name()][0]
            self.top = (int(frame.read_register(sp)), frame.pc())
            self.context = context
            gdb.invalidate_cached_frames()

    def __call__(self, pending: Any) -> Any:
        if self.context is None:
            return None
        names = REGISTERS.get(pending.architecture().name())
        if names is None:
            return None
        sp, pc, fp = (pending.read_register(name) for name in names)
        if (int(sp), int(pc)) != self.top:
            return None
        info = pending.create_unwind_info(FrameId(sp, pc))
        for name, old, field in zip(names, (sp, pc, fp), ("sp", "pc", "fp")):
            info.add_saved_register(name, self.context[field].cast(old.type))
        return info


UNWINDER = FlowUnwinder()


class Flow:
    def __init__(self, value: gdb.Value) -> None:
        self.value = value
        self.address = int(value.address)
        self.flags = int(value["flags"])
        self.copied = int(value["policy"]) == COPIED
        self.name = value["name"].string() if self.flags & NAMED else "(no name)"
        self.worker: Optional[int] = None  # that runs it

    def away(self) -> bool:
        """Copied, and its frames are not on the shared stack."""
        start = int(gdb.parse_and_eval("(unsigned long)&coro_arch_start"))
        return self.copied and int(self.value["context"]["pc"]) == start

    def context(self) -> dict[str, gdb.Value]:
        """Where it goes on: of a segmented flow, what is above it says."""
        found = {field: self.value["context"][field] for field in ("sp", "pc", "fp")}
        if int(self.value["policy"]) == SEGMENTED:
            above = gdb.lookup_type("struct coro_segmented").pointer()
            own = gdb.Value(self.address + self.value.type.sizeof).cast(above)
            found |= {"pc": own["pc"], "fp": own["fp"]}
        return found

    def state(self) -> str:
        if self.flags & DONE:
            return "ended, not joined"
        if self.worker is not None:
            return f"running on worker {self.worker}"
        wait = self.value["waiting"]
        if not int(wait):
            return "runnable"
        what = int(wait["object"])
        return wait["why"].string() + (f" {what:#x}" if what else "")

    def line(self) -> str:
        stack = "copied" if self.copied else f"stack {int(self.value['stack']['index'])}"
        notes = [word for bit, word in ((CANCELLED, ", cancelled"), (PINNED, ", pinned"))
                 if self.flags & bit]
        return f"flow {self.address:#x} {self.name}, {stack}: {self.state()}{''.join(notes)}"

    def thread(self) -> Optional[gdb.InferiorThread]:
        """Whose stack pointer is on the flow's stack."""
        if self.copied:
            return None
        low, top = (int(self.value["stack"][end]) for end in ("low", "top"))
        before = gdb.selected_thread()
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                if low <= int(gdb.parse_and_eval("(unsigned long)$sp")) < top:
                    return thread
        finally:
            before.switch()
        return None


def offset(struct: str, field: str) -> int:
    return next(f.bitpos // 8 for f in gdb.lookup_type(struct).fields() if f.name == field)


def copied_flows(sched: gdb.Value) -> Iterator[gdb.Value]:
    """As coro_copied_each()."""
    chunk = sched["copied_chunks"]
    if not int(chunk):
        return
    first = offset("struct slot", "flow")
    line = 64
    slot = (first + offset("struct coro_flow", "name") + line - 1) // line * line
    flow = gdb.lookup_type("struct coro_flow").pointer()
    while int(chunk):
        for at in range(line, int(chunk["used"]), slot):
            yield gdb.Value(int(chunk) + at + first).cast(flow).dereference()
        chunk = chunk["next"]


def stacked_flows(sched: gdb.Value) -> Iterator[gdb.Value]:
    flow = sched["all"]
    while int(flow):
        yield flow.dereference()
        flow = flow["all_next"]


def all_flows() -> Iterator[Flow]:
    """Those in use, of every run."""
    UNWINDER.set(None)
    try:
        sched = gdb.parse_and_eval("*(struct coro_sched **)&coro_runs")
    except gdb.error as error:
        raise gdb.GdbError(f"no runtime with debug information here: {error}") from error
    while int(sched):
        count = int(sched["workers_count"])
        running = {int(sched["workers"][i]["current"]): i for i in range(count)}
        for value in (*stacked_flows(sched), *copied_flows(sched)):
            if int(value["generation"]) % 2:
                flow = Flow(value)
                flow.worker = running.get(flow.address)
                yield flow
        sched = sched["next_run"]


def print_frames(frame: Optional[gdb.Frame]) -> None:
    depth = 0
    while frame is not None and depth < FRAMES_MAX:
        place = frame.find_sal()
        where = f" at {place.symtab.filename}:{place.line}" if place.symtab else ""
        gdb.write(f"    #{depth:<2} {frame.pc():#x} in {frame.name() or '??'}{where}\n")
        frame = frame.older()
        depth += 1


def print_running(flow: Flow) -> None:
    thread = flow.thread()
    before = gdb.selected_thread()
    if thread is None:
        return
    try:
        thread.switch()
        print_frames(gdb.newest_frame())
    finally:
        before.switch()


def first_frame(flow: Flow) -> Optional[gdb.Frame]:
    """The unwinder is set: the flow's innermost, inlined or not."""
    pc = int(flow.context()["pc"])
    frame = gdb.newest_frame()
    while frame is not None and frame.pc() != pc:
        frame = frame.older()
    return frame


def print_parked(flow: Flow) -> None:
    try:
        UNWINDER.set(flow.context())
        print_frames(first_frame(flow))
    finally:
        UNWINDER.set(None)


def print_backtrace(flow: Flow) -> None:
    gdb.write(flow.line() + "\n")
    if flow.flags & DONE or flow.away():
        return
    if flow.worker is not None:
        print_running(flow)
    else:
        print_parked(flow)


def chosen(text: str) -> list[Flow]:
    flows = [flow for flow in all_flows()
             if text in (flow.name, f"{flow.address:#x}", str(flow.address))]
    if not flows:
        raise gdb.GdbError(f"no flow '{text}'; see coro flows")
    return flows


class Coro(gdb.Command):
    """Flows of the coroutine runtime: coro flows, coro bt, coro select."""

    def __init__(self) -> None:
        super().__init__("coro", gdb.COMMAND_STACK, prefix=True)


class CoroFlows(gdb.Command):
    """coro flows: every flow, its state and what it waits for."""

    def __init__(self) -> None:
        super().__init__("coro flows", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        flows = list(all_flows())
        for flow in flows:
            gdb.write(flow.line() + "\n")
        gdb.write(f"{len(flows)} flows\n")


class CoroBacktrace(gdb.Command):
    """coro bt [FLOW]: backtraces of all flows, or of one by name or address."""

    def __init__(self) -> None:
        super().__init__("coro bt", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        for flow in chosen(argument) if argument else list(all_flows()):
            print_backtrace(flow)


class CoroSelect(gdb.Command):
    """coro select [FLOW]: gdb's own commands are about a flow that does not run."""

    def __init__(self) -> None:
        super().__init__("coro select", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        UNWINDER.set(None)
        if not argument:
            return
        flow = chosen(argument)[0]
        if flow.flags & DONE or flow.worker is not None or flow.away():
            raise gdb.GdbError(f"it has no frames of its own to select: {flow.line()}")
        UNWINDER.set(flow.context())
        frame = first_frame(flow)
        if frame is not None:
            frame.select()
        gdb.execute("frame")


register_unwinder(None, UNWINDER, replace=True)
Coro()
CoroFlows()
CoroBacktrace()
CoroSelect()
