# SPDX-License-Identifier: MIT
"""From records to pages: what scripts/report and scripts/compare are made of.

Read in this order: records (a file of JSON Lines becomes trials), estimates (numbers from
trials), dataset (cases, and the questions asked of a run), wording (numbers and foreign text
made printable), style and charts (pictures), pages (the report as blocks), render (blocks to
Markdown and HTML), commands (the two command lines).
"""
