/* SPDX-License-Identifier: MIT
 *
 * guest_main.c: main() of a peer that links nothing of this. The build makes of it a program for
 * each such peer, with the command that runs the guest and the path of its cases.
 */
#include "guest.h"

int main(int argc, char **argv)
{
    static char *const command[] = {GUEST_COMMAND, NULL};
    return bench_guest_main(argc, argv, GUEST_CASES, command);
}
