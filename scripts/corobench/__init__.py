# SPDX-License-Identifier: MIT
"""From records to pages: what scripts/report and scripts/compare are made of.

Read in this order: records (a file of JSON Lines becomes trials), estimates (numbers from
trials), dataset (cases, and the questions asked of a run), wording (numbers and foreign
text made printable), selection (which cases answer which question), style, scatter,
curves, weights, bars and charts (pictures), blocks, tables, summary, doubts and pages
(the report, said once), render (as Markdown and HTML), comparison, commands (the two
command lines).
"""
