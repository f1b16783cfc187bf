/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>

#include "environment.h"

static const char doctor_text[] =
    "usage: corobench doctor [--format text|json]\n"
    "Each fact about machine and kernel that a figure depends on: ok, warning or unavailable,\n"
    "with what to do about it.\n";

int cli_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(doctor_text, stdout), 0;
        code = option == OPT_FORMAT ? cli_parse_json(optarg, &json) : cli_bad_option(argv);
    }
    if (!code && optind < argc)
        code = cli_usage_error("doctor takes no word such as '%s'", argv[optind]);
    return code ? code : bench_doctor(json);
}
