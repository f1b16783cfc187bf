# SPDX-License-Identifier: MIT
"""From records to pages and verdicts: what report, compare, history are made of.

Read in this order: records (a file of JSON Lines becomes trials), estimates (numbers from
trials), dataset (cases, and the questions asked of a run), wording (numbers and foreign
text made printable), selection (which cases answer which question), style, scatter,
curves, weights, contexts, bars and charts (pictures), blocks, tables, summary, doubts and pages
(the report, said once), render (as Markdown and HTML), comparison, commands (the two
command lines). Of the gate: exact and baseline (counts), paired and timing (times),
findings and render_findings (verdicts), compare_command. Of a history: divisive, history.
"""
