/* SPDX-License-Identifier: MIT
 *
 * guest.c: main() of a peer that links nothing of this. The build gives each such peer a program
 * of its own, with the command that runs the guest and the folder's cases.json.
 */
#include "guest.h"

int main(int argc, char **argv)
{
    static char *const command[] = {GUEST_COMMAND, NULL};
    return bench_guest_main(argc, argv, GUEST_CASES, command);
}
