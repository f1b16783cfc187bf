/* SPDX-License-Identifier: MIT
 *
 * main.c: the menu. Every experiment of corobench, in the order in which the report tells
 * its story: what a switch costs, why, how much it saves, whether depth matters, what a flow costs to make,
 * to keep and how many there can be, what the scheduler adds, and what talking between flows costs.
 */
#include "experiments.h"

int main(int argc, char **argv)
{
    const struct bench_experiment experiments[] = {
        {"switch", "what does a switch between two flows cost?", switch_cases,
         switch_case_count},
        {"ablation", "is it cheap because it saves few registers?", ablation_cases,
         ablation_case_count},
        {"context", "how many bytes does a switch save, and what else does a thread own?",
         context_cases, context_case_count},
        {"depth", "does the cost grow with the live stack?", depth_cases, depth_case_count},
        {"spawn", "what does it cost to create, run and join a flow?", spawn_cases,
         spawn_case_count},
        {"footprint", "what does a parked flow weigh?", footprint_cases,
         footprint_case_count},
        {"hotsplit", "does a call cost more where a segment of the stack ends?", hotsplit_cases,
         hotsplit_case_count},
        {"growth", "what does it cost a stack to grow and to shrink?", growth_cases,
         growth_case_count},
        {"prologue", "what does a stack that can grow cost who never makes it grow?",
         prologue_cases, prologue_case_count},
        {"limit", "how many flows until creation fails, and what bound it?", limit_cases,
         limit_case_count},
        {"yield", "what does it cost to let the other flows run?", yield_cases,
         yield_case_count},
        {"workingset", "what does a turn cost when no cache holds the flows?", workingset_cases,
         workingset_case_count},
        {"message", "what does it cost to pass an item over shared memory?", message_cases,
         message_case_count},
        {"counter", "what does a shared counter cost?", counter_cases, counter_case_count},
        {"bank", "what is lost without protection, and what does protection cost?", bank_cases,
         bank_case_count},
        {"scale", "what do programs of very many flows cost?", scale_cases, scale_case_count},
        {"io", "what does a request to an echo server cost?", io_cases, io_case_count},
        {"layers", "what lies between a switch and two processes with a pipe?", layers_cases,
         layers_case_count},
        {"oslevel", "how often does the kernel switch while flows do?", oslevel_cases,
         oslevel_case_count},
        {"steal", "do idle workers take over, and what does a flow hold up that never yields?",
         steal_cases, steal_case_count},
        {"csp", "do channels keep the rules, and do they save from deadlock?", csp_cases,
         csp_case_count},
        {"blocking", "who waits while a flow waits for I/O?", blocking_cases,
         blocking_case_count},
    };
    return bench_main(argc, argv, experiments, sizeof experiments / sizeof *experiments);
}
